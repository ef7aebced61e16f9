"""Workers that watch the servers and keep the database in order."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import msgspec
import structlog

from domain.engine import Snapshot
from services.brokers.broker import Broker
from services.console.clock import StreamClock
from services.engine.timeline import ChangeWatch
from services.process.supervisor import Worker
from services.store.database import Database
from services.store.faults import Transient
from services.store.store import Store

log = structlog.get_logger("housekeeping")

HEARTBEAT_EVERY = 1.0
LOOK_EVERY = 1.0
DAYS_EVERY = 3600.0
STREAM_DAYS_EVERY = 30.0
WATCH_EVERY = 2.0


class DatabaseWatch(Worker):
    """Asks PostgreSQL for a sign of life and starts the embedded one again when it is gone."""

    name = "database"

    def __init__(self, database: Database, store: Store) -> None:
        super().__init__()
        self._database = database
        self._store = store

    async def main_loop(self) -> None:
        """Degraded while it does not answer."""
        while True:
            try:
                await self._store.ping()
                self.degraded = False
                self.beat(self._database.label)
            except Transient as error:
                self.degraded = True
                self.beat(f"does not answer ({error}); {self._database.remedy}")
                await self._database.start(lambda line: None)
            await asyncio.sleep(WATCH_EVERY)


class BrokerWatch(Worker):
    """Asks Kafka for a sign of life; a local broker that died is started again by the supervisor."""

    name = "broker"

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._broker = broker

    async def main_loop(self) -> None:
        """Degraded while it does not answer."""
        while True:
            self.degraded = not await self._broker.healthy()
            local = self._broker.name == "local"
            remedy = "it is started again where it has ended" if local else "it is asked again every 2 s"
            self.beat(self._broker.label + (f" does not answer; {remedy}" if self.degraded else ""))
            if self.degraded and local:
                await self._broker.start(lambda line: None)
                continue
            await asyncio.sleep(WATCH_EVERY)


class Housekeeping(Worker):
    """Day partitions ahead, retention, the engine's row in `engines`, its timeline, and whatever `keep_up` does."""

    name = "housekeeping"

    def __init__(
        self,
        store: Store,
        instance: str,
        started_at: datetime,
        snapshot: Callable[[], Snapshot],
        retention_days: int,
        keep_up: Callable[[], Awaitable[None]],
        changes: ChangeWatch,
        clock: StreamClock,
    ) -> None:
        super().__init__()
        self._store = store
        self._instance = instance
        self._started_at = started_at
        self._snapshot = snapshot
        self._retention_days = retention_days
        self._keep_up = keep_up
        self._changes = changes
        self._clock = clock
        self._observed = 0

    async def main_loop(self) -> None:
        """Look for changes beside what waits for PostgreSQL: an outage may begin and end while that hangs."""
        halves = [asyncio.create_task(self._look()), asyncio.create_task(self._keep())]
        try:
            await asyncio.gather(*halves)
        finally:
            for half in halves:
                half.cancel()

    async def _look(self) -> None:
        while True:
            self._changes.look(self._snapshot())
            await asyncio.sleep(LOOK_EVERY)

    async def _keep(self) -> None:
        """A heartbeat every second, the days every hour, or once a stream of its own clock has come to another."""
        days_at = -DAYS_EVERY
        day = self._clock.now.date()
        while True:
            now = time.monotonic()
            snapshot = self._snapshot()
            try:
                await self._store.heartbeat(self._instance, self._started_at, msgspec.json.encode(snapshot).decode())
                await self._changes.write()
                await self._keep_up()
                await self._keep_clock()
                clock, today = self._clock.reading, self._clock.now.date()
                every = DAYS_EVERY if today == day else STREAM_DAYS_EVERY
                if now - days_at >= every:
                    days_at, day = now, today
                    await self._store.days.ensure_ahead()
                    dropped = await self._store.days.drop_expired(self._retention_days, clock)
                    if dropped:
                        log.info("days dropped by retention", days=[day.isoformat() for day in dropped])
                    older_than = timedelta(days=self._retention_days)
                    await self._store.triage.forget(self._clock.now, older_than)
                    await self._store.timeline.forget(datetime.now(UTC) - older_than)
                self.degraded = False
                simulated = "simulated " if clock.kind == "simulation" else ""
                self.beat(f"keeps {self._retention_days} {simulated}days")
            except Transient as error:
                self.degraded = True
                self.beat(f"waiting for PostgreSQL: {error}")
            await asyncio.sleep(HEARTBEAT_EVERY)

    async def _keep_clock(self) -> None:
        if self._observed != self._clock.observed:
            observed = self._clock.observed
            await self._store.keep_clock(self._clock.reading)
            self._observed = observed

    async def shutdown(self) -> None:
        """Take the engine off the list."""
        try:
            await asyncio.wait_for(self._keep_clock(), 2)
            await asyncio.wait_for(self._store.forget_engine(self._instance), 2)
        except (Transient, TimeoutError):
            return
