"""`replay`: a file through Kafka, scored by an engine of this command's own unless one runs already."""

import asyncio
from pathlib import Path

from rich.console import Console

from domain.verdict import DetectorChoice
from services.brokers.running import running_broker
from services.commands.database import open_store
from services.commands.signals import in_time, interruptible
from services.engine.engine import Engine
from services.errors import UserError
from services.process.lock import EngineLock
from services.records.mapping import Mapping
from services.sending.file import send_file
from services.settings import Settings
from services.store.store import Store


class EngineConsumer:
    """The engine in this process: its fits are waited for, so that `score` can repeat the replay exactly."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def lag(self, ends: dict[int, int]) -> int:
        """How many records before these end offsets are not stored yet."""
        return self._engine.parts.pipeline.behind(ends)

    async def until_fit(self) -> int | None:
        """How many more transactions may be stored before the next fit."""
        return await self._engine.parts.models.until_fit()


class StoredConsumer:
    """Engines elsewhere, known by what they have stored."""

    def __init__(self, store: Store, cluster: str, topic: str) -> None:
        self._store = store
        self._at = (cluster, topic)

    async def lag(self, ends: dict[int, int]) -> int:
        """How many records before these end offsets are not stored yet."""
        stored = {
            row["partition"]: row["next_offset"]
            for row in await self._store.progress()
            if (row["cluster"], row["topic"]) == self._at
        }
        return sum(max(0, end - stored.get(partition, 0)) for partition, end in ends.items())

    async def until_fit(self) -> int | None:
        """Other processes fit when they will."""
        return None


def replay(
    settings: Settings,
    path: Path,
    *,
    speed: float | None,
    mapping: Mapping | None,
    detector: DetectorChoice = "both",
    produce_only: bool = False,
) -> int:
    """Send a file through Kafka, scoring it here unless an engine already does.

    Exit code 1 when rows could not be sent as transactions; they are named on stderr.
    """

    async def with_engine() -> int:

        engine = Engine(settings.model_copy(update={"api": "off"}), detector=detector)
        console = Console(stderr=True)

        async def run() -> int:
            with console.status("starting"):
                await engine.start()
            try:
                sending = asyncio.create_task(
                    send_file(
                        engine.broker, settings, path, speed=speed, mapping=mapping, consumer=EngineConsumer(engine)
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
        broker = running_broker(settings)
        await broker.start(lambda line: None)
        async with open_store(settings) as store:
            consumer = StoredConsumer(store, broker.cluster_id, settings.topic)
            return await send_file(broker, settings, path, speed=speed, mapping=mapping, consumer=consumer)

    beside_engine = produce_only or EngineLock(settings.data_dir).is_taken()
    return asyncio.run(beside() if beside_engine else with_engine())
