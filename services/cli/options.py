"""Options that commands share, and how a command comes to its settings."""

import errno
import functools
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from rich.console import Console

from domain.sanitize import sanitize
from services.errors import UserError
from services.process.redaction import redacted
from services.settings import Loaded, load

_SERVERS = "Servers and data"
_SIMULATOR = "Simulator"
_DETECTION = "Detection"
_RUNNING = "Running"
_FRONTEND = "Web frontend"


def _option(panel: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, rich_help_panel=panel, show_default=False, **more)


OPTIONS: dict[str, Any] = {
    "kafka": Annotated[
        str | None,
        _option(_SERVERS, "--kafka", metavar="HOST:PORT|local|embedded", help="Where Kafka is. Default: embedded."),
    ],
    "kafka_home": Annotated[
        Path | None,
        _option(_SERVERS, "--kafka-home", metavar="FOLDER", help="An unpacked Apache Kafka, for --kafka local."),
    ],
    "topic": Annotated[str | None, _option(_SERVERS, "--topic", help="Kafka topic. Default: transactions.")],
    "start_from": Annotated[
        str | None,
        _option(
            _SERVERS,
            "--from",
            metavar="earliest|latest|TIME",
            help="Where to begin in partitions that were never read. Default: earliest.",
        ),
    ],
    "keyed": Annotated[
        str | None,
        _option(
            _SERVERS,
            "--keyed",
            metavar="auto|user|rekey",
            help="user: the records of each user are in one partition; rekey: they are not, so read a copy of the "
            "topic where they are; auto (default): look, and copy if needed.",
        ),
    ],
    "database_url": Annotated[
        str | None,
        _option(
            _SERVERS,
            "--database",
            metavar="URL",
            help="postgresql://user@host/name; also DATABASE_URL. Default: embedded PostgreSQL.",
        ),
    ],
    "data_dir": Annotated[
        Path | None, _option(_SERVERS, "--data-dir", metavar="FOLDER", help="Where embedded servers keep their data.")
    ],
    "users": Annotated[int | None, _option(_SIMULATOR, "--users", help="Simulated users. Default: 100.")],
    "anomaly_rate": Annotated[
        float | None, _option(_SIMULATOR, "--anomaly-rate", help="Share of anomalous transactions. Default: 0.05.")
    ],
    "rate": Annotated[float | None, _option(_SIMULATOR, "--rate", help="Transactions per second. Default: 40.")],
    "pace": Annotated[
        str | None,
        _option(
            _SIMULATOR,
            "--pace",
            metavar="human|live",
            help="human: people buy some 10 times a day, by a clock of their own that runs faster. live: by the "
            "wall's clock, as often as --rate asks, without the anomalies that cannot show then. Default: human.",
        ),
    ],
    "history_days": Annotated[
        float | None,
        _option(
            _SIMULATOR,
            "--history-days",
            metavar="DAYS",
            help="Simulated history that a first start begins with. Default: 10, or fewer where there are many users.",
        ),
    ],
    "seed": Annotated[
        int | None,
        _option(_SIMULATOR, "--seed", help="The same seed gives the same users and habits. Default: drawn once."),
    ],
    "simulate": Annotated[
        bool | None,
        _option(
            _SIMULATOR,
            "--simulate/--no-simulate",
            help="Run the simulator. Default: yes, but never by itself into an external Kafka.",
        ),
    ],
    "detector": Annotated[
        str | None,
        _option(
            _DETECTION,
            "--detector",
            metavar="NAME",
            help="Which detector scores: basic, enhanced or both. Default: both.",
        ),
    ],
    "alerts_wrong": Annotated[
        float | None,
        _option(_DETECTION, "--alerts-wrong", help="Share of alerts that may be wrong, by the estimate. Default: 0.2."),
    ],
    "alert_rate": Annotated[
        float | None,
        _option(
            _DETECTION,
            "--alert-rate",
            help="Share of ordinary transactions that may be flagged, instead of --alerts-wrong.",
        ),
    ],
    "alerts_per_day": Annotated[
        int | None,
        _option(
            _DETECTION,
            "--alerts-per-day",
            help="Alerts of a day to be looked at, those worth most; others wait as over budget. Default: all.",
        ),
    ],
    "alerts_per_day_per_user": Annotated[
        int | None,
        _option(_DETECTION, "--alerts-per-day-per-user", help="The same of each user. Default: all."),
    ],
    "api": Annotated[
        str | None,
        _option(
            _RUNNING,
            "--api",
            metavar="HOST:PORT|off",
            help="Where the HTTP API listens; off for none. Default: 127.0.0.1:8787, or the next free port.",
        ),
    ],
    "with_frontend": Annotated[
        bool | None,
        _option(_FRONTEND, "--with-frontend", help="Start the web frontend too, on http://localhost:3000."),
    ],
    "frontend_port": Annotated[
        int | None,
        _option(_FRONTEND, "--frontend-port", help="Its port. Default: 3000, or the next free one."),
    ],
    "browser": Annotated[
        bool | None,
        _option(_FRONTEND, "--browser/--no-browser", help="Open it in a browser. Default: yes, with a display."),
    ],
    "workers": Annotated[
        int | None,
        _option(
            _RUNNING,
            "--workers",
            help="Processes that score beside the engine under full load. Default: the cores less one, from 1 to 2.",
        ),
    ],
    "log_format": Annotated[str | None, _option(_RUNNING, "--log-format", metavar="text|json", help="Default: text.")],
    "log_file": Annotated[
        Path | None, _option(_RUNNING, "--log-file", metavar="FILE", help="Log there (rotated) instead of to stderr.")
    ],
    "theme": Annotated[
        str | None,
        _option(_RUNNING, "--theme", metavar="dark|light|ansi", help="Default: dark, or ansi where colours are few."),
    ],
    "show_truth": Annotated[
        bool | None,
        _option(
            _RUNNING,
            "--show-truth/--hide-truth",
            help="The truth that a producer sent, beside the verdicts. Default: hidden.",
        ),
    ],
    "refresh_hz": Annotated[
        float | None,
        _option(_RUNNING, "--refresh-hz", help="Repaints per second. Default: 4, over SSH 2; 1 for a slow link."),
    ],
}
SERVERS = ("kafka", "kafka_home", "topic", "database_url", "data_dir")
DATABASE = ("database_url", "data_dir")
SIMULATOR = ("users", "anomaly_rate", "rate", "pace", "seed")
DETECTION = ("detector", "alerts_wrong", "alert_rate")
BUDGET = ("alerts_per_day", "alerts_per_day_per_user")
LOGS = ("log_format", "log_file")
FRONTEND = ("with_frontend", "frontend_port", "browser")
CONSOLE = ("theme", "refresh_hz", "show_truth")
RUN = (
    *SERVERS,
    "start_from",
    "keyed",
    *SIMULATOR,
    "history_days",
    "simulate",
    "alerts_wrong",
    "alert_rate",
    *BUDGET,
    "workers",
    "api",
    *FRONTEND,
    *LOGS,
    *CONSOLE,
)

