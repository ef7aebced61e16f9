"""Starting and stopping the web frontend from the console, and stopping the whole engine."""

from domain.engine import WorkerAction
from services.errors import reason_of
from tui.console import Console
from tui.frontend import FRONTEND, FrontendNews, frontend_of
from tui.modals.confirm import Confirm

LONG_NOTICE = 15.0


class EngineControls:
    """Asks the engine through the port, and shows how it went in a notification."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._news = FrontendNews()

    def toggle_frontend(self) -> None:
        """Start the web frontend, or stop it."""
        frontend = frontend_of(self._console.intake.snapshot)
        if frontend is None:
            self._console.notify("this engine has no web frontend", severity="warning")
            return
        action: WorkerAction = "start" if frontend.state in ("stopped", "failed") else "stop"
        self._console.run_worker(self._control_frontend(action), group="engine")

    async def _control_frontend(self, action: WorkerAction) -> None:
        try:
            await self._console.port.control(FRONTEND, action)
        except Exception as error:  # the port may be any engine, near or far: say it and go on
            self._console.notify(f"frontend: cannot {action}: {reason_of(error)}", severity="error")
        else:
            self._console.notify(f"frontend: {'starting' if action == 'start' else 'stopped'}")

    def report_frontend(self) -> None:
        """Show that the web frontend has started or failed, once for each change."""
        if news := self._news.of(self._console.intake.snapshot):
            text, severity = news
            self._console.notify(text, severity=severity, timeout=LONG_NOTICE)

    def stop_everything(self) -> None:
        """Stop the engine and leave the console, after a yes."""
        self._console.push_screen(
            Confirm(
                "Stop everything?",
                "The engine ends with all its workers; what was read is stored first.",
                lambda: self._console.run_worker(self._stop_everything(), group="engine"),
            )
        )

    async def _stop_everything(self) -> None:
        try:
            await self._console.port.quit()
        except Exception as error:  # an engine that cannot be asked goes on, and so does its console
            self._console.notify(f"cannot stop the engine: {reason_of(error)}", severity="error")
        else:
            self._console.leave()
