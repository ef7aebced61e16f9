"""Every command and its options; the bodies are in `services.commands`, imported when they are needed."""

import os
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer

from services.cli import data, engine, files, frontend, search
from services.cli import mapping as mappings
from services.cli.mapping import MappingFile, PresetName, chosen_mapping
from services.cli.options import BUDGET, LOGS, RUN, SERVERS, SIMULATOR, command, configure, guarded, has_terminal
from services.cli.plan import RunPlan
from services.errors import UserError
from services.records.mapping import Mapping
from services.settings import Loaded, Settings
from services.version import VERSION

OpenConsole = Callable[[Settings, RunPlan], int]
AttachConsole = Callable[[Settings], int]


class Detector(StrEnum):
    """The detectors, as `detect` names them."""

    BASIC = "basic"
    ENHANCED = "enhanced"


Daemon = Annotated[bool, typer.Option("--daemon", help="Run without a console, logging to stderr.")]


def build(open_console: OpenConsole, attach_console: AttachConsole) -> typer.Typer:
    """The whole command line; `open_console` shows an engine until the user quits, `attach_console` one that runs."""
    app = typer.Typer(
        name="anomaly-tui",
        help="Operations console for real-time card-transaction anomaly detection.\n\n"
        "Without a command it opens the console: simulated transactions flow through Kafka, two detectors score "
        "them, PostgreSQL keeps them. Point it at your own servers with --kafka and --database.",
        no_args_is_help=False,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    def show_version(asked: bool) -> None:
        if asked:
            typer.echo(f"anomaly-tui {VERSION}")
            raise typer.Exit

    def start(
        loaded: Loaded, detector: Any, daemon: bool, mapping: Mapping | None, *, simulate: bool | None = None
    ) -> int:
        settings = loaded.settings
        plan = RunPlan(
            detector=detector,
            simulate=settings.simulated if simulate is None else simulate,
            mapping=mapping,
        )
        if daemon:
            from services.commands import run
            from services.process.logs import LogRing

            logs = LogRing()
            configure(format=settings.log_format, file=settings.log_file, stderr=True, ring=logs)
            return run.run_headless(settings, plan.detector, simulate=plan.simulate, mapping=plan.mapping, logs=logs)
        if not has_terminal():
            raise UserError("The console needs a terminal: run it in one, or use --daemon.")
        return attach_console(settings) if engine.wants_to_attach(settings) else open_console(settings, plan)

    @app.callback(invoke_without_command=True)
    @command(*RUN, "detector")
    def main(
        loaded: Loaded,
        daemon: Daemon = False,
        mapping: MappingFile = None,
        preset: PresetName = None,
        version: Annotated[
            bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version.")
        ] = False,
    ) -> int:
        return start(loaded, loaded.settings.detector, daemon, chosen_mapping(loaded.settings, mapping, preset))

    @app.command("run-system", rich_help_panel="Run")
    @command(*RUN)
    def run_system(
        loaded: Loaded, daemon: Daemon = False, mapping: MappingFile = None, preset: PresetName = None
    ) -> int:
        """Run everything with the basic detector."""
        return start(loaded, "basic", daemon, chosen_mapping(loaded.settings, mapping, preset))

    @app.command("run-enhanced", rich_help_panel="Run")
    @command(*RUN)
    def run_enhanced(
        loaded: Loaded, daemon: Daemon = False, mapping: MappingFile = None, preset: PresetName = None
    ) -> int:
        """Run everything with the enhanced detector."""
        return start(loaded, "enhanced", daemon, chosen_mapping(loaded.settings, mapping, preset))

    @app.command(rich_help_panel="Run")
    @command(*SERVERS, *SIMULATOR, *LOGS)
    def produce(loaded: Loaded) -> int:
        """Run only the simulator, into a Kafka that engines elsewhere read."""
        from services.commands import produce

        configure(format=loaded.settings.log_format, file=loaded.settings.log_file, stderr=True)
        return produce.produce(loaded.settings)

    @app.command(rich_help_panel="Run")
    @command(*SERVERS, "keyed", "alerts_wrong", "alert_rate", *BUDGET, "workers", "api", *LOGS)
    def detect(
        loaded: Loaded,
        detector: Annotated[Detector, typer.Argument(help="Which one.")],
        mapping: MappingFile = None,
        preset: PresetName = None,
    ) -> int:
        """Run one detector and the writer alone, without simulator and console."""
        if loaded.settings.kafka == "embedded":
            raise UserError(
                "Nobody could send to an embedded broker of this command's own: "
                "name one with --kafka local or --kafka HOST:PORT."
            )
        return start(loaded, detector.value, True, chosen_mapping(loaded.settings, mapping, preset), simulate=False)

    frontend.add_commands(app)
    engine.add_commands(app, attach_console)
    search.add_commands(app)
    files.add_commands(app)
    mappings.add_commands(app)
    data.add_commands(app)

    @app.command(rich_help_panel="Help")
    @command(*SERVERS)
    def doctor(loaded: Loaded) -> int:
        """Check Kafka, database, Java, Node, ports and terminal, and say what to type."""
        from services.commands.doctor import examine

        configure(format="text", level="CRITICAL")
        return examine(loaded.settings)

    @app.command(rich_help_panel="Help")
    @command(*RUN, "detector")
    def config(loaded: Loaded) -> int:
        """Show every setting, its value and where it came from."""
        from services.cli.config import show

        return show(loaded)

    return app


def run(app: typer.Typer) -> None:
    """Parse the arguments and run the command; ends the process with its exit code."""

    def work() -> int:
        app()
        return 0

    _open_closed_streams()
    raise SystemExit(guarded(work))


def _open_closed_streams() -> None:
    """Python has None for a standard stream that was closed, and the next file that is opened takes its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
