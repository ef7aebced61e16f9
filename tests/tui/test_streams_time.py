"""What a console shows and counts from where the stream has a clock of its own."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.clock import Clock
from domain.engine import History
from domain.triage import TriageStatus
from tests.tui.fake_port import NOON, FakePort, rows
from tests.tui.session import pressed, running, settled, shown, text_of
from tui.lists.feed import Feed

SIMULATED = Clock("simulation", datetime(2026, 5, 3, 14, 5, 9, tzinfo=UTC), 1_987.0)
TWO_DAYS_ON = Clock("replay", NOON + timedelta(days=2))


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_the_status_line_says_whose_clock_it_is(size: tuple[int, int]) -> None:
    async with running(FakePort(rows(5), clock=SIMULATED), size) as (app, _):
        assert "sim 2026-05-03 14:05 x2000" in shown(app, "#status")
    async with running(FakePort(rows(5)), (160, 48)) as (app, _):
        assert "12:04Z" in shown(app, "#status")
        assert "sim" not in shown(app, "#status")


async def test_a_snooze_ends_by_the_streams_clock() -> None:
    port = FakePort(rows(100), clock=SIMULATED)
    async with running(port) as (_, pilot):
        await pressed(pilot, "left_square_bracket", "z", "1")
        (triage,) = (await port.triage_of([f"t-{number:08}" for number in range(101)])).values()
        assert triage.status is TriageStatus.SNOOZED
        assert SIMULATED.at is not None
        assert triage.until == SIMULATED.at + timedelta(hours=1)


@pytest.mark.parametrize(("text", "matches"), [("since:1d", False), ("since:3d", True)])
async def test_times_in_a_filter_count_back_from_the_streams_clock(text: str, matches: bool) -> None:
    async with running(FakePort(rows(50), clock=TWO_DAYS_ON)) as (app, pilot):
        await pressed(pilot, "slash", *text, "enter")
        await settled(pilot)
        assert bool(len(app.screen.query_one(Feed).window)) is matches


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_a_first_start_shows_how_much_history_is_stored(size: tuple[int, int]) -> None:
    async with running(FakePort(history=History(10_000, 4_200)), size) as (app, _):
        assert "first start" in text_of(app)
        assert "42 %" in text_of(app)
        assert "history: 4,200 of 10,000 stored" in text_of(app)
    async with running(FakePort(history=History(10_000, 10_000)), size) as (app, _):
        assert "fitting models on 10,000 transactions" in text_of(app)
