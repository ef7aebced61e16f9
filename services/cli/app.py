"""Every command and its options; the bodies are in `services.commands`, imported when they are needed."""

from collections.abc import Callable
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli import engine, frontend, search
from services.cli.options import DATABASE, DETECTION, LOGS, RUN, SERVERS, SIMULATOR, command, guarded, has_terminal
from services.cli.plan import RunPlan
from services.errors import UserError
from services.process.logs import LogRing, configure
from services.records.mapping import Mapping
from services.settings import Loaded, Settings

OpenConsole = Callable[[Settings, RunPlan], int]
AttachConsole = Callable[[Settings], int]


class Detector(StrEnum):
    """The detectors, as `detect` names them."""

    BASIC = "basic"
    ENHANCED = "enhanced"


Daemon = Annotated[bool, typer.Option("--daemon", help="Run without a console, logging to stderr.")]
File = Annotated[Path, typer.Argument(help="CSV, JSONL or Parquet.", show_default=False)]
MappingFile = Annotated[
    Path | None,
    typer.Option("--mapping", metavar="FILE.toml", help="How foreign field names become ours.", show_default=False),
]
Constants = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="A field the source lacks: --set currency=USD.", show_default=False
    ),
]


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
            typer.echo(f"anomaly-tui {version('anomaly-tui')}")
            raise typer.Exit

    def start(
        loaded: Loaded, detector: Any, daemon: bool, mapping: Path | None, *, simulate: bool | None = None
    ) -> int:
        settings = loaded.settings
        plan = RunPlan(
            detector=detector,
            simulate=settings.simulated if simulate is None else simulate,
            mapping=_mapping(settings, mapping, None),
        )
        if daemon:
            from services.commands import run

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
        version: Annotated[
            bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version.")
        ] = False,
    ) -> int:
        return start(loaded, loaded.settings.detector, daemon, mapping)

    @app.command("run-system", rich_help_panel="Run")
    @command(*RUN)
    def run_system(loaded: Loaded, daemon: Daemon = False, mapping: MappingFile = None) -> int:
        """Run everything with the basic detector."""
        return start(loaded, "basic", daemon, mapping)

    @app.command("run-enhanced", rich_help_panel="Run")
    @command(*RUN)
    def run_enhanced(loaded: Loaded, daemon: Daemon = False, mapping: MappingFile = None) -> int:
        """Run everything with the enhanced detector."""
        return start(loaded, "enhanced", daemon, mapping)

    @app.command(rich_help_panel="Run")
    @command(*SERVERS, *SIMULATOR, *LOGS)
    def produce(loaded: Loaded) -> int:
        """Run the simulator alone, for engines elsewhere."""
        from services.commands import produce

        configure(format=loaded.settings.log_format, file=loaded.settings.log_file, stderr=True)
        return produce.produce(loaded.settings)

    @app.command(rich_help_panel="Run")
    @command(*SERVERS, "alert_rate", "api", *LOGS)
    def detect(loaded: Loaded, detector: Annotated[Detector, typer.Argument()], mapping: MappingFile = None) -> int:
        """Run one detector and the writer alone, without simulator and console."""
        if loaded.settings.kafka == "embedded":
            raise UserError(
                "Nobody could send to an embedded broker of this command's own: "
                "name one with --kafka local or --kafka HOST:PORT."
            )
        return start(loaded, detector.value, True, mapping, simulate=False)

    frontend.add_commands(app)
    engine.add_commands(app, attach_console)
    search.add_commands(app)

    @app.command(rich_help_panel="Files")
    @command(*SERVERS, *DETECTION)
    def replay(
        loaded: Loaded,
        file: File,
        speed: Annotated[
            str, typer.Option("--speed", metavar="N|max", help="Times as fast as it happened, or as fast as it goes.")
        ] = "max",
        mapping: MappingFile = None,
        constant: Constants = None,
    ) -> int:
        """Send a file through Kafka, scoring it here unless an engine already runs.

        What is no transaction becomes a dead letter. Sending a file again stores nothing twice.
        """
        from services.commands import replay

        settings = loaded.settings
        configure(format="text", stderr=True, level="CRITICAL")
        return replay.replay(
            settings,
            file,
            speed=_speed(speed),
            mapping=_mapping(settings, mapping, constant),
            detector=settings.detector,
        )

    @app.command(rich_help_panel="Files")
    @command(*DETECTION)
    def score(
        loaded: Loaded,
        file: File,
        output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.csv")] = Path("scores.csv"),
        mapping: MappingFile = None,
        constant: Constants = None,
    ) -> int:
        """Score a file in event time, without any server."""
        from services.commands import score

        settings = loaded.settings
        configure(format="text", stderr=True, level="WARNING")
        found = _mapping(settings, mapping, constant)
        return score.score(settings, file, detector=settings.detector, output=output, mapping=found)

    @app.command(rich_help_panel="Files")
    @command("alert_rate", "users", "anomaly_rate")
    def evaluate(
        loaded: Loaded,
        file: Annotated[
            Path | None, typer.Argument(help="A labelled CSV, JSONL or Parquet.", show_default=False)
        ] = None,
        simulator: Annotated[bool, typer.Option("--simulator", help="Evaluate on simulated traffic.")] = False,
        seeds: Annotated[int, typer.Option(min=1, max=1000, help="Simulated populations.")] = 1,
        rows: Annotated[int, typer.Option(min=2_000, help="Simulated transactions of each population.")] = 30_000,
        skip: Annotated[int, typer.Option(min=0, help="Rows at the start that are learnt, but not reported.")] = 3_000,
        without: Annotated[
            list[str] | None, typer.Option(metavar="KIND", help="A kind of anomaly to leave out.", show_default=False)
        ] = None,
        labels_after: Annotated[
            int | None,
            typer.Option(
                min=0,
                metavar="DAYS",
                help="Tell the detectors of every fraud that many days later, as an analyst would.",
                show_default=False,
            ),
        ] = None,
        mapping: MappingFile = None,
        constant: Constants = None,
    ) -> int:
        """Show how well the detectors rank labelled transactions, beside simple baselines.

        Simulated traffic has an oracle besides: who knows every habit and every kind of fraud. Labels of a file come
        from a column `label` (and `scenario` for the kind) or from a mapping's section [label].
        """
        from services.commands import evaluate

        settings = loaded.settings
        if simulator == (file is not None):
            raise UserError("Name a FILE, or give --simulator.")
        configure(format="text", stderr=True, level="CRITICAL")
        if file is None:
            return evaluate.evaluate_simulator(settings, seeds=seeds, rows=rows, skip=skip)
        found = _mapping(settings, mapping, constant)
        return evaluate.evaluate_file(
            settings, file, mapping=found, skip=skip, without=frozenset(without or ()), labels_after=labels_after
        )

    @app.command("init-db", rich_help_panel="Data")
    @command(*DATABASE)
    def init_db(loaded: Loaded) -> int:
        """Create the database and its schema."""
        from services.commands import data

        return data.init_db(loaded.settings)

    @app.command("init-user-profiles", rich_help_panel="Data")
    @command(*DATABASE)
    def init_user_profiles(loaded: Loaded) -> int:
        """Build every user profile anew from stored history."""
        from services.commands import profiles

        return profiles.init_user_profiles(loaded.settings)

    app.add_typer(_models(), name="model", rich_help_panel="Data")

    @app.command(rich_help_panel="Data")
    @command(*DATABASE)
    def stats(loaded: Loaded, json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> int:
        """Show what is stored and what runs."""
        from services.commands import data

        return data.stats(loaded.settings, as_json=json)

    @app.command(rich_help_panel="Data")
    @command(*DATABASE)
    def quality(
        loaded: Loaded,
        since: Annotated[
            str | None,
            typer.Option(
                "--since", metavar="TIME", help="1d, 2h, today, 2026-03-01. Default: all.", show_default=False
            ),
        ] = None,
        json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    ) -> int:
        """Show precision, recall and alert rate of the detectors where ground truth is stored."""
        from services.commands import quality

        return quality.show(loaded.settings, since=since, as_json=json)

    @app.command(rich_help_panel="Data")
    @command(*DATABASE)
    def reset(loaded: Loaded, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> int:
        """Delete all stored transactions, verdicts, profiles and models."""
        from services.commands import data

        return data.reset(loaded.settings, assume_yes=yes)

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


def _models() -> typer.Typer:
    """`anomaly-tui model ...`."""
    group = typer.Typer(
        help="List the fitted models, fit now, use another version or the one before.", no_args_is_help=True
    )

    @group.command("list")
    @command(*DATABASE)
    def show(loaded: Loaded) -> int:
        """Show every version, what it was fitted on and what it has judged."""
        from services.commands import model

        return model.show(loaded.settings)

    @group.command()
    @command(*DATABASE, *DETECTION)
    def fit(loaded: Loaded) -> int:
        """Fit the detectors now on stored history and use them."""
        from services.commands import model

        return model.fit(loaded.settings)

    @group.command()
    @command(*DATABASE)
    def use(
        loaded: Loaded, version: Annotated[str, typer.Argument(help="As `model list` shows it.", show_default=False)]
    ) -> int:
        """Take one version into use; running engines follow within seconds."""
        from services.commands import model

        return model.use(loaded.settings, version)

    @group.command()
    @command(*DATABASE)
    def rollback(loaded: Loaded) -> int:
        """Go back to the version before the one in use."""
        from services.commands import model

        return model.rollback(loaded.settings)

    return group


def run(app: typer.Typer) -> None:
    """Parse the arguments and run the command; ends the process with its exit code."""

    def work() -> int:
        app()
        return 0

    raise SystemExit(guarded(work))


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed < 1e9:
        raise UserError(f"--speed {text}: write a number such as 1 or 60, or max.")
    return speed


def _mapping(settings: Settings, file: Path | None, constants: list[str] | None) -> Mapping | None:
    """The mapping of the option, else of the configuration, with the constants of --set. Raises UserError."""
    found = None
    if file is not None:
        found = Mapping.load(file)
    elif settings.mapping is not None:
        found = Mapping.from_dict(settings.mapping)
    if not constants:
        return found
    pairs = {}
    for constant in constants:
        name, equals, value = constant.partition("=")
        if not equals or not name:
            raise UserError(f"--set {constant}: write FIELD=VALUE, such as --set currency=USD.")
        pairs[name] = value
    return (found or Mapping()).with_constants(pairs)
