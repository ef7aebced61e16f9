"""Transactions per second through the whole pipeline, beside a design that treats each message alone.

Both read the same records from the same broker into the same PostgreSQL server (a database each), scoring
with both detectors; rounds alternate, so that a noisy machine disturbs both.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
from _pipeline import pipeline_of
from aiokafka import AIOKafkaConsumer
from rich.console import Console
from rich.table import Table

from detectors.models import Models
from detectors.state import STATE_VERSION, UserState
from domain.transaction import GroundTruth, Transaction
from services.brokers.broker import Broker
from services.brokers.factory import make_broker
from services.console.bus import Bus
from services.models import schedule
from services.process import garbage
from services.process.supervisor import Supervisor
from services.records import wire
from services.sending.producer import Sender, outgoing
from services.store.batch import Batch, StoredRow, Term, commit, prepare
from services.store.database import EmbeddedDatabase
from services.store.store import Store
from simulator import Simulator

HISTORY = 20_000


def traffic(count: int, *, day: int, run: str = "") -> Iterator[tuple[Transaction, GroundTruth | None]]:
    """The first `count` transactions from a day on; 1,000 users who buy 17 times a day, whatever the day."""
    start = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(days=day)
    simulator = Simulator(users=1000, anomaly_rate=0.05, seed=7, start=start, rate=0.2, run=run)
    return islice(simulator.stream(), count)


async def preload(broker: Broker, topic: str, count: int) -> None:
    """Put `count` simulated transactions on the topic."""
    sender = Sender(broker, topic)
    await sender.start()
    for transaction, truth in traffic(count, day=2, run=topic):
        await sender.send(outgoing(transaction, truth, replay=True))
    await sender.flush()
    await sender.stop()


async def batched(broker: Broker, store: Store, topic: str, count: int, models: Models) -> float:
    """Seconds our pipeline takes from joining the group to the last commit."""
    bus, supervisor = Bus(), Supervisor()
    supervisor.add(pipeline_of(broker, store, bus, topic, models))
    began = time.perf_counter()
    await supervisor.start()
    while bus.transactions < count:
        await asyncio.sleep(0.01)
    seconds = time.perf_counter() - began
    await supervisor.stop()
    return seconds


async def one_by_one(broker: Broker, store: Store, topic: str, count: int, models: Models) -> float:
    """Seconds for `count` messages taken, scored and stored singly, profiles and offsets as exact as ours."""
    assert models.basic is not None
    assert models.enhanced is not None
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=broker.bootstrap,
        group_id=f"{topic}-single",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    terms: dict[int, tuple[Term, int]] = {}
    await consumer.start()
    began = time.perf_counter()
    async with store.pool.acquire() as connection:
        for _ in range(count):
            record: Any = await consumer.getone()
            if record.partition not in terms:
                opening = await store.open_term("single", topic, record.partition, "bench")
                terms[record.partition] = Term("single", topic, record.partition, opening.epoch), opening.next_offset
            term, expected = terms[record.partition]
            transaction = wire.decode(record.value)
            encoded = await store.profiles([transaction.user_id], STATE_VERSION)
            states = {user: UserState.from_bytes(state) for user, state in encoded.items()}
            verdicts = (models.basic.score([transaction])[0], models.enhanced.score([transaction], states)[0])
            profiles = {user: state.to_bytes() for user, state in states.items()}
            row = StoredRow(record.offset, transaction, verdicts, None)
            batch = Batch(term, expected, record.offset + 1, (row,), (), profiles, STATE_VERSION, "bench")
            await store.days.ensure(batch.days)
            await commit(connection, prepare(batch))
            terms[record.partition] = term, record.offset + 1
    seconds = time.perf_counter() - began
    await consumer.stop()
    return seconds


async def run(kafka: str, count: int, singles: int, rounds: int) -> None:
    """Alternate the two designs and print one table."""
    folder = Path(tempfile.mkdtemp(prefix="anomaly-tui-bench-"))
    database = EmbeddedDatabase(folder)
    broker = make_broker(kafka, data_dir=folder, cache_dir=folder / "cache")
    await asyncio.gather(database.start(lambda line: None), broker.start(lambda line: None))
    models = schedule.fit([transaction for transaction, _ in traffic(HISTORY, day=0)], HISTORY, "both", 0.005)
    garbage.settle()
    rates: dict[str, list[float]] = {"pipeline": [], "one by one": []}
    for number in range(rounds):
        for name, amount in (("pipeline", count), ("one by one", singles)):
            topic = f"bench-{name[:3]}-{number}"
            await broker.ensure_topic(topic, 4)
            await preload(broker, topic, amount)
            dsn = database.dsn.replace("/anomalies?", f"/bench_{name[:3]}_{number}?")
            store = await Store.open(dsn)
            seconds = await (batched if name == "pipeline" else one_by_one)(broker, store, topic, amount, models)
            rates[name].append(amount / seconds)
            await store.close()
    admin = await asyncpg.connect(database.dsn, database="postgres")
    version = await admin.fetchval("SHOW server_version")
    await admin.close()
    await broker.stop()
    await database.stop()

    table = Table(title=f"Throughput, both detectors, {broker.label}, PostgreSQL {version}, {rounds} rounds")
    for column in ("design", "transactions/s (median)", "lowest", "highest", "ratio"):
        table.add_column(column, justify="left" if column == "design" else "right")
    slow = statistics.median(rates["one by one"])
    for name, found in rates.items():
        middle = statistics.median(found)
        table.add_row(name, f"{middle:,.0f}", f"{min(found):,.0f}", f"{max(found):,.0f}", f"{middle / slow:.1f}")
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kafka", default="embedded", help="embedded, local or HOST:PORT")
    parser.add_argument("--count", type=int, default=60_000, help="transactions a round through the pipeline")
    parser.add_argument("--singles", type=int, default=2_000, help="transactions a round one by one")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    asyncio.run(run(arguments.kafka, arguments.count, arguments.singles, arguments.rounds))
