"""Entry point: the command line, given a way to open the console."""

import asyncio
from typing import Any

from rich.console import Console

from services.cli.app import build, run
from services.cli.plan import RunPlan
from services.settings import Settings


def open_console(settings: Settings, plan: RunPlan) -> int:
    """Start the engine, show it until the user quits, stop it. Returns the exit code."""
    return asyncio.run(_console(settings, plan))


async def _console(settings: Settings, plan: RunPlan) -> int:
    from services import commands
    from services.engine import Engine, InProcessPort
    from services.library import Library
    from services.logs import LogRing, configure
    from services.simulation import live_stream
    from tui.app import ConsoleApp

    ring = LogRing()
    configure(format=settings.log_format, file=settings.log_file, ring=ring)
    engine = Engine(
        settings,
        detector=plan.detector,
        stream=(lambda: live_stream(settings)) if plan.simulate else None,
        mapping=plan.mapping,
    )

    async def run_engine() -> int:
        # Servers are started before the app takes the terminal: Textual's stderr has no file descriptor.
        with Console(stderr=True).status("starting") as status:
            await engine.start(lambda line: status.update(line))
        try:
            app = ConsoleApp(
                InProcessPort(engine, ring),
                refresh_hz=settings.refresh_hz,
                theme=settings.theme,
                library=Library(settings.data_dir),
            )
            quitting = asyncio.create_task(_exit_when_asked(engine.quitting, app))
            try:
                return await app.run_async() or 0
            finally:
                quitting.cancel()
        finally:
            with Console(stderr=True).status("stopping"):
                await asyncio.wait_for(engine.stop(), commands.SHUTDOWN_WITHIN)

    return await commands.interruptible(run_engine(), engine.quitting)


async def _exit_when_asked(quitting: asyncio.Event, app: Any) -> None:
    await quitting.wait()
    app.exit(0)


def main() -> None:
    """The `anomaly-tui` command."""
    run(build(open_console))
