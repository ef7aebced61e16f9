"""`produce`: the simulator alone, for engines elsewhere."""

import asyncio
import contextlib

import structlog

from services.commands.broker import running_broker
from services.commands.signals import in_time, interruptible
from services.process.supervisor import Supervisor
from services.sending.simulation import Simulation
from services.settings import Settings

log = structlog.get_logger("command")


def produce(settings: Settings) -> int:
    """The simulator alone, to a broker that others can reach, until a signal."""

    async def work() -> int:
        broker = await running_broker(settings)
        await broker.start(lambda line: log.info(line))
        await broker.ensure_topic(settings.topic, settings.partition_count)
        supervisor, quitting = Supervisor(), asyncio.Event()
        supervisor.add(Simulation(broker, settings, lag=lambda ends: 0))
        log.info("producing", broker=broker.label, topic=settings.topic, rate=settings.rate)

        async def run() -> int:
            await supervisor.start()
            while not quitting.is_set() and not supervisor.failed:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await quitting.wait()
            code = 1 if supervisor.failed else 0
            await in_time(supervisor.stop())
            return code

        return await interruptible(run(), quitting)

    return asyncio.run(work())
