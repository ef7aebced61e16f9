"""`--daemon` and `detect`: the engine without a console, until a signal."""

import asyncio

import structlog

from domain.verdict import DetectorChoice
from services.commands.signals import in_time, interruptible
from services.engine.engine import Engine
from services.process.logs import LogRing
from services.process.systemd import ServiceManager
from services.records.mapping import Mapping
from services.settings import Settings

log = structlog.get_logger("command")


def run_headless(
    settings: Settings,
    detector: DetectorChoice,
    *,
    simulate: bool,
    mapping: Mapping | None,
    logs: LogRing | None = None,
) -> int:
    """The engine without a console, until a signal or `anomaly-tui stop`. Exit code 1 when a worker failed for good.

    A service manager is notified when the engine is ready and that it lives.
    """

    manager = ServiceManager()

    async def work() -> int:
        engine = Engine(
            settings,
            detector=detector,
            simulate=simulate,
            mapping=mapping,
            logs=logs,
        )

        def starting(line: str) -> None:
            log.info(line)
            manager.say(f"STATUS={line}")

        async def run() -> int:
            await engine.start(starting)
            manager.say("READY=1", f"STATUS={engine.broker.label}")
            watching = asyncio.create_task(manager.keep_watching(lambda: engine.alive))
            try:
                return await engine.wait()
            finally:
                manager.say("STOPPING=1", "STATUS=storing what is in flight")
                watching.cancel()
                await in_time(engine.stop())

        return await interruptible(run(), engine.quitting)

    return asyncio.run(work())
