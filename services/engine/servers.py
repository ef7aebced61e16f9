"""The servers that an engine needs, embedded or somewhere else, and the lock on its data directory."""

import asyncio
from collections.abc import Callable

from services.brokers.broker import Broker
from services.brokers.factory import make_broker
from services.process.lock import EngineLock
from services.settings import Settings
from services.store.database import Database, make_database
from services.store.store import Store

Progress = Callable[[str], None]


class Servers:
    """Kafka and PostgreSQL as the settings name them. Take `lock` before `start`; `stop` lets go of it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.lock = EngineLock(settings.data_dir)
        self.database: Database = make_database(settings.dsn, settings.data_dir)
        self.broker: Broker = make_broker(
            settings.kafka,
            data_dir=settings.data_dir,
            cache_dir=settings.cache_dir,
            kafka_home=settings.kafka_home,
            security=settings.security,
        )
        self._store: Store | None = None

    async def start(self, progress: Progress) -> Store:
        """Bring both up side by side. Raises UserError when one cannot be had; `stop` ends the other then."""
        # Both to their end, so that neither is still starting when what the other started is stopped.
        store, broker = await asyncio.gather(
            self._open_store(progress), self._start_broker(progress), return_exceptions=True
        )
        if isinstance(store, BaseException):
            raise store
        if isinstance(broker, BaseException):
            raise broker
        self.lock.describe(broker=self.broker.name, bootstrap=self.broker.bootstrap, cluster=self.broker.cluster_id)
        return store

    async def stop(self) -> None:
        """Close the store, end what was started here, let go of the lock."""
        if self._store is not None:
            await self._store.close()
        await asyncio.gather(self.broker.stop(), self.database.stop(), return_exceptions=True)
        self.lock.release()

    async def _open_store(self, progress: Progress) -> Store:
        await self.database.start(progress)
        self._store = await Store.open(self.database.dsn, read_dsn=self._settings.read_dsn)
        return self._store

    async def _start_broker(self, progress: Progress) -> None:
        await self.broker.start(progress)
        await self.broker.ensure_topic(self._settings.topic, self._settings.partition_count)
