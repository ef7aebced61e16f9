"""Deciding on anomalies: every key, what it says, and what it leaves behind."""

import asyncio
import re
from datetime import timedelta

import msgspec
import pytest
from textual.widgets import Input

from domain.filters import parse
from domain.triage import BY_BUDGET, TriageStatus
from domain.verdict import Counterfactual
from tests.tui.deciding import state, status_of, stored_before
from tests.tui.fake_port import NOON, FakePort, row, rows
from tests.tui.session import SLOW_HZ, pressed, running, said, settled, shown, text_of
from tui.app import ConsoleApp
from tui.cells import remaining
from tui.lists.anomalies import AnomalyFeed
from tui.lists.feed import Feed
from tui.modals.confirm import Confirm
from tui.modals.prompts import LeniencyPrompt, NotePrompt, SnoozeChoice, StatusChoice, span_of
from tui.screens.detail import Detail
from tui.screens.live import LiveScreen
from tui.widgets.reading import Reading

NEWEST = "left_square_bracket"
OPEN, ACKNOWLEDGED, CONFIRMED, FALSE_POSITIVE, SNOOZED, _ = TriageStatus


@pytest.mark.parametrize(("key", "status", "word"), [("a", ACKNOWLEDGED, "ack"), ("c", CONFIRMED, "FRAUD")])
async def test_one_key_decides_on_the_row_under_the_cursor(key: str, status: TriageStatus, word: str) -> None:
    port = FakePort(rows(100))
    async with running(port, notifications=True) as (app, pilot):
        await pressed(pilot, "left_square_bracket", "left_square_bracket", key)
        assert await status_of(port, 80) is status
        anomalies = app.screen.query_one(AnomalyFeed)
        assert anomalies.selected is not None
        assert anomalies.selected.sequence == 80
        assert state(app, 80) == word
        (notice,) = said(app)
        assert "u-0960 9 200.00 EUR" in notice
        assert "U undoes" in notice
        assert "▲4 open" in shown(app, "#status")
        assert [event.decided_by for event in await port.triage_log("t-00000080")] == ["ann"]


async def test_in_the_feed_it_is_the_feeds_row() -> None:
    port = FakePort(rows(100))
    async with running(port, notifications=True) as (app, pilot):
        await pressed(pilot, "k", "k", "c")
        assert await status_of(port, 98) is CONFIRMED
        selected = app.screen.query_one(Feed).selected
        assert selected is not None
        assert selected.triage is not None
        assert "confirmed as fraud: u-0626" in said(app)[0]


async def test_without_a_cursor_the_first_key_holds_the_anomaly_that_is_explained() -> None:
    port = FakePort(rows(105))
    async with running(port, notifications=True) as (app, pilot):
        await pressed(pilot, "a")
        assert await status_of(port, 100) is None
        assert said(app) == ["u-0700 9 200.00 EUR holds still now: press the key again to decide on it"]
        port.add(rows(20, first=106))
        app.tick()
        await pressed(pilot, "a")
        assert await status_of(port, 100) is ACKNOWLEDGED
        assert await status_of(port, 120) is None
        assert said(app)[-1] == "acknowledged: u-0700 9 200.00 EUR. U undoes it"


async def test_before_the_first_anomaly_there_is_nothing_to_decide_on() -> None:
    async with running(FakePort(rows(10)), notifications=True) as (app, pilot):
        for key in "acpzwU":
            await pressed(pilot, key)
            assert len(said(app)) == 1
            app.clear_notifications()
        await pressed(pilot, "A")
        assert said(app) == ["no anomaly is open"]


async def test_a_false_positive_asks_until_when_and_enter_takes_thirty_days() -> None:
    port = FakePort(rows(100))
    async with running(port) as (app, pilot):
        await pressed(pilot, NEWEST, "p")
        assert isinstance(app.screen, LeniencyPrompt)
        assert await status_of(port, 100) is None
        await pressed(pilot, "enter")
        triage = (await port.triage_of(["t-00000100"]))["t-00000100"]
        assert (triage.status, triage.until) == (FALSE_POSITIVE, NOON + timedelta(days=30))
        assert "false+" in shown(app, AnomalyFeed)


