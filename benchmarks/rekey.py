"""What re-keying costs: the same transactions through the pipeline, keyed by user and without keys.

Alternating rounds on one local Apache Kafka and one PostgreSQL, each round on a topic and a database of its own, with
everything in Kafka before the clock starts. Prints one table: transactions per second from the first commit to the
last.

    python benchmarks/rekey.py --count 60000 --rounds 3
"""

import argparse
import asyncio
import statistics
import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple

from _pipeline import pipeline_of
from _servers import servers
from rich.console import Console
from rich.table import Table

from detectors.models import Models
from detectors.policy import USUAL_POLICY
from domain.transaction import GroundTruth, Transaction
from services.brokers.broker import Broker
from services.console.bus import Bus
from services.models import schedule
from services.pipeline.keying import Keying
from services.pipeline.rekey import Rekeyer
from services.process.supervisor import Supervisor
from services.sending.producer import Sender, outgoing
from services.store.store import Store
from simulator import Simulator

PARTITIONS = 8
Rows = list[tuple[Transaction, GroundTruth]]


class Round(NamedTuple):
    """One pass: transactions per second, and where it was re-keyed the CPU time for each in microseconds."""

    rate: float
    cost_us: float


async def fill(broker: Broker, topic: str, rows: Rows, *, keyed: bool) -> None:
    """Send everything, without keys one record to each partition in turn."""
    await broker.ensure_topic(topic, PARTITIONS)
    sender = Sender(broker, topic)
    await sender.start()
    for number, (transaction, truth) in enumerate(rows):
        record = outgoing(transaction, truth, replay=True)
        if keyed:
            await sender.send(record)
        else:
            await sender.send(record._replace(key=None), partition=number % PARTITIONS)
    await sender.flush()
    await sender.stop()


async def timed(broker: Broker, store: Store, topic: str, count: int, models: Models) -> Round:
    """Read the topic to its end as an engine does."""
    bus, supervisor = Bus(), Supervisor()
    rekeyers: list[Rekeyer] = []
    starting: list[asyncio.Task[None]] = []

    def rekey(keying: Keying) -> None:
        rekeyers.append(
            Rekeyer(broker=broker, store=store, bus=bus, keying=keying, mapping=None, group=topic, owner="bench")
        )
        supervisor.add(rekeyers[-1])
        starting.append(asyncio.create_task(supervisor.start_worker(Rekeyer.name)))

    supervisor.add(pipeline_of(broker, store, bus, topic, models, on_rekeyed=rekey))
    await supervisor.start()
    # To find out that a topic has to be re-keyed takes seconds, once for all.
    while not bus.transactions:
        await asyncio.sleep(0.01)
    began, first = time.perf_counter(), bus.transactions
    while bus.transactions < count:
        await asyncio.sleep(0.01)
    seconds = time.perf_counter() - began
    cost = rekeyers[0].figures.cost_us if rekeyers else 0.0
    await supervisor.stop()
    return Round((count - first) / seconds, cost)


async def run(count: int, rounds: int) -> None:
    """Alternate, and print."""
    start = datetime.now(UTC) - timedelta(hours=2)
    stream = Simulator(users=1_000, anomaly_rate=0.05, seed=5, start=start, rate=(count + 5_000) / 7_000).stream()
    models = schedule.fit([transaction for transaction, _ in islice(stream, 5_000)], 5_000, "both", USUAL_POLICY)
    rows: Rows = [*islice(stream, count)]
    found: dict[bool, list[Round]] = {True: [], False: []}
    async with servers("local") as running:
        for number in range(rounds * 2):
            keyed = number % 2 == 0
            topic = f"bench-{number}"
            await fill(running.broker, topic, rows, keyed=keyed)
            store = await running.store(topic.replace("-", "_"))
            found[keyed].append(await timed(running.broker, store, topic, count, models))
            await store.close()
    table = Table("topic", "transactions/s, median", "each round", "re-keying, us a record")
    medians = {keyed: statistics.median(each.rate for each in passes) for keyed, passes in found.items()}
    for keyed, name in ((True, "keyed by user"), (False, "without keys")):
        rates = ", ".join(f"{each.rate:,.0f}" for each in found[keyed])
        cost = statistics.median(each.cost_us for each in found[keyed])
        table.add_row(name, f"{medians[keyed]:,.0f}", rates, f"{cost:.1f}" if cost else "")
    table.add_row("ratio", f"{medians[False] / medians[True]:.2f}", "", "")
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60_000, help="transactions a round")
    parser.add_argument("--rounds", type=int, default=3, help="of each kind")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.count, arguments.rounds))
