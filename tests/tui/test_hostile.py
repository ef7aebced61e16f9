"""Whatever a record, a user, a log line or an error says, it is only text on the terminal."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from textual import events

from tests.tui.everywhere import EVIL, PoisonedPort, acted, poisoned, visited
from tests.tui.fake_port import FakePort, row, rows
from tests.tui.session import SLOW_HZ, clock, strips
from tui.app import ConsoleApp
from tui.lists.filterline import FilterLine

UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
OURS = re.compile(
    "\x1b\\[[0-9;]*[mHJK]"  # colours, cursor, erasing
    "|\x1b\\[[?<>=]?[0-9;]*[hlu]|\x1b\\[\\?[0-9]+\\$p"  # modes, the keyboard protocol, questions
    "|\x1b\\]22;[a-z-]+\x07|\r\n"  # the pointer's shape, and lines
)
PROGRAM = """
import asyncio, sys
from tests.tui.everywhere import EVIL, PoisonedPort, visited
from tests.tui.fake_port import FakePort, rows
from tests.tui.session import clock
from tui.app import ConsoleApp

app = ConsoleApp(PoisonedPort(FakePort(rows(300), dead_letters=2)), refresh_hz=4, clock=clock, theme=sys.argv[1])

async def visit(pilot):
    async for name in visited(app, pilot, EVIL):
        app.notify(EVIL, title=EVIL)
        await pilot.pause()
    app.exit(0)

sys.exit(asyncio.run(app.run_async(auto_pilot=visit)))
"""


def console() -> ConsoleApp:
    return ConsoleApp(PoisonedPort(FakePort(rows(300), dead_letters=2)), refresh_hz=SLOW_HZ, clock=clock, theme="dark")


def assert_harmless(app: ConsoleApp) -> str:
    """What is on screen, after a look at every character of it."""
    width = app.screen.size.width
    lines = strips(app)
    text = "\n".join(strip.text for strip in lines)
    assert not UNSAFE.search(text.replace("\n", "")), [strip.text for strip in lines if UNSAFE.search(strip.text)]
    assert all(strip.cell_length == width for strip in lines)
    return text


def test_poison_gets_into_every_text() -> None:
    evil = poisoned(row(20))
    assert evil.transaction.merchant.name == EVIL
    assert evil.transaction.user_id == EVIL
    assert evil.verdicts[0].reasons[0].text == EVIL
    assert evil.verdicts[0].detector == "basic"
    assert evil.transaction.amount == row(20).transaction.amount


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (200, 60)])
async def test_no_control_character_reaches_a_strip_of_any_screen_or_modal(size: tuple[int, int]) -> None:
    app = console()
    seen = ""
    async with app.run_test(size=size, notifications=True) as pilot:
        async for _ in visited(app, pilot, EVIL):
            app.notify(EVIL, title=EVIL)
            await pilot.pause()
            seen += assert_harmless(app)
    assert "[/oops]" in seen


async def test_no_action_brings_one_out() -> None:
    app = console()
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        async for _ in acted(app, pilot):
            assert_harmless(app)


async def test_what_is_pasted_into_the_filter_is_only_text() -> None:
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("slash")
        app.post_message(events.Paste(EVIL.replace("\n", "")))
        await pilot.pause()
        assert "[/oops]" in assert_harmless(app)
        assert app.screen.query_one(FilterLine).display


@pytest.mark.parametrize(
    ("theme", "environment"),
    [("dark", {}), ("ansi", {}), ("dark", {"NO_COLOR": "1"})],
    ids=["dark", "ansi", "no colour"],
)
def test_the_terminal_gets_no_sequence_but_ours(theme: str, environment: dict[str, str]) -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, theme],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=Path(__file__).parents[2],
        env=os.environ
        | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": "100", "LINES": "40"}
        | environment,
        start_new_session=True,
    )
    os.close(slave)
    seen = b""
    try:
        while True:
            found = os.read(master, 1 << 16)
            seen += found
    except OSError:
        assert process.wait(20) == 0, seen[-2000:].decode(errors="replace")
    finally:
        process.kill()
        os.close(master)
    output = seen.decode()
    assert "[/oops]" in output
    foreign = UNSAFE.search(OURS.sub("", output))
    assert foreign is None, repr(OURS.sub("", output)[max(0, foreign.start() - 40) : foreign.start() + 40])
    assert "\x1b[2J" not in output
