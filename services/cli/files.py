"""`anomaly-tui replay`, `score` and `evaluate`: transactions from files."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.mapping import Constants, MappingFile, PresetName, chosen_mapping
from services.cli.options import DETECTION, SERVERS, command
from services.errors import UserError
from services.process.logs import configure
from services.settings import Loaded

File = Annotated[Path, typer.Argument(help="CSV, JSONL or Parquet.", show_default=False)]


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the command line."""

    @app.command(rich_help_panel="Files")
    @command(*SERVERS, "keyed", *DETECTION)
    def replay(
        loaded: Loaded,
        file: File,
        speed: Annotated[
            str, typer.Option("--speed", metavar="N|max", help="Times as fast as it happened, or as fast as it goes.")
        ] = "max",
        mapping: MappingFile = None,
        preset: PresetName = None,
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
            mapping=chosen_mapping(settings, mapping, preset, constant),
            detector=settings.detector,
        )

    @app.command(rich_help_panel="Files")
    @command(*DETECTION)
    def score(
        loaded: Loaded,
        file: File,
        output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.csv")] = Path("scores.csv"),
        mapping: MappingFile = None,
        preset: PresetName = None,
        constant: Constants = None,
    ) -> int:
        """Score a file in event time, without any server."""
        from services.commands import score

        settings = loaded.settings
        configure(format="text", stderr=True, level="WARNING")
        found = chosen_mapping(settings, mapping, preset, constant)
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
                help="Confirm every fraud to the detectors that many days later, as an analyst would.",
                show_default=False,
            ),
        ] = None,
        mapping: MappingFile = None,
        preset: PresetName = None,
        constant: Constants = None,
    ) -> int:
        """Show how well the detectors rank labelled transactions, beside simple baselines.

        Simulated traffic has an oracle besides, which knows every habit and every kind of fraud. Labels of a file come
        from a column `label` (and `scenario` for the kind) or from a mapping's section [label].
        """
        from services.commands import evaluate

        settings = loaded.settings
        if simulator == (file is not None):
            raise UserError("Name a FILE, or give --simulator.")
        configure(format="text", stderr=True, level="CRITICAL")
        if file is None:
            return evaluate.evaluate_simulator(settings, seeds=seeds, rows=rows, skip=skip)
        found = chosen_mapping(settings, mapping, preset, constant)
        return evaluate.evaluate_file(
            settings, file, mapping=found, skip=skip, without=frozenset(without or ()), labels_after=labels_after
        )


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