async def test_a_leniency_may_be_another_or_none_and_must_be_understood() -> None:
    port = FakePort(rows(100))
    async with running(port) as (app, pilot):
        await pressed(pilot, NEWEST, "p", "x", "enter")
        assert isinstance(app.screen, LeniencyPrompt)
        assert "expected a span" in shown(app, "#prompt-hint")
        app.screen.query_one(Input).value = "12h"
        await pressed(pilot, "enter")
        assert (await port.triage_of(["t-00000100"]))["t-00000100"].until == NOON + timedelta(hours=12)
        await pressed(pilot, "U", "L")
        assert isinstance(app.screen, LeniencyPrompt)
        app.screen.query_one(Input).value = "0"
        await pressed(pilot, "enter", "p")
        assert (await port.triage_of(["t-00000100"]))["t-00000100"].until is None


@pytest.mark.parametrize(("text", "span"), [("12h", 0.5), ("30d", 30), ("2W", 14), ("7", 7), ("0", 0)])
def test_spans_are_understood(text: str, span: float) -> None:
    assert span_of(text) == timedelta(days=span)


@pytest.mark.parametrize("text", ["", "soon", "-3d", "3y", "99999d"])
def test_other_spans_are_not(text: str) -> None:
    with pytest.raises(ValueError, match="expected a span"):
        span_of(text)


@pytest.mark.parametrize(("key", "span"), [("1", 1), ("2", 8), ("enter", 8), ("3", 24), ("4", 168)])
async def test_a_snooze_asks_for_how_long(key: str, span: int) -> None:
    port = FakePort(rows(100))
    async with running(port) as (app, pilot):
        await pressed(pilot, NEWEST, "z")
        assert isinstance(app.screen, SnoozeChoice)
        await pressed(pilot, key)
        triage = (await port.triage_of(["t-00000100"]))["t-00000100"]
        assert (triage.status, triage.until) == (SNOOZED, NOON + timedelta(hours=span))
        assert f"zzz {remaining(timedelta(hours=span))}" in shown(app, AnomalyFeed)


@pytest.mark.parametrize(
    ("span", "text"),
    [((0, 1), "1m"), ((44, 30), "45m"), ((179, 1), "3h"), ((1440, 0), "24h"), ((10_079, 59), "7d")],
)
def test_what_is_left_of_a_snooze_is_rounded_up(span: tuple[int, int], text: str) -> None:
    assert remaining(timedelta(minutes=span[0], seconds=span[1])) == text


async def test_a_snooze_that_is_over_is_shown_as_open() -> None:
    port = FakePort(rows(100))
    await port.decide(["t-00000100"], SNOOZED, NOON - timedelta(seconds=1), by="ann")
    async with running(port) as (app, _):
        assert state(app, 100) == "open"
        assert "▲5 open" in shown(app, "#status")


@pytest.mark.parametrize("key", ["p", "z", "w", "A"])
async def test_escape_decides_nothing(key: str) -> None:
    port = FakePort(rows(100))
    async with running(port, notifications=True) as (app, pilot):
        await pressed(pilot, NEWEST, key, "escape")
        assert isinstance(app.screen, LiveScreen)
        assert await port.decisions.since(0, 10) == ()
        assert said(app) == []


async def test_a_note_is_written_changed_and_shown_in_the_detail() -> None:
    port = FakePort(rows(100))
    async with running(port, notifications=True) as (app, pilot):
        await pressed(pilot, NEWEST, "a", "w")
        assert isinstance(app.screen, NotePrompt)
        await pressed(pilot, *"called", "enter", "w")
        assert app.screen.query_one(Input).value == "called"
        await pressed(pilot, "end", "!", "enter", "enter")
        assert isinstance(app.screen, Detail)
        assert await status_of(port, 100) is ACKNOWLEDGED
        text = shown(app, Reading)
        assert re.search(r"note +called!", text)
        assert re.search(r"triage +acknowledged, by ann", text)
        await pressed(pilot, "G")
        assert "ack “called” → ack “called!”" in shown(app, Reading)


async def test_the_detail_has_the_history_and_the_keys() -> None:
    port = FakePort(rows(100))
    await port.decide(["t-00000100"], ACKNOWLEDGED, by="bob")
    async with running(port, size=(100, 48)) as (app, pilot):
        await pressed(pilot, "enter", "c")
        text = shown(app, Reading)
        assert re.search(r"bob +acknowledged +open → ack", text)
        assert re.search(r"ann +confirmed +ack → FRAUD", text)
        await pressed(pilot, "U")
        assert re.search(r"ann +undo +FRAUD → ack", shown(app, Reading))