_CONFIG = Annotated[
    Path | None,
    _option(
        _RUNNING, "--config", metavar="FILE", help="Configuration. Default: anomaly-tui.toml here or in ~/.config."
    ),
]


def command(*names: str) -> Callable[[Callable[..., int]], Callable[..., None]]:
    """Make `f(loaded, ...) -> exit code` a command that has these options besides its own.

    Options given before a subcommand count too; those after it win. A UserError becomes one line on stderr.
    """

    def decorate(body: Callable[..., int]) -> Callable[..., None]:
        own = [p for p in inspect.signature(body).parameters.values() if p.name != "loaded"]
        shared = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            for name, annotation in [*((name, OPTIONS[name]) for name in names), ("config", _CONFIG)]
        ]

        @functools.wraps(body)
        def run(context: typer.Context, **given: Any) -> None:
            flags = {name: given.pop(name) for name in names}
            before, config_before = context.obj or ({}, None)
            config = given.pop("config") or config_before
            merged = {**before, **{name: value for name, value in flags.items() if value is not None}}
            if context.invoked_subcommand is not None:
                if any(given.values()):
                    misplaced = ", ".join(f"--{name}" for name, value in given.items() if value)
                    complain(f"Write {misplaced} after {context.invoked_subcommand}.")
                    raise typer.Exit(2)
                context.obj = merged, config
                return
            raise typer.Exit(guarded(lambda: body(load(merged, config), **given), lambda: load(merged, config)))

        context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_ONLY, annotation=typer.Context)
        hints = get_type_hints(body, include_extras=True)
        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[p.name]) for p in own]
        signature = inspect.Signature([context, *parameters, *shared])
        run.__doc__ = _unwrapped(body.__doc__)
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
        del run.__wrapped__
        return run

    return decorate


def _unwrapped(text: str | None) -> str | None:
    """Paragraphs on one line each: the terminal wraps them at its own width."""
    return text and "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def guarded(work: Callable[[], int], configured: Callable[[], Loaded] = lambda: load({})) -> int:
    """The exit code of `work`; errors become one line on stderr and a code that is not 0.

    What is a bug is kept in the data directory that is `configured`.
    """
    try:
        return work()
    except UserError as error:
        complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            complain(f"Cannot write all of it: {error.strerror}.")
            return 1
        complain(f"Unexpected {type(error).__name__}: {error}. {_kept(error, configured)}")
        return 70


def complain(message: str) -> None:
    """One line on stderr."""
    line = " ".join(sanitize(part) for part in redacted(message).splitlines())
    Console(stderr=True, soft_wrap=True).print(f"anomaly-tui: {line}", style="red", markup=False, highlight=False)


def _kept(error: Exception, configured: Callable[[], Loaded]) -> str:
    """Keep the traceback where a bug report can take it from; returns a sentence that says where."""
    try:
        folder = configured().settings.data_dir
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "crash.log"
        file.unlink(missing_ok=True)
        file.touch(0o600)
        file.write_text(redacted("".join(traceback.format_exception(error))), encoding="utf-8")
    except (OSError, UserError):
        return "Please report it."
    return f"Please report it with {file}."


def configure(**how: Any) -> None:
    """Set up logging as `services.process.logs.configure` has it, which `--help` does without."""
    from services.process import logs

    logs.configure(**how)


def has_terminal() -> bool:
    """Whether a console can be shown."""
    return sys.stdin.isatty() and sys.stdout.isatty()
