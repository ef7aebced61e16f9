"""Milliseconds from producing a transaction to its commit, at several rates.

From the time that Kafka's client stamps on a record to the moment at which its batch is committed and shown, with both
detectors. The producer is a process of its own, so that it takes no turns of the event loop that is measured. Figures
go to build/bench/latency.json too.

    python benchmarks/latency.py --rates 500 2000 5000 --seconds 20
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Iterable, Sequence

from _pipeline import pipeline_of
from _results import keep, machine
from _servers import Servers, servers
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from throughput import HISTORY, PARTITIONS, traffic

from detectors.models import Models
from detectors.policy import USUAL_POLICY
from services.brokers.external import ExternalBroker
from services.brokers.security import Security
from services.console.bus import Bus
from services.models import schedule
from services.process import garbage
from services.process.supervisor import Supervisor
from services.sending.producer import Sender, outgoing
from services.store.batch import StoredRow

SHARES = (50, 95, 99, 99.9)
WARM_UP = 0.2
"""The share of a run whose latencies are not counted: connections are opened and caches filled in it."""


class Noting(Bus):
    """A bus that keeps every latency, in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[float] = []

    def publish(self, rows: Sequence[StoredRow], latencies: Iterable[float]) -> None:
        """Note them on the way."""
        latencies = [*latencies]
        self.noted += latencies
        super().publish(rows, latencies)


async def produce(bootstrap: str, topic: str, rate: int, count: int) -> None:
    """Send `count` transactions, `rate` a second, in steps of 10 ms."""
    broker = ExternalBroker(bootstrap, Security())
    await broker.start(lambda line: None)
    sender = Sender(broker, topic)
    await sender.start()
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number, (transaction, truth) in enumerate(traffic(count, day=2, run=topic)):
        ahead = number / rate - (loop.time() - began)
        if ahead > 0.01:
            await asyncio.sleep(ahead)
        await sender.send(outgoing(transaction, truth, replay=True))
    await sender.flush()
    await sender.stop()
    await broker.stop()


async def measured(running: Servers, models: Models, rate: int, seconds: int) -> list[float]:
    """Latencies in seconds at one rate, of all but the first."""
    topic, count = f"bench-{rate}", rate * seconds
    await running.broker.ensure_topic(topic, PARTITIONS)
    store = await running.store(f"bench_{rate}")
    bus, supervisor = Noting(), Supervisor()
    supervisor.add(pipeline_of(running.broker, store, bus, topic, models))
    garbage.settle()
    await supervisor.start()
    command = (sys.executable, __file__, "--produce", running.broker.bootstrap, topic, str(rate), str(count))
    producer = await asyncio.create_subprocess_exec(*command)
    while bus.transactions < count and producer.returncode in (None, 0):
        await asyncio.sleep(0.05)
    await producer.wait()
    await supervisor.stop()
    await store.close()
    if producer.returncode:
        raise SystemExit("the producer failed, see above")
    return bus.noted[int(WARM_UP * count) :]


async def run(kafka: str, rates: list[int], seconds: int) -> None:
    """One rate after the other; print one table and keep the figures."""
    models = schedule.fit([transaction for transaction, _ in traffic(HISTORY, day=0)], HISTORY, "both", USUAL_POLICY)
    rows: dict[str, dict[str, float]] = {}
    async with servers(kafka) as running:
        with Progress(transient=True) as progress:
            for rate in progress.track(rates, description="rates"):
                noted = await measured(running, models, rate, seconds)
                cuts = statistics.quantiles(noted, n=1_000)
                rows[f"{rate:,}"] = {f"p{share}": round(cuts[int(share * 10) - 1] * 1e3, 1) for share in SHARES}
        where = running.broker.label
    table = Table(title=f"From produce to commit, ms, both detectors, {where}, {machine()['cores']} cores")
    for column in ("transactions/s", *(f"p{share}" for share in SHARES)):
        table.add_column(column, justify="right")
    for name, row in rows.items():
        table.add_row(name, *(f"{value:,.0f}" for value in row.values()))
    Console().print(table)
    Console().print(f"Kept in {keep('latency', rows)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kafka", default="local", help="embedded, local (Apache Kafka, default) or HOST:PORT")
    parser.add_argument("--rates", nargs="*", type=int, default=[500, 2_000, 5_000], help="transactions per second")
    parser.add_argument("--seconds", type=int, default=20, help="at each rate")
    parser.add_argument("--produce", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.produce:
        asyncio.run(produce(given.produce[0], given.produce[1], int(given.produce[2]), int(given.produce[3])))
    else:
        asyncio.run(run(given.kafka, given.rates, given.seconds))
