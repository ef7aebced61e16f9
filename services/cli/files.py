"""`anomaly-tui replay`, `score` and `evaluate`: transactions from files."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_type_hints

import typer

from services.cli.mapping import Preset, chosen_mapping
from services.cli.options import DATABASE, DETECTION, SERVERS, command, configure
from services.errors import UserError
from services.records.files import Reading
from services.records.mapping import Mapping
from services.settings import Loaded

File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="CSV, JSON or Parquet, also .gz or .zst; - is standard input.", show_default=False
    ),
]


def _option(*names: str, **more: Any) -> Any:
    return typer.Option(*names, rich_help_panel="Reading the file", show_default=False, **more)


_OPTIONS: dict[str, Any] = {
    "mapping": Annotated[
        Path | None,
        _option(
            "--mapping",
            metavar="FILE.toml",
            help="Says which field of the records is which of ours; see `mapping guess`.",
        ),
    ],
    "preset": Annotated[Preset | None, _option("--preset", help="What records are wrapped in. Default: nothing.")],
    "constant": Annotated[
        list[str] | None, _option("--set", metavar="FIELD=VALUE", help="A field the file lacks: --set currency=USD.")
    ],
    "format": Annotated[
        str | None,
        _option("--format", metavar="csv|jsonl|parquet", help="Default: by the name, or else the content."),
    ],
    "delimiter": Annotated[
        str | None,
        _option("--delimiter", metavar="SIGN", help="Between cells: ; or | or tab. Default: detected from the header."),
    ],
    "encoding": Annotated[
        str | None,
        _option(
            "--encoding", metavar="NAME", help="Such as windows-1252. Default: detected from the start, or else utf-8."
        ),
    ],
    "decimal": Annotated[
        str | None, _option("--decimal", metavar="SIGN", help="In amounts: , for 12,50. Default: the point.")
    ],
    "thousands": Annotated[
        str | None, _option("--thousands", metavar="SIGN", help="In amounts: . for 1.234,50. Default: none.")
    ],
}


def _skip(*names: str) -> Any:
    return Annotated[int, _option(*names, metavar="N", min=0, help="Lines before the header line. Default: detected.")]


class Taken(NamedTuple):
    """How a command takes its file."""

    mapping: Mapping | None
    reading: Reading


def reads_a_file(body: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options on how its file is read; `body` gets them as `taken`. Raises: UserError."""
    own = [p for p in inspect.signature(body).parameters.values() if p.name != "taken"]

    @functools.wraps(body)
    def run(loaded: Loaded, **given: Any) -> int:
        chosen = {name: given.pop(name) for name in _OPTIONS}
        reading = Reading.of(chosen["format"], chosen["delimiter"], chosen["encoding"], given.pop("skip_lines"))
        mapping = chosen_mapping(
            loaded.settings,
            chosen["mapping"],
            chosen["preset"],
            chosen["constant"],
            decimal=chosen["decimal"],
            thousands=chosen["thousands"],
        )
        return body(loaded, taken=Taken(mapping, reading), **given)

    # `--skip` is the older name; to `evaluate` it means rows that are not reported.
    skip = _skip("--skip-lines") if any(p.name == "skip" for p in own) else _skip("--skip-lines", "--skip")
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, annotation, default in [
            *((name, each, None) for name, each in _OPTIONS.items()),
            ("skip_lines", skip, 0),
        ]
    ]
    hints = get_type_hints(body, include_extras=True)
    kept = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[p.name]) for p in own[1:]]
    signature = inspect.Signature([own[0].replace(annotation=Loaded), *kept, *added])
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    del run.__wrapped__
    return run


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the command line."""

    @app.command(rich_help_panel="Files")
    @command(*SERVERS, "keyed", *DETECTION)
    @reads_a_file
    def replay(
        loaded: Loaded,
        taken: Taken,
        file: File,
        speed: Annotated[
            str, typer.Option("--speed", metavar="N|max", help="Times as fast as it happened, or as fast as it goes.")
        ] = "max",
    ) -> int:
        """Send a file through Kafka, scoring it here unless an engine already runs.

        What is no transaction becomes a dead letter. Sending a file again stores nothing twice. The last lines say what
        became of every row: stored, sent before, or a dead letter, with the lines of the first ones; the exit code is 1
        when there is any.
        """
        from services.commands import replay

        settings = loaded.settings
        configure(format="text", stderr=True, level="CRITICAL")
        return replay.replay(
            settings,
            file,
            speed=_speed(speed),
            mapping=taken.mapping,
            reading=taken.reading,
            detector=settings.detector,
        )

    @app.command(rich_help_panel="Files")
    @command(*DETECTION)
    @reads_a_file
    def score(
        loaded: Loaded,
        taken: Taken,
        file: File,
        output: Annotated[
            Path,
            typer.Option("--output", "-o", metavar="FILE.csv", help="Where the scores go; - is standard output."),
        ] = Path("scores.csv"),
    ) -> int:
        """Score a file in event time, without any server.

        The last lines say what became of every row: scored, sent before, or left out, with the lines of the first ones
        and the reason; the exit code is 1 when any was left out. A quote that is never closed costs its line and no
        other.
        """
        from services.commands import score

        settings = loaded.settings
        configure(format="text", stderr=True, level="WARNING")
        return score.score(
            settings, file, detector=settings.detector, output=output, mapping=taken.mapping, reading=taken.reading
        )

    @app.command(rich_help_panel="Files")
    @command(*DATABASE, "alerts_wrong", "alert_rate", "users", "anomaly_rate")
    @reads_a_file
    def evaluate(
        loaded: Loaded,
        taken: Taken,
        file: Annotated[
            Path | None,
            typer.Argument(help="Labelled CSV, JSON or Parquet; - is standard input.", show_default=False),
        ] = None,
        stored: Annotated[
            bool,
            typer.Option("--stored", help="Evaluate on all that is stored, by its ground truth or else by decisions."),
        ] = False,
        simulator: Annotated[bool, typer.Option("--simulator", help="Evaluate on simulated traffic.")] = False,
        seeds: Annotated[int, typer.Option(min=1, max=1000, help="Simulated populations.")] = 1,
        rows: Annotated[int, typer.Option(min=2_000, help="Simulated transactions of each population.")] = 30_000,
        skip: Annotated[
            int,
            typer.Option(
                "--skip-rows",
                "--skip",
                min=0,
                help="Rows at the start that the detectors learn from and that are not reported.",
            ),
        ] = 3_000,
        without: Annotated[
            list[str] | None,
            typer.Option(
                metavar="KIND",
                help="Leave out rows whose column `scenario` or `kind` says so; may be repeated.",
                show_default=False,
            ),
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
    ) -> int:
        """Show how well the detectors rank labelled transactions, beside simple baselines.

        Simulated traffic has an oracle besides, which knows every habit and every kind of fraud. Labels of a file come
        from a column `label` (and `scenario` for the kind), from `anomalous` and `kind` as `transactions --csv` writes
        them, or from a mapping's section \\[label]. Stored history is scored again from its first transaction on: with
        other detection options, it shows what they would have flagged before an engine uses them.
        """
        from services.commands import evaluate

        settings = loaded.settings
        if [file is not None, stored, simulator].count(True) != 1:
            raise UserError("Name a FILE, or give --stored or --simulator: one of them.")
        configure(format="text", stderr=True, level="CRITICAL")
        if simulator:
            if without or labels_after is not None:
                raise UserError("--without and --labels-after are for a FILE or --stored, not for --simulator.")
            return evaluate.evaluate_simulator(settings, seeds=seeds, rows=rows, skip=skip)
        if file is None:
            kinds = frozenset(without or ())
            return evaluate.evaluate_stored(settings, skip=skip, without=kinds, labels_after=labels_after)
        return evaluate.evaluate_file(
            settings,
            file,
            mapping=taken.mapping,
            reading=taken.reading,
            skip=skip,
            without=frozenset(without or ()),
            labels_after=labels_after,
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
