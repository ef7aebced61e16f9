"""Transactions per second through the whole pipeline, beside other designs in the same run.

All read the same records from the same Kafka into the same PostgreSQL server (a database each); rounds alternate, so
that a noisy machine disturbs all. The processor's time is given a transaction, for our process, PostgreSQL and Kafka;
the bytes are what the database has grown by, after VACUUM. Figures go to build/bench/throughput.json too.

    python benchmarks/throughput.py --count 120000 --rounds 3
    python benchmarks/throughput.py --designs anomaly-tui ceiling
"""

import argparse
import asyncio
import statistics
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from _designs import DESIGNS, SINGLE, Design
from _results import keep, machine
from _servers import Servers, Spent, servers
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from detectors.models import Models
from detectors.policy import USUAL_POLICY
from domain.transaction import GroundTruth, Transaction
from services.brokers.broker import Broker
from services.models import schedule
from services.process import garbage
from services.sending.producer import Sender, outgoing
from services.store.store import Store
from simulator import Simulator

HISTORY, PARTITIONS = 20_000, 4


class Round(NamedTuple):
    """One pass of a design: transactions, what it spent, and by how many bytes the database grew for each."""

    count: int
    spent: Spent
    bytes_each: float

    @property
    def rate(self) -> float:
        """Transactions per second."""
        return self.count / self.spent.wall


def traffic(count: int, *, day: int, run: str = "", users: int = 1_000) -> Iterator[tuple[Transaction, GroundTruth]]:
    """The first `count` transactions from a day on; users who buy 17 times a day, whatever the day."""
    start = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(days=day)
    simulator = Simulator(users=users, anomaly_rate=0.05, seed=7, start=start, rate=0.0002 * users, run=run)
    return islice(simulator.stream(), count)


async def preload(broker: Broker, topic: str, count: int, *, users: int = 1_000, partitions: int = PARTITIONS) -> None:
    """Put `count` simulated transactions on the topic."""
    await broker.ensure_topic(topic, partitions)
    sender = Sender(broker, topic)
    await sender.start()
    for transaction, truth in traffic(count, day=2, run=topic, users=users):
        await sender.send(outgoing(transaction, truth, replay=True))
    await sender.flush()
    await sender.stop()


async def size(store: Store) -> int:
    """Bytes of the store's database, after VACUUM."""
    async with store.pool.acquire() as connection:
        await connection.execute("VACUUM")
        return int(await connection.fetchval("SELECT pg_database_size(current_database())"))


async def measured(running: Servers, design: Design, name: str, count: int, models: Models) -> Round:
    """Run a design once, on a topic and in a database of that name."""
    await preload(running.broker, name, count)
    store = await running.store(name.replace("-", "_"))
    try:
        empty = await size(store)
        garbage.settle()
        before = running.spent()
        await design(running.broker, store, name, count, models)
        spent = running.spent().minus(before)
        return Round(count, spent, (await size(store) - empty) / count)
    finally:
        await store.close()


def chosen(names: list[str]) -> dict[str, Design]:
    """The designs that begin with one of these names, in their usual order; all without names."""
    return {
        name: design
        for name, design in DESIGNS.items()
        if not names or any(name.startswith(wanted) for wanted in names)
    }


async def run(kafka: str, count: int, singles: int, rounds: int, designs: dict[str, Design]) -> None:
    """Alternate the designs, print one table and keep the figures."""
    models = schedule.fit([transaction for transaction, _ in traffic(HISTORY, day=0)], HISTORY, "both", USUAL_POLICY)
    found: dict[str, list[Round]] = {name: [] for name in designs}
    async with servers(kafka) as running:
        with Progress(transient=True) as progress:
            task = progress.add_task("rounds", total=rounds * len(designs))
            for number in range(rounds):
                for place, (name, design) in enumerate(designs.items()):
                    amount = singles if name in SINGLE else count
                    found[name].append(await measured(running, design, f"bench-{number}-{place}", amount, models))
                    progress.advance(task)
        where = f"{running.broker.label}, PostgreSQL {await running.version()}"
    rows = {name: figures(passes) for name, passes in found.items()}
    highest = rows.get("ceiling: decode and COPY", {}).get("rate")
    table = Table(title=f"Both detectors, {where}, {machine()['cores']} cores, median of {rounds} rounds")
    for column in ("design", "tx/s", "each round", "of the ceiling", "ours us", "PostgreSQL us", "Kafka us", "bytes"):
        table.add_column(column, justify="left" if column == "design" else "right")
    for name, row in rows.items():
        table.add_row(
            name,
            f"{row['rate']:,.0f}",
            " ".join(f"{each.rate:,.0f}" for each in found[name]),
            f"{row['rate'] / highest:.3f}" if highest else "",
            *(f"{row[column]:,.1f}" for column in ("ours_us", "postgresql_us", "kafka_us")),
            f"{row['bytes']:,.0f}",
        )
    Console().print(table)
    Console().print(f"Kept in {keep('throughput', rows)}")


def figures(passes: list[Round]) -> dict[str, Any]:
    """Medians of a design's rounds."""

    def middle(values: Iterator[float]) -> float:
        return round(statistics.median(values), 1)

    return {
        "rate": middle(each.rate for each in passes),
        "ours_us": middle(each.spent.ours / each.count * 1e6 for each in passes),
        "postgresql_us": middle(each.spent.postgresql / each.count * 1e6 for each in passes),
        "kafka_us": middle(each.spent.kafka / each.count * 1e6 for each in passes),
        "bytes": middle(each.bytes_each for each in passes),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kafka", default="local", help="embedded, local (Apache Kafka, default) or HOST:PORT")
    parser.add_argument("--count", type=int, default=120_000, help="transactions a round of those that take batches")
    parser.add_argument(
        "--singles", type=int, default=2_000, help="transactions a round of those that take single ones"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--designs", nargs="*", default=[], metavar="NAME", help="beginnings of names; default: all")
    given = parser.parse_args()
    asyncio.run(run(given.kafka, given.count, given.singles, given.rounds, chosen(given.designs)))
