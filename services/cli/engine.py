"""`anomaly-tui attach`, `status`, `stop` and `restart`: an engine that runs already."""

from collections.abc import Callable
from typing import Annotated

import typer

from services.cli.options import CONSOLE, command, has_terminal
from services.errors import UserError
from services.settings import Loaded, Settings

_PANEL = "Running engine"


def add_commands(app: typer.Typer, attach_console: Callable[[Settings], int]) -> None:
    """Add the commands to the command line."""

    @app.command(rich_help_panel=_PANEL)
    @command("data_dir", *CONSOLE)
    def attach(loaded: Loaded) -> int:
        """Open a console on the engine that runs on this data directory.

        `q` leaves and the engine goes on; any number of consoles may be attached.

        Over SSH: ssh -t HOST anomaly-tui attach

        An engine that is lost is shown as such, and found again once it runs again.
        """
        if not has_terminal():
            raise UserError("The console needs a terminal: run it in one (ssh -t gives one).")
        return attach_console(loaded.settings)

    @app.command(rich_help_panel=_PANEL)
    @command("data_dir")
    def status(
        loaded: Loaded,
        json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
        follow: Annotated[bool, typer.Option("--follow", help="One line a second, until Ctrl-C.")] = False,
        format: Annotated[
            str | None,
            typer.Option(
                "--format",
                metavar="TEXT",
                help="One line, such as '{rate} {lag}', for status bars.",
                show_default=False,
            ),
        ] = None,
    ) -> int:
        """Show how the running engine is.

        Names for --format: at, state, rate (a second), lag (records), p50, p95, p99 (ms), queue, open, stored, dead,
        gaps, running, troubled (workers). {lag:,} and {p95:.0f} work as in Python.

        Exit code 0: all is well; 1: a worker is not, or the engine does not answer; 3: no engine runs.
        """
        from services.commands import engine

        if json and (follow or format is not None):
            raise UserError("Give --json, or --follow and --format, not both.")
        if follow or format is not None:
            return engine.glances(loaded.settings, format, follow=follow)
        return engine.status(loaded.settings, as_json=json)

    @app.command(rich_help_panel=_PANEL)
    @command("data_dir")
    def stop(loaded: Loaded) -> int:
        """Stop the running engine; what is in flight is stored first. Exit code 3 where none runs."""
        from services.commands import engine

        return engine.stop(loaded.settings)

    @app.command(rich_help_panel=_PANEL)
    @command("data_dir")
    def restart(
        loaded: Loaded,
        worker: Annotated[
            str, typer.Argument(metavar="WORKER", help="As `status` names it, such as pipeline.", show_default=False)
        ],
    ) -> int:
        """Restart one worker of the running engine. Exit code 3 where none runs."""
        from services.commands import engine

        return engine.restart(loaded.settings, worker)


def wants_to_attach(settings: Settings) -> bool:
    """Where an engine runs already, ask whether to attach to it. Raises UserError after a no."""
    from services.commands.agreement import agreed
    from services.commands.engine import offer

    question = offer(settings)
    if not question:
        return False
    if agreed(question, default=True):
        return True
    raise UserError("Nothing was started: stop the engine first (anomaly-tui stop), or choose another --data-dir.")
