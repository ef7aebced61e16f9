"""Log lines as text, as JSON and in the ring; secrets and control characters stay out of all."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
import structlog

from services.errors import UserError
from services.process.logs import LogRing, configure
from services.process.redaction import redacted


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root, kafka = logging.getLogger(), logging.getLogger("aiokafka")
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    kafka.handlers.clear()
    kafka.propagate = True
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("postgresql://me:s3cret@db:5432/x", "postgresql://me:***@db:5432/x"),
        ("host=db password=s3cret user=me", "host=db password=*** user=me"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_passwords_are_replaced(text, safe) -> None:
    assert redacted(text) == safe


def test_json_lines_parse_and_carry_the_facts(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "engine.log"
    configure(format="json", file=file)
    structlog.get_logger("pipeline").warning("dead letter", partition=3, url="postgresql://me:s3cret@db/x")
    logging.getLogger("some.library").error("plain %s", "words")
    first, second = map(json.loads, file.read_text().splitlines())
    assert (first["event"], first["partition"], first["level"]) == ("dead letter", 3, "warning")
    assert first["url"] == "postgresql://me:***@db/x"
    assert second["event"] == "plain words"


def test_what_came_from_outside_cannot_break_out_of_a_line(tmp_path: Path) -> None:
    ring = LogRing()
    file = tmp_path / "engine.log"
    configure(format="text", file=file, ring=ring)
    structlog.get_logger("pipeline").warning("dead letter", reason="\x1b]52;c;aGk=\x07\nforged line\u202e")
    (line,) = ring.lines(10)
    assert line.source == "pipeline"
    for text in (line.message, file.read_text().rstrip("\n")):
        assert not set(text) & set("\x1b\x07\n\u202e")


def test_retries_of_the_kafka_client_are_logged_once_whenever_their_logger_was_made(tmp_path: Path) -> None:
    ring = LogRing()
    file = tmp_path / "engine.log"
    configure(format="text", file=file, ring=ring)
    late = logging.getLogger("aiokafka.a_module_imported_later")
    for node in range(5):
        late.error("Unable to connect to node %s", node)
    late.error("another complaint")
    late.info("of no interest")
    assert [line.message for line in ring.lines(10)] == ["Unable to connect to node 0", "another complaint"]
    assert len(file.read_text().splitlines()) == 2


def test_the_ring_keeps_the_newest(tmp_path: Path) -> None:
    ring = LogRing(size=3)
    configure(format="text", ring=ring)
    for number in range(5):
        structlog.get_logger("x").info(f"line {number}")
    assert [line.message for line in ring.lines(2)] == ["line 3", "line 4"]
    assert len(ring.lines(100)) == 3
    assert ring.lines(0) == ()


def test_a_log_file_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write the log file"):
        configure(format="text", file=tmp_path / "file" / "engine.log")


@pytest.mark.parametrize("format", ["text", "json"])
def test_passwords_in_errors_and_their_tracebacks_are_replaced(tmp_path: Path, format: Literal["text", "json"]) -> None:
    file = tmp_path / "log"
    configure(format=format, file=file)
    error = OSError("cannot reach postgresql://me:s3cret@db:5432/x")
    log = structlog.get_logger("test")
    try:
        raise error
    except OSError:
        log.exception("gone", error=error, tried=["postgresql://me:s3cret@db/x", {"password": "s3cret"}])
    logging.getLogger("other").error("also %s", error, exc_info=error)
    text = file.read_text()
    assert ("me:***@db" in text, "s3cret" in text) == (True, False), text
    if format == "json":
        first, second = map(json.loads, text.splitlines())
        assert "Traceback" in first["exception"]
        assert "Traceback" in second["exception"]


def test_a_log_file_is_private(tmp_path: Path) -> None:
    configure(format="text", file=tmp_path / "logs" / "log")
    logging.getLogger("test").warning("words")
    assert (tmp_path / "logs" / "log").stat().st_mode & 0o077 == 0