async def test_the_detail_says_what_would_not_have_been_flagged() -> None:
    port = FakePort(rows(100))
    port.explained["t-00000100"] = Counterfactual("amount", "212.40", "not flagged at 212.40 EUR or less")
    async with running(port, size=(100, 48)) as (app, pilot):
        await pressed(pilot, "enter")
        assert "not flagged at 212.40 EUR or less" in shown(app, Reading)


@pytest.mark.parametrize("screen", ["1", "2"])
async def test_the_why_pane_says_it_of_the_alert_under_the_cursor(screen: str) -> None:
    port = FakePort(rows(100))
    for each in rows(100):
        ident = each.transaction.transaction_id
        port.explained[ident] = Counterfactual("amount", "212.40", "not flagged at 212.40 EUR or less")
    async with running(port, size=(160, 48)) as (app, pilot):
        await pressed(pilot, screen)
        if screen == "1":
            assert "212.40" not in shown(app, "#why"), "nobody has stopped at an alert"
        await pressed(pilot, NEWEST)
        assert "not flagged at 212.40 EUR or less" in shown(app, "#why")


async def test_undo_takes_back_the_last_decision_and_then_the_one_before() -> None:
    port = FakePort(rows(100))
    async with running(port, notifications=True) as (app, pilot):
        await pressed(pilot, NEWEST, "a", "c", "U")
        assert await status_of(port, 100) is ACKNOWLEDGED
        assert said(app) == ["undone (confirmed as fraud): u-0700 9 200.00 EUR"]
        await pressed(pilot, "U")
        assert await status_of(port, 100) is None
        assert state(app, 100) == "open"
        await pressed(pilot, "U")
        assert said(app) == ["there is nothing of yours to undo"]


async def test_decisions_in_quick_succession_are_told_in_one_notification() -> None:
    now = NOON
    port = FakePort(rows(200))
    app = ConsoleApp(port, refresh_hz=SLOW_HZ, clock=lambda: now, theme="dark", user="ann")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pressed(pilot, "tab", *"kakakaka")
        assert said(app) == ["4 acknowledged. U undoes the last"]
        await pressed(pilot, "c")
        assert said(app) == ["4 acknowledged, 1 confirmed as fraud (1 decided otherwise before). U undoes the last"]
        now += timedelta(seconds=2)
        await pressed(pilot, "a")
        assert said(app)[-1].startswith("acknowledged: u-")


async def test_what_is_not_stored_and_what_fails_is_said_in_one_line() -> None:
    port = FakePort(rows(100))
    async with running(port, notifications=True) as (app, pilot):
        port.triage_error = ConnectionError("PostgreSQL is away")
        await pressed(pilot, NEWEST, "a")
        assert said(app) == ["nothing decided on u-0700 9 200.00 EUR: PostgreSQL is away"]
        assert await status_of(port, 100) is None
        app.clear_notifications()
        port.triage_error = TimeoutError()
        await pressed(pilot, "a")
        assert said(app) == ["nothing decided on u-0700 9 200.00 EUR: TimeoutError"]
        port.triage_error = None
        app.clear_notifications()
        port.rows.clear()
        await pressed(pilot, "a")
        assert said(app) == ["nothing decided on u-0700 9 200.00 EUR: it is not stored (any more)"]


async def test_all_that_match_are_counted_and_decided_on_only_after_two_questions() -> None:
    port = FakePort(rows(200))
    async with running(port, notifications=True) as (app, pilot):
        await pressed(pilot, "tab", "slash", *"score>.9", "enter", "A")
        assert isinstance(app.screen, StatusChoice)
        count = len(await port.matching(parse("score>.9"), 100))
        assert 0 < count < 10
        assert f"all {count} open anomalies matching score>.9" in shown(app, "#prompt-title")
        await pressed(pilot, "z", "4")
        assert isinstance(app.screen, Confirm)
        assert f"Snooze: all {count} open anomalies" in shown(app, Reading)
        await pressed(pilot, "n")
        assert await port.decisions.since(0, 10) == ()
        await pressed(pilot, "A", "c", "y")
        assert await port.count_matching(parse("score>.9")) == 0
        assert said(app) == [f"{count} confirmed as fraud. U undoes it"]
        await pressed(pilot, "U")
        assert await port.count_matching(parse("score>.9")) == count


