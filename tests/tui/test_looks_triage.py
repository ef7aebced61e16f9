"""How triage looks, compared with screenshots that were looked at."""

import asyncio
from datetime import timedelta

import pytest
from textual.widgets import Input

from domain.triage import TriageStatus
from tests.tui.fake_port import NOON, FakePort, rows
from tests.tui.session import SLOW_HZ, clock, unhurried
from tui.app import ConsoleApp

DECIDED = {
    500: (TriageStatus.ACKNOWLEDGED, None, ""),
    460: (TriageStatus.CONFIRMED, None, "card was stolen"),
    440: (TriageStatus.FALSE_POSITIVE, NOON + timedelta(days=30), "on holiday in Malta"),
    420: (TriageStatus.SNOOZED, NOON + timedelta(hours=3), ""),
}


def console(theme: str = "dark") -> ConsoleApp:
    port = FakePort(rows(500))
    for sequence, (status, until, note) in DECIDED.items():
        asyncio.run(port.decide([f"t-{sequence:08}"], status, until, note, by="ann"))
    return ConsoleApp(port, refresh_hz=SLOW_HZ, clock=clock, theme=theme, user="ann", monotonic=unhurried())


async def on_screen_two(pilot) -> None:
    await pilot.press("2", "O")
    await pilot.pause()
    for worker in list(pilot.app.workers):
        await worker.wait()
    await pilot.press("k", "k")
    await pilot.pause()


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (160, 48)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_anomalies_screen(snap_compare, size) -> None:
    assert snap_compare(console(), terminal_size=size, run_before=on_screen_two)


@pytest.mark.parametrize("theme", ["light", "ansi"])
def test_the_anomalies_screen_in_other_colours(snap_compare, theme) -> None:
    assert snap_compare(console(theme), terminal_size=(80, 24), run_before=on_screen_two)


def test_states_in_the_live_screen(snap_compare) -> None:
    assert snap_compare(console(), press=["left_square_bracket", "x"], terminal_size=(80, 24))


def test_asking_for_a_leniency(snap_compare) -> None:
    async def asked(pilot) -> None:
        await pilot.press("left_square_bracket", "p")
        await pilot.pause()
        pilot.app.screen.query_one(Input).cursor_blink = False

    assert snap_compare(console(), terminal_size=(80, 24), run_before=asked)


def test_asking_what_becomes_of_many(snap_compare) -> None:
    assert snap_compare(console(), press=["A"], terminal_size=(80, 24))


def test_the_detail_of_what_was_decided_on(snap_compare) -> None:
    async def opened(pilot) -> None:
        await pilot.press("left_square_bracket", "c")
        await pilot.app.workers.wait_for_complete()
        await pilot.press("enter")
        await pilot.pause()
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()

    assert snap_compare(console(), terminal_size=(100, 48), run_before=opened)
