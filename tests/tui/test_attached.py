"""The console on an engine in another process: what it shows stays true, and a lost engine ends nothing."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from textual.pilot import Pilot

from tests.integration.attach.host import Host, host
from tests.tui.fake_port import QUIET, FakePort, row, rows
from tests.tui.session import running, shown
from tests.waiting import until
from tui.app import ConsoleApp
from tui.lists.anomalies import TriageList
from tui.lists.feed import Feed
from tui.panes.status import StatusLine


@pytest.fixture
async def here() -> AsyncIterator[Host]:
    async with host() as made:
        yield made


async def ticked(
    app: ConsoleApp, pilot: Pilot[object], text: str, query: type[Feed] | type[StatusLine] | str = Feed
) -> None:
    """Tick until a widget shows this."""

    def there() -> bool:
        app.tick()
        return text in shown(app, query)

    await until(there)
    await pilot.pause()


async def type_filter(pilot: Pilot[object], text: str) -> None:
    await pilot.press("slash", *({":": "colon"}.get(key, key) for key in text), "enter")
    await pilot.pause()


async def test_a_filter_is_filled_from_the_engine_and_counts_what_was_not_sent(here: Host) -> None:
    fake = FakePort(rows(2_500))
    await here.serve(fake)
    async with here.console() as port, running(port) as (app, pilot):
        assert "2 000  ▼follow" in shown(app, Feed), "what an engine sends whoever comes"
        await type_filter(pilot, "is:flagged")
        await ticked(app, pilot, "125 of 2 500")
        await pilot.press("slash", "ctrl+u", *"amount>9000")
        await until(lambda: "625 of 2 500 match" in shown(app, "#filter-feedback"))
        await pilot.press("escape")
        fake.add(rows(100, 2_501))
        await ticked(app, pilot, "130 of 2 600")
        await pilot.press("escape")
        await ticked(app, pilot, "2 000  ▼follow")


async def test_more_than_the_screen_has_room_for_is_counted_as_dropped(here: Host) -> None:
    fake = FakePort(rows(100))
    await here.serve(fake)
    async with here.console() as port, running(port, size=(120, 24)) as (app, pilot):
        app.tick()
        fake.add(rows(4_000, 101))
        await until(lambda: port.feed(0, 100_000).missed > 0)
        await ticked(app, pilot, "drop 4.0k", StatusLine)
        held = app.intake.feed.buffer
        assert held[len(held) - 1].sequence == 4_100
        assert app.intake.missed + len(held) == 4_100


async def test_a_frozen_list_stays_through_another_filter_and_back(here: Host) -> None:
    """The way down to the transactions of a user and back, as the engine refills the list twice."""
    fake = FakePort(rows(400))
    await here.serve(fake)
    async with here.console() as port, running(port) as (app, pilot):
        await type_filter(pilot, "is:flagged")
        await ticked(app, pilot, "20 of 400")
        await pilot.press("space", "k", "k")
        before = [each.sequence for each in app.intake.feed.rows]
        selected = app.screen.query_one(Feed).selected
        app.show_transactions("u-0700")
        await until(lambda: (app.tick(), app.intake.feed.filter_text == "user=u-0700" and len(app.intake.feed))[1])
        assert app.climb()
        for _ in range(3):
            await until(lambda: port.feed(0, 1_000).rows[-1].flagged)
            app.tick()
        assert [each.sequence for each in app.intake.feed.rows] == before
        assert app.screen.query_one(Feed).selected == selected
        fake.add([row(420)])
        await ticked(app, pilot, "frozen +1 pending")
        await pilot.press("space")
        await ticked(app, pilot, "21 of 4")


async def test_a_lost_engine_is_shown_and_another_one_begins_again(here: Host) -> None:
    await here.serve(FakePort(rows(200)))
    async with here.console() as port, running(port, notifications=True) as (app, pilot):
        await pilot.press("2")
        await pilot.pause()
        triage = app.screen.query_one(TriageList)
        await until(lambda: (app.tick(), len(triage.window))[1] == 10)
        await pilot.press("k", "k", "space")
        await here.stop()
        await ticked(app, pilot, "✗LOST", StatusLine)
        await ticked(app, pilot, "no engine runs; trying again", StatusLine)
        assert "last heard 12:04:07Z" in shown(app, StatusLine)
        await pilot.press("1")
        await ticked(app, pilot, "? workers not known; last known, 12:04:07Z", "#summary")
        assert "running" not in shown(app, "#summary")
        await pilot.press("4")
        await ticked(app, pilot, "? broker", "#health-text")
        assert "last known, 12:04:07Z" in shown(app, "#health-text")
        assert "✓" not in shown(app, "#health-text")
        await pilot.press("1")
        await pilot.press("a", "1", "j", "enter", "escape", "4", "2")
        await pilot.pause()
        assert len(triage.window) == 10, "the last word stays"

        await here.serve(FakePort(rows(60), started_at=QUIET.started_at + timedelta(hours=1)))
        await ticked(app, pilot, "▶LIVE", StatusLine)
        await until(lambda: (app.tick(), len(triage.window))[1] == 3)
        await until(lambda: triage.order is not None and len(triage.order) == 3)
        assert triage.cursor_index == 0
        assert not app.intake.frozen
        assert app.intake.engines == 2
        await pilot.press("1")
        await ticked(app, pilot, "60  ▼follow")


async def test_what_is_decided_in_one_console_is_seen_in_the_other(here: Host) -> None:
    await here.serve(FakePort(rows(100)))
    async with here.console() as port, here.console() as other, running(port) as (app, pilot):
        await until(lambda: len(app.intake.anomalies.buffer) == 5)
        await pilot.press("left_square_bracket", "a")
        await until(lambda: other.triage_changes(0, 10))
        (event,) = other.triage_changes(0, 10)
        assert event.action == "acknowledged"
        await until(lambda: (app.tick(), app.intake.anomalies.buffer[4].triage)[1] is not None)
