"""What counts as a yes, and that a question can be left."""

import io
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.commands.agreement import agreed

PROGRAM = """
import asyncio
from services.commands.agreement import agreed

async def ask():
    print("agreed:", agreed("Delete it?", default=True))
    await asyncio.sleep(0)

asyncio.run(ask())
"""


@pytest.mark.parametrize(
    ("typed", "default", "meant"),
    [
        ("y\n", False, True),
        ("yes\n", False, True),
        (" YES \n", False, True),
        ("No\n", True, False),
        ("n\n", True, False),
        ("\n", False, False),
        ("\n", True, True),
        ("yess\nsure\nyes\n", False, True),
        ("", True, False),
    ],
)
def test_what_is_typed_is_understood(monkeypatch: pytest.MonkeyPatch, typed: str, default: bool, meant: bool) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert agreed("Delete it?", default=default) is meant


def test_a_single_ctrl_c_leaves_the_question() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[4],
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        asked = b"Delete it? [Y/n] "
        assert process.stdout.read(len(asked)) == asked
        process.send_signal(signal.SIGINT)
        # A signal while the question is being written has it written again.
        assert process.stdout.read().endswith(b"\nagreed: False\n")
        assert process.wait(20) == 0
    finally:
        process.kill()
