"""How the console is shown: with an engine of its own, or attached to one that runs."""

import asyncio
from functools import partial

from services.attach.client import RemotePort
from services.attach.find import engine_socket
from services.cli.plan import RunPlan
from services.commands import signals
from services.frontend.browser import has_display
from services.process.logs import LogRing, configure
from services.settings import Settings
from tui.app import ConsoleApp
from tui.keys import Keys
from tui.library import Library
from tui.terminal.device import usual_hz, working


def with_engine(settings: Settings, plan: RunPlan) -> int:
    """Start the engine, show the console until the user quits, and stop the engine. Returns the exit code.

    Raises ConfigurationError for invalid keys, before anything is started.
    """
    return asyncio.run(_with_engine(settings, plan, Keys(settings.keys)))


async def _with_engine(settings: Settings, plan: RunPlan, keys: Keys) -> int:
    # A console that is attached starts without the detectors.
    from services.engine.engine import Engine

    ring = LogRing()
    configure(format=settings.log_format, file=settings.log_file, ring=ring)
    engine = Engine(
        settings,
        detector=plan.detector,
        simulate=plan.simulate,
        mapping=plan.mapping,
        browse=has_display(),
        logs=ring,
    )

    async def run_engine() -> int:
        # Servers start before the app takes the terminal: they need standard error, and Textual's has no descriptor.
        with working("starting") as tell:
            await engine.start(tell)
        try:
            app = ConsoleApp(
                engine.parts.port,
                refresh_hz=settings.refresh_hz or usual_hz(),
                theme=settings.theme,
                keys=keys,
                library=Library(settings.data_dir),
                show_truth=settings.show_truth,
            )
            return await show_until_asked(app, engine.quitting)
        finally:
            with working("stopping"):
                await asyncio.wait_for(engine.stop(), signals.SHUTDOWN_WITHIN)

    return await signals.interruptible(run_engine(), engine.quitting)


def attached(settings: Settings) -> int:
    """Show the console of the engine on this data directory until the user leaves. Returns the exit code.

    Raises NotConnected when no engine runs there, ConfigurationError for invalid keys.
    """
    return asyncio.run(_attached(settings, Keys(settings.keys)))


async def _attached(settings: Settings, keys: Keys) -> int:
    # The engine writes the log file; a console has none.
    configure(format=settings.log_format)
    hz = settings.refresh_hz or usual_hz()
    port = RemotePort(partial(engine_socket, settings.data_dir), hz)
    quitting = asyncio.Event()

    async def show() -> int:
        await port.start()
        try:
            library = Library(settings.data_dir)
            app = ConsoleApp(
                port,
                refresh_hz=hz,
                theme=settings.theme,
                keys=keys,
                library=library,
                show_truth=settings.show_truth,
                engine_inside=False,
            )
            return await show_until_asked(app, quitting)
        finally:
            await port.stop()

    return await signals.interruptible(show(), quitting)


async def show_until_asked(app: ConsoleApp, quitting: asyncio.Event) -> int:
    """Show the console until the user leaves or `quitting` is set. Raises what the console crashed with."""

    async def exit_when_asked() -> None:
        await quitting.wait()
        app.leave()

    if quitting.is_set():
        return app.ending
    asked = asyncio.create_task(exit_when_asked())
    try:
        code = await app.run_async()
    finally:
        asked.cancel()
    if app.crash is not None:
        raise app.crash
    return code or 0
