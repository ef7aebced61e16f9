"""The console on a real pseudo-terminal: no colour, hang-up."""

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import wait_until

PROGRAM = """
import sys
from tests.tui.fake_port import FakePort, rows
from tui.app import ConsoleApp
sys.exit(ConsoleApp(FakePort(rows(500)), refresh_hz=20).run())
"""


def start(**environment: str) -> tuple[subprocess.Popen[bytes], int]:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"} | environment,
        start_new_session=True,
    )
    os.close(slave)
    return process, master


def read_until(master: int, text: bytes) -> None:
    seen = b""

    def there() -> bool:
        nonlocal seen
        if select.select([master], [], [], 0)[0]:
            seen += os.read(master, 65_536)
        return text in seen

    wait_until(there, f"{text!r} on the terminal")


@pytest.mark.parametrize(
    "environment", [{}, {"NO_COLOR": "1"}, {"COLORTERM": "truecolor"}], ids=["256", "none", "24-bit"]
)
def test_it_draws_and_quits(environment: dict[str, str]) -> None:
    process, master = start(**environment)
    try:
        read_until(master, b"Anomalies")
        os.write(master, b"q")
        read_until(master, b"\x1b[?1049l")
        assert process.wait(20) == 0
    finally:
        process.kill()
        os.close(master)


def test_it_exits_when_the_terminal_goes_away() -> None:
    process, master = start()
    try:
        read_until(master, b"Anomalies")
        os.close(master)
        assert process.wait(20) != 0
    finally:
        process.kill()
