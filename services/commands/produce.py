"""`produce`: the simulator alone, for engines elsewhere."""

import asyncio
import contextlib

import structlog

from domain.engine import Snapshot
from services.attach.find import engine_socket
from services.attach.link import NotConnected, opened
from services.commands.broker import running_broker
from services.commands.signals import in_time, interruptible
from services.errors import UserError
from services.process.supervisor import Supervisor
from services.sending.simulation import Simulation
from services.settings import Settings

log = structlog.get_logger("command")


def produce(settings: Settings) -> int:
    """The simulator alone, to a broker that others can reach, until a signal."""

    async def work() -> int:
        await not_beside_another(settings)
        broker = await running_broker(settings)
        await broker.start(lambda line: log.info(line))
        await broker.ensure_topic(settings.topic, settings.partition_count)
        supervisor, quitting = Supervisor(), asyncio.Event()
        simulation = Simulation(broker, settings, lag=lambda ends: 0)
        supervisor.add(simulation)
        log.info("producing", broker=broker.label, topic=settings.topic, rate=settings.rate)

        async def run() -> int:
            await supervisor.start()
            while not quitting.is_set() and not supervisor.failed:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await quitting.wait()
            code = 1 if supervisor.failed else 0
            await in_time(supervisor.stop())
            log.info("stopped", produced=simulation.acknowledged, topic=settings.topic)
            return code

        return await interruptible(run(), quitting)

    return asyncio.run(work())


async def not_beside_another(settings: Settings) -> None:
    """Raise UserError where the engine of this data directory simulates: both would use the same transaction ids."""
    try:
        async with opened(engine_socket(settings.data_dir)) as link:
            snapshot: Snapshot = await link.ask("snapshot", {})
    except NotConnected:
        return
    if any(worker.name == Simulation.name and worker.state != "stopped" for worker in snapshot.workers):
        raise UserError(
            f"The engine on {settings.data_dir} simulates the same people already, with the same ids: start "
            "it with --no-simulate, or stop its worker producer (W in the console)."
        )
