"""Transactions per second of several engines on one topic, in one run.

Each engine is a process with its own consumer, detectors and writer, as several daemons are; they share an Apache
Kafka, a PostgreSQL and the cores of this machine, so that what is left of a core for each decides how far this goes.
Figures go to build/bench/scaling.json too.

    python benchmarks/scaling.py --engines 1 2 4 --count 60000
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

import psutil
from _pipeline import pipeline_of
from _results import keep, machine
from _servers import Servers, Spent, servers
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from throughput import HISTORY, preload, traffic

from detectors.models import Models
from detectors.policy import USUAL_POLICY
from domain.verdict import DETECTORS
from services.brokers.external import ExternalBroker
from services.brokers.security import Security
from services.console.bus import Bus
from services.models import schedule
from services.process import garbage
from services.process.supervisor import Supervisor
from services.store.store import Store

PARTITIONS = 8


def stored(folder: Path) -> Models:
    """The models of `run`."""
    return Models(None, None).fitted({name: (folder / name).read_bytes() for name in DETECTORS})


async def engine(bootstrap: str, dsn: str, topic: str, models: Models) -> None:
    """One engine, until it is killed."""
    broker = ExternalBroker(bootstrap, Security())
    await broker.start(lambda line: None)
    store, supervisor = await Store.open(dsn), Supervisor()
    supervisor.add(pipeline_of(broker, store, Bus(), topic, models))
    garbage.settle()
    await supervisor.start()
    await asyncio.Event().wait()


async def measured(running: Servers, name: str, count: int, engines: int, fitted: Path) -> Spent:
    """What `engines` of them spend on `count` transactions that wait, from the first commit to the last."""
    await preload(running.broker, name, count, partitions=PARTITIONS)
    dsn = running.dsn(name.replace("-", "_"))
    store = await Store.open(dsn)
    command = (sys.executable, __file__, "--engine", running.broker.bootstrap, dsn, name, str(fitted))
    started = [await asyncio.create_subprocess_exec(*command) for _ in range(engines)]
    try:
        while not (first := await store.count()):
            await asyncio.sleep(0.01)
        before, ours = running.spent(), _cpu(started)
        while await store.count() < count:
            if any(process.returncode is not None for process in started):
                raise SystemExit("an engine ended, see above")
            await asyncio.sleep(0.05)
        spent = running.spent().minus(before)._replace(ours=_cpu(started) - ours)
    finally:
        for process in started:
            process.kill()
            await process.wait()
        await store.close()
    return Spent(*(each / (count - first) for each in spent))


def _cpu(processes: list[asyncio.subprocess.Process]) -> float:
    return sum(sum(psutil.Process(process.pid).cpu_times()[:2]) for process in processes)


async def run(engines: list[int], count: int, rounds: int) -> None:
    """Alternate the numbers of engines, print one table and keep the figures."""
    models = schedule.fit([transaction for transaction, _ in traffic(HISTORY, day=0)], HISTORY, "both", USUAL_POLICY)
    found: dict[int, list[Spent]] = {number: [] for number in engines}
    with tempfile.TemporaryDirectory() as folder:
        fitted = Path(folder)
        for name, model in models.detectors.items():
            (fitted / name).write_bytes(model.to_bytes())
        async with servers("local") as running:
            with Progress(transient=True) as progress:
                for number in progress.track(range(rounds), description="rounds"):
                    for each in engines:
                        name = f"bench-{number}-{each}"
                        found[each].append(await measured(running, name, count, each, fitted))
            where = running.broker.label
    rows = {
        str(number): {
            "rate": round(statistics.median(1 / each.wall for each in passes)),
            "ours_us": round(statistics.median(each.ours for each in passes) * 1e6, 1),
            "postgresql_us": round(statistics.median(each.postgresql for each in passes) * 1e6, 1),
            "kafka_us": round(statistics.median(each.kafka for each in passes) * 1e6, 1),
        }
        for number, passes in found.items()
    }
    table = Table(title=f"Engines on one topic, both detectors, {where}, {machine()['cores']} cores")
    for column in ("engines", "transactions/s", "ours, us", "PostgreSQL, us", "Kafka, us"):
        table.add_column(column, justify="right")
    for name, row in rows.items():
        table.add_row(name, f"{row['rate']:,}", *(f"{row[of]:.1f}" for of in ("ours_us", "postgresql_us", "kafka_us")))
    Console().print(table)
    Console().print(f"Kept in {keep('scaling', rows)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", nargs="*", type=int, default=[1, 2, 4])
    parser.add_argument("--count", type=int, default=60_000, help="transactions a round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--engine", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.engine:
        bootstrap, dsn, topic, fitted = given.engine
        asyncio.run(engine(bootstrap, dsn, topic, stored(Path(fitted))))
    else:
        asyncio.run(run(given.engines, given.count, given.rounds))