async def test_all_that_match_are_those_of_the_triage_that_the_filter_names() -> None:
    port = FakePort(rows(200))
    await port.decide(["t-00000020", "t-00000040", "t-00000060"], TriageStatus.OVER_BUDGET, by=BY_BUDGET)
    async with running(port, notifications=True) as (app, pilot):
        await pressed(pilot, "2", "slash", *"triage:over_budget", "enter", "A")
        assert "all 3 anomalies matching triage:over_budget" in shown(app, "#prompt-title")
        await pressed(pilot, "a", "y")
        assert [await status_of(port, sequence) for sequence in (20, 40, 60)] == [ACKNOWLEDGED] * 3
        assert said(app) == ["3 acknowledged. U undoes it"]
        app.clear_notifications()
        await pressed(pilot, "escape", "slash", *"triage:snoozed", "enter", "A")
        assert said(app) == ["no anomaly matches"]


async def test_what_is_pressed_while_matches_are_counted_is_not_meant_for_one_row() -> None:
    counted = asyncio.Event()

    class Slow(FakePort):
        async def matching(self, filter, limit):
            await counted.wait()
            return await super().matching(filter, limit)

    port = Slow(rows(100))
    async with running(port, notifications=True) as (app, pilot):
        await pilot.press("A", "a", "c")
        assert "counting" in shown(app, "#prompt-title")
        assert await port.decisions.since(0, 10) == ()
        counted.set()
        await settled(pilot)
        assert "all 5 open anomalies" in shown(app, "#prompt-title")
        await pressed(pilot, "a", "y")
        assert said(app) == ["5 acknowledged. U undoes it"]


async def test_a_count_that_fails_is_said_and_asks_nothing() -> None:
    class Failing(FakePort):
        async def matching(self, filter, limit):
            raise ConnectionError("PostgreSQL is away")

    async with running(Failing(rows(100)), notifications=True) as (app, pilot):
        await pressed(pilot, "A")
        assert isinstance(app.screen, LiveScreen)
        assert said(app) == ["cannot count what matches: PostgreSQL is away"]


async def test_a_bulk_decision_leaves_alone_what_was_decided_before() -> None:
    port = FakePort(rows(100))
    await port.decide(["t-00000080"], CONFIRMED, by="bob")
    async with running(port) as (_, pilot):
        await pressed(pilot, "A", "a", "y")
        assert await status_of(port, 80) is CONFIRMED
        assert await status_of(port, 100) is ACKNOWLEDGED


async def test_what_somebody_else_decides_shows_up() -> None:
    port = FakePort(rows(100))
    async with running(port) as (app, pilot):
        await port.decide(["t-00000100", "t-00000099"], ACKNOWLEDGED, by="bob")
        app.tick()
        await pilot.pause()
        assert state(app, 100) == "ack"
        feed = app.intake.feed.buffer
        assert [feed[index].triage is not None for index in (97, 98, 99)] == [False, True, True]


async def test_the_feed_can_be_filtered_by_triage() -> None:
    port = FakePort(rows(100))
    async with running(port) as (app, pilot):
        await pressed(pilot, NEWEST, "a", "tab", "slash", *"triage:open", "enter")
        assert [each.sequence for each in app.intake.feed.rows] == [20, 40, 60, 80]
        port.add(rows(20, first=101))
        app.tick()
        await pilot.pause()
        assert [each.sequence for each in app.intake.feed.rows] == [20, 40, 60, 80, 120]


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (20, 5), (59, 15), (60, 16), (80, 24), (160, 48), (300, 100)])
async def test_no_size_crashes_it(size: tuple[int, int]) -> None:
    port = FakePort(rows(120))
    port.stored = stored_before(30)
    async with running(port, size=size, notifications=True) as (_, pilot):
        await pressed(pilot, "2", "k", "a", "z", "1", "p", "enter", "w", "x", "enter", "A", "c", "n", "O", "U")
        await pressed(pilot, "enter", "escape", "slash", "x", "escape", "1", "z", "escape")


async def test_hostile_names_and_notes_are_only_text() -> None:
    evil = "[/oops]\x1b]52;c;x\x07"
    base = row(20)
    hostile = msgspec.structs.replace(
        base, transaction=msgspec.structs.replace(base.transaction, user_id=evil, currency=evil)
    )
    port = FakePort([hostile])
    await port.decide(["t-00000020"], None, note=evil, by=evil)
    async with running(port, size=(160, 48), notifications=True) as (app, pilot):
        for keys in (["a"], ["2"], ["z"], ["escape"], ["w"], ["escape"], ["enter"], ["G"], ["escape"], ["U"]):
            await pressed(pilot, *keys)
            assert not {"\x1b", "\x07"} & set(text_of(app))
