"""`replay`: a file through Kafka, scored by an engine of this command's own unless one runs already."""

import asyncio
from datetime import datetime
from pathlib import Path

from rich.console import Console

from domain.verdict import DetectorChoice
from services.brokers.broker import Broker
from services.commands.broker import running_broker
from services.commands.database import open_store
from services.commands.signals import in_time, interruptible
from services.engine.engine import Engine
from services.errors import UserError
from services.process.lock import EngineLock
from services.records.files import Reading
from services.records.intake import SHOWN
from services.records.mapping import Mapping
from services.sending.file import send_file
from services.sending.pace import Offsets, Outcome
from services.settings import Settings
from services.store.rekeying import behind
from services.store.store import Store


class _Remembering:
    """A consumer that looks up in the store what became of the records that were sent."""

    def __init__(self, store: Store, cluster: str, topic: str, since: datetime, *, by_id: bool) -> None:
        self.by_id = by_id
        self._store = store
        self._at = (cluster, topic)
        self._since = since

    async def outcome(self, sent: Offsets) -> Outcome:
        """What became of the transactions at these offsets, all of which have been read."""
        return Outcome(*await self._store.outcomes.of(*self._at, sent, self._since, SHOWN, sent.ids))


class EngineConsumer(_Remembering):
    """The engine in this process: its fits are waited for, so that `score` can repeat the replay exactly."""

    def __init__(self, engine: Engine, topic: str, since: datetime, *, by_id: bool) -> None:
        super().__init__(engine.parts.store, engine.broker.cluster_id, topic, since, by_id=by_id)
        self._engine = engine

    async def lag(self, ends: dict[int, int]) -> int:
        """How many records before these end offsets are not stored yet."""
        return self._engine.parts.pipeline.behind(ends)

    async def until_fit(self) -> int | None:
        """How many more transactions may be stored before the next fit."""
        return await self._engine.parts.models.until_fit()


class StoredConsumer(_Remembering):
    """Engines in other processes, seen through what they have stored.

    Of a broker whose records die with its process only one engine can read: the one it runs in.
    """

    def __init__(
        self, store: Store, broker: Broker, topic: str, since: datetime, engine: EngineLock, *, by_id: bool
    ) -> None:
        super().__init__(store, broker.cluster_id, topic, since, by_id=by_id)
        self._broker = broker
        self._engine = engine

    async def lag(self, ends: dict[int, int]) -> int:
        """How many records before these end offsets are not stored yet.

        Raises: UserError when the only engine that could store them has ended.
        """
        # Asked before the lag: what the engine stored just before it ended counts.
        ended = not self._broker.durable and self._engine.holder().get("cluster") != self._broker.cluster_id
        _, topic = self._at
        left = behind(await self._store.rekeying.hops(*self._at), topic, ends)
        if left and ended:
            raise UserError(
                "The engine ended before it had stored everything: the same command again sends the rest, "
                "what is stored is not stored twice."
            )
        return left

    async def until_fit(self) -> int | None:
        """Other processes fit when they will."""
        return None


async def _is_rekeyed(store: Store, broker: Broker, settings: Settings) -> bool:
    return settings.keyed == "rekey" or await store.rekeying.copy_of(broker.cluster_id, settings.topic) is not None


def replay(
    settings: Settings,
    path: Path,
    *,
    speed: float | None,
    mapping: Mapping | None,
    reading: Reading | None = None,
    detector: DetectorChoice = "both",
) -> int:
    """Send a file through Kafka, scoring it here unless an engine already does.

    Exit code 1 when rows became dead letters; the first ones are named on stderr.
    """

    async def with_engine() -> int:
        engine = Engine(settings.model_copy(update={"api": "off"}), detector=detector)
        console = Console(stderr=True)

        async def run() -> int:
            with console.status("starting"):
                await engine.start()
            try:
                store = engine.parts.store
                since = await store.outcomes.now()
                by_id = await _is_rekeyed(store, engine.broker, settings)
                sending = asyncio.create_task(
                    send_file(
                        engine.broker,
                        settings,
                        path,
                        speed=speed,
                        mapping=mapping,
                        reading=reading,
                        consumer=EngineConsumer(engine, settings.topic, since, by_id=by_id),
                    )
                )
                watching = asyncio.create_task(engine.wait())
                await asyncio.wait({sending, watching}, return_when=asyncio.FIRST_COMPLETED)
                if sending.done():
                    watching.cancel()
                    return sending.result()
                sending.cancel()
                if not watching.result():
                    return 130
                broken = next(w for w in engine.supervisor.statuses if w.state == "failed")
                raise UserError(f"The {broken.name} failed for good: {broken.last_error}")
            finally:
                await in_time(engine.stop())

        return await interruptible(run(), engine.quitting)

    async def beside() -> int:
        broker = await running_broker(settings)
        await broker.start(lambda line: None)
        async with open_store(settings) as store:
            since = await store.outcomes.now()
            engine = EngineLock(settings.data_dir)
            by_id = await _is_rekeyed(store, broker, settings)
            consumer = StoredConsumer(store, broker, settings.topic, since, engine, by_id=by_id)
            return await send_file(
                broker,
                settings,
                path,
                speed=speed,
                mapping=mapping,
                reading=reading,
                consumer=consumer,
            )

    return asyncio.run(beside() if EngineLock(settings.data_dir).is_taken() else with_engine())
