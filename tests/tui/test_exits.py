"""How the console leaves its terminal: by key, by signal, by accident, and when the terminal stalls or goes away."""

import os
import pty
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.waiting import wait_until

PROGRAM = """
import asyncio, sys
from services.commands import signals
from services.cli.options import guarded
from tests.tui.fake_port import FakePort, rows
from tui.app import ConsoleApp
from tui.launch import show_until_asked
from tui.modals.help import Help

class Port(FakePort):
    def snapshot(self):
        with open(sys.argv[1], "a") as pulls:
            pulls.write(".")
        self.add(rows(40, first=len(self.rows) + 1))
        return super().snapshot()

def boom(self, width, palette):
    secret = "hunter2"
    raise RuntimeError("boom")

Help.lines = boom

async def work():
    quitting = asyncio.Event()
    app = ConsoleApp(Port(rows(500)), refresh_hz=20)
    return await signals.interruptible(show_until_asked(app, quitting), quitting)

sys.exit(guarded(lambda: asyncio.run(work())))
"""
RESTORED = (
    b"\x1b[?1049l",
    b"\x1b[?25h",
    b"\x1b[?1000l",
    b"\x1b[?1003l",
    b"\x1b[?1006l",
    b"\x1b[?2004l",
    b"\x1b[?1004l",
)
WITHIN = 20.0


@dataclass
class Session:
    """A console on a pseudo-terminal."""

    process: subprocess.Popen[bytes]
    master: int
    pulls_file: Path
    seen: bytes = b""

    def read(self, seconds: float = 0.1) -> bytes:
        """What arrives; nothing once the other side has closed."""
        if not select.select([self.master], [], [], seconds)[0]:
            return b""
        try:
            found = os.read(self.master, 1 << 16)
        except OSError:
            return b""
        self.seen += found
        return found

    def until(self, shown: bytes) -> None:
        """Read until it was shown."""
        wait_until(lambda: self.read(0) is not None and shown in self.seen, f"{shown!r} on the terminal")

    def ended(self) -> int:
        """Read until the process has ended and return its exit code."""
        wait_until(lambda: self.read(0) is not None and self.process.poll() is not None, "the end of the console")
        while self.read(0):
            pass
        return self.process.returncode

    @property
    def pulls(self) -> int:
        """How often the console has pulled from the engine."""
        return self.pulls_file.stat().st_size

    def let_it_pull(self, times: int) -> None:
        """Wait for so many pulls without reading anything from the terminal."""
        end = self.pulls + times
        wait_until(lambda: self.pulls >= end, "pulls while the terminal takes nothing")

    def assert_restored(self, before: list[object]) -> None:
        """The screen, cursor, mouse, paste, focus and line discipline are as they were."""
        last_drawn = self.seen.rindex(b"\x1b[?1049h")
        for sequence in RESTORED:
            assert sequence in self.seen[last_drawn:], sequence
        assert termios.tcgetattr(self.master)[:4] == before[:4]


@contextmanager
def session(folder: Path) -> Iterator[Session]:
    """A console that has drawn."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder / "pulls")],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=Path(__file__).parents[2],
        env=os.environ
        | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24", "ANOMALY_TUI_DATA_DIR": str(folder / "data")},
        start_new_session=True,
    )
    os.close(slave)
    found = Session(process, master, folder / "pulls")
    try:
        found.until(b"Anomalies")
        yield found
    finally:
        process.kill()
        process.wait()
        os.close(master)


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: signal.Signals(number).name
)
def test_a_signal_leaves_the_terminal_as_it_was(tmp_path: Path, number: signal.Signals) -> None:
    with session(tmp_path) as console:
        console.process.send_signal(number)
        assert console.ended() == 0
        console.assert_restored(fresh_attributes())


@pytest.mark.parametrize("key", [b"q", b"\x03"], ids=["q", "ctrl+c"])
def test_a_key_leaves_the_terminal_as_it_was(tmp_path: Path, key: bytes) -> None:
    with session(tmp_path) as console:
        os.write(console.master, key)
        assert console.ended() == 0
        console.assert_restored(fresh_attributes())


def test_an_exception_in_a_screen_is_one_line_after_the_terminal_was_restored(tmp_path: Path) -> None:
    with session(tmp_path) as console:
        os.write(console.master, b"?")
        assert console.ended() == 70
        console.assert_restored(fresh_attributes())
        after = console.seen[console.seen.rindex(b"\x1b[?1049l") :]
        assert b"anomaly-tui: Unexpected RuntimeError: boom" in after
        assert b"Traceback" not in after
        assert b"hunter2" not in console.seen
        assert "hunter2" not in (tmp_path / "data" / "crash.log").read_text().replace('secret = "hunter2"', "")


def test_a_terminal_that_goes_away_ends_it_with_129(tmp_path: Path) -> None:
    with session(tmp_path) as console:
        os.close(console.master)
        try:
            assert console.process.wait(WITHIN) == 129
        finally:
            console.master = os.open(os.devnull, os.O_RDONLY)


def test_a_terminal_that_stalls_holds_up_nothing_and_shows_the_newest_afterwards(tmp_path: Path) -> None:
    with session(tmp_path) as console:
        console.let_it_pull(100)
        console.seen = b""
        console.until(b"\x1b[1;1H")
        assert len(console.seen) < 1 << 20
        os.write(console.master, b" ")
        console.until(b"FROZEN")


def test_a_signal_ends_it_while_the_terminal_stalls(tmp_path: Path) -> None:
    with session(tmp_path) as console:
        console.let_it_pull(60)
        console.process.send_signal(signal.SIGTERM)
        assert console.process.wait(WITHIN) == 0


def fresh_attributes() -> list[object]:
    """The line discipline of a new pseudo-terminal."""
    master, slave = pty.openpty()
    try:
        return termios.tcgetattr(master)
    finally:
        os.close(master)
        os.close(slave)
