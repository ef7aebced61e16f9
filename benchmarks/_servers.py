"""An Apache Kafka and a PostgreSQL for one run, and what each process spends."""

import resource
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import asyncpg
import psutil

from services.brokers.broker import Broker
from services.brokers.factory import make_broker
from services.brokers.local import LocalBroker
from services.settings import load
from services.store.database import EmbeddedDatabase
from services.store.store import Store


class Spent(NamedTuple):
    """Seconds since some moment: of the wall clock, and of the processor in each of the three programs.

    Kafka's are 0 where the broker is part of this process or somebody else's.
    """

    wall: float
    ours: float
    postgresql: float
    kafka: float

    def minus(self, earlier: "Spent") -> "Spent":
        """What was spent in between."""
        return Spent(*(now - then for now, then in zip(self, earlier, strict=True)))


class Servers:
    """Both servers, running."""

    def __init__(self, folder: Path, kafka: str) -> None:
        self.database = EmbeddedDatabase(folder)
        self.broker: Broker = make_broker(kafka, data_dir=folder, cache_dir=load({}).settings.cache_dir)
        self._postmaster = folder / "postgresql" / "postmaster.pid"
        self._ended: dict[int, float] = {}

    async def start(self) -> None:
        """Start both."""
        await self.database.start(lambda line: None)
        await self.broker.start(lambda line: None)

    async def stop(self) -> None:
        """Stop both."""
        await self.broker.stop()
        await self.database.stop()

    async def store(self, name: str) -> Store:
        """A store in a new database of that name."""
        return await Store.open(self.dsn(name))

    def dsn(self, name: str) -> str:
        """Where the database of that name is."""
        return self.database.dsn.replace("/anomalies?", f"/{name}?")

    async def version(self) -> str:
        """PostgreSQL's."""
        admin = await asyncpg.connect(self.database.dsn, database="postgres")
        try:
            return str(await admin.fetchval("SHOW server_version"))
        finally:
            await admin.close()

    def spent(self) -> Spent:
        """Since each program started. A backend that has ended counts with what it had when it was last seen."""
        kafka = self.broker.process_id if isinstance(self.broker, LocalBroker) else None
        postmaster = int(self._postmaster.read_text(encoding="utf-8").split()[0])
        for process in (psutil.Process(postmaster), *psutil.Process(postmaster).children()):
            try:
                self._ended[process.pid] = sum(process.cpu_times()[:2])
            except psutil.NoSuchProcess:
                continue
        return Spent(
            time.perf_counter(),
            # Processes that score for ours have ended by then.
            time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]),
            sum(self._ended.values()),
            sum(psutil.Process(kafka).cpu_times()[:2]) if kafka is not None else 0.0,
        )


@asynccontextmanager
async def servers(kafka: str) -> AsyncIterator[Servers]:
    """Both servers, in a folder that is removed afterwards. `kafka` is embedded, local or HOST:PORT."""
    with tempfile.TemporaryDirectory(prefix="anomaly-tui-bench-", ignore_cleanup_errors=True) as folder:
        running = Servers(Path(folder), kafka)
        await running.start()
        try:
            yield running
        finally:
            await running.stop()
