"""The queue of alerts: its order, its cases, and how few keys a shift takes."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from domain.budget import Budget
from domain.triage import TriageStatus
from domain.verdict import ScoredTransaction
from tests.tui.deciding import status_of, stored_before
from tests.tui.fake_port import NOON, FakePort, row, rows
from tests.tui.session import pressed, running, said, settled, shown
from tui.app import ConsoleApp
from tui.lists.anomalies import TriageList
from tui.lists.queue import Queue, cases
from tui.modals.prompts import LeniencyPrompt
from tui.pace import Pace

FALSE_POSITIVE, CONFIRMED, ACKNOWLEDGED = (
    TriageStatus.FALSE_POSITIVE,
    TriageStatus.CONFIRMED,
    TriageStatus.ACKNOWLEDGED,
)


def alert(number: int, user: str, minutes: float) -> ScoredTransaction:
    """An anomaly of a user, so many minutes after noon."""
    flagged = row(20 * number)
    return msgspec.structs.replace(
        flagged,
        transaction=msgspec.structs.replace(
            flagged.transaction, user_id=user, timestamp=NOON + timedelta(minutes=minutes)
        ),
    )


BURST = [alert(number, "u-0001", number / 4) for number in range(1, 13)]
OTHERS = [alert(20, "u-0002", 1), alert(21, "u-0001", 30)]


def with_score(row: ScoredTransaction, score: float) -> ScoredTransaction:
    verdicts = tuple(msgspec.structs.replace(each, score=score) for each in row.verdicts)
    return msgspec.structs.replace(row, verdicts=verdicts)


def test_the_worst_comes_first_and_the_newest_among_those_that_show_the_same_score() -> None:
    scores = {1: 0.899, 2: 0.901, 3: 0.896, 4: 0.894, 5: 0.9, 6: 0.5}
    held = [with_score(alert(number, "u-0001", number), score) for number, score in scores.items()]
    order = [each.sequence // 20 for each in Queue(held, NOON).all()]
    assert order == [5, 2, 3, 1, 4, 6]
    equals = [with_score(BURST[0], 0.952), with_score(BURST[1], 0.951)]
    (lead,) = Queue(equals, NOON, grouped=True).all()
    assert lead == equals[1]


def test_a_case_is_what_one_user_did_within_minutes() -> None:
    found = [(case[0].transaction.user_id, len(case)) for case in cases([*OTHERS, *BURST])]
    assert sorted(found) == [("u-0001", 1), ("u-0001", 12), ("u-0002", 1)]


def test_a_case_is_led_by_the_worst_of_its_open_alerts() -> None:
    queue = Queue(BURST, NOON, grouped=True)
    (lead,) = queue.all()
    assert lead.headline is not None
    assert lead.headline.score == max(each.headline.score for each in BURST if each.headline)
    assert len(queue.case(lead)) == 12
    assert {queue.index(each.sequence) for each in BURST} == {0}


async def test_a_burst_is_one_case_that_one_key_decides_on_and_one_undoes() -> None:
    port = FakePort([*BURST, *OTHERS])
    async with running(port, notifications=True) as (app, pilot):
        await pressed(pilot, "2", "B", "j")
        assert "u-0001 ×12" in shown(app, TriageList)
        assert "3 cases" in shown(app, TriageList)
        assert "12 alerts of this user within minutes" in shown(app, "#why")
        await pressed(pilot, "c")
        assert said(app) == ["12 confirmed as fraud. U undoes it"]
        assert [await status_of(port, each.sequence) for each in BURST] == [CONFIRMED] * 12
        assert [await status_of(port, each.sequence) for each in OTHERS] == [None, None]
        await pressed(pilot, "U")
        assert await status_of(port, BURST[0].sequence) is None
        await pressed(pilot, "B")
        assert "×12" not in shown(app, TriageList)


async def test_an_export_has_every_alert_of_a_case() -> None:
    async with running(FakePort([*BURST, *OTHERS])) as (app, pilot):
        await pressed(pilot, "2", "B", "e")
        assert "14 rows of the anomalies listed" in shown(app, "#export-choices")


async def test_r_switches_between_the_worst_first_and_the_order_of_time() -> None:
    port = FakePort(rows(200))
    async with running(port) as (app, pilot):
        await pressed(pilot, "2")
        queue = app.screen.query_one(TriageList)
        assert "▼worst" in shown(app, TriageList)
        scores = [each.headline.score for each in queue.order.all() if each.headline] if queue.order else []
        assert scores == sorted(scores, reverse=True)
        assert queue.cursor_index == 0
        await pressed(pilot, "r")
        assert queue.order is None
        assert queue.follow
        await pressed(pilot, "r")
        assert "▼worst" in shown(app, TriageList)


async def test_old_alerts_are_ranked_with_the_new_ones() -> None:
    port = FakePort(rows(60))
    worst, *others = stored_before(500)
    port.stored = [with_score(worst, 0.99), *others]
    async with running(port) as (app, pilot):
        await pressed(pilot, "2")
        while len(app.intake.triage_queue) < 503:
            app.tick()
            await settled(pilot)
        app.tick()
        await settled(pilot)
        queue = app.screen.query_one(TriageList)
        assert queue.order is not None
        assert len(queue.order) == 503
        assert ident(queue.order[0]) == "old-00001"


async def listed(app: ConsoleApp, pilot: Pilot[Any], count: int) -> TriageList:
    """The queue, once it has so many rows."""
    queue = app.screen.query_one(TriageList)
    while queue.order is None or len(queue.order) != count:
        app.tick()
        await settled(pilot)
    return queue


def ident(row: ScoredTransaction | None) -> str | None:
    return None if row is None else row.transaction.transaction_id


async def test_the_cursor_is_on_the_worst_once_all_are_read() -> None:
    port = FakePort(rows(100))
    port.stored = stored_before(500)
    async with running(port) as (app, pilot):
        await pressed(pilot, "2")
        queue = await listed(app, pilot, 505)
        assert queue.cursor_index == 0
        assert ident(queue.selected) == ident(queue.rows[0])


async def test_stored_alerts_that_are_read_again_do_not_take_the_place_of_the_one_that_was_read() -> None:
    port = FakePort(rows(60))
    port.stored = stored_before(40)
    await port.decide([ident(each) or "" for each in port.stored[-9:]], ACKNOWLEDGED, by="bob")
    async with running(port) as (app, pilot):
        await pressed(pilot, "2")
        queue = await listed(app, pilot, 34)
        await pressed(pilot, "G", "k", "k")
        read = ident(queue.selected)
        assert read is not None
        assert read.startswith("old-")
        await pressed(pilot, "O")
        assert ident(queue.selected) == read
        await listed(app, pilot, 43)
        assert ident(queue.selected) == read
        assert ident(queue.rows[queue.cursor_index]) == read


async def test_alerts_that_another_engine_stored_are_listed_as_they_are_counted() -> None:
    port = FakePort(rows(60))
    port.stored = stored_before(5)
    async with running(port) as (app, pilot):
        await pressed(pilot, "2")
        await listed(app, pilot, 8)
        port.stored = stored_before(12)
        await listed(app, pilot, 15)
        assert "15 left" in shown(app, "#progress")
        assert "15 listed" in shown(app, TriageList)


async def test_thirty_alerts_take_thirty_two_keys() -> None:
    port = FakePort(rows(620))
    keys = ["2", *"cap", "enter", *("cap" * 9)]
    async with running(port) as (app, pilot):
        await pressed(pilot, *keys)
        assert (len(keys), len(port.decided)) == (32, 30)
        statuses = [triage.status for triage in (await port.triage_of(port.decided)).values()]
        assert {*statuses} == {CONFIRMED, ACKNOWLEDGED, FALSE_POSITIVE}
        assert " done" in shown(app, "#progress")


async def test_the_answer_about_leniency_is_kept() -> None:
    port = FakePort(rows(100))
    async with running(port, notifications=True) as (app, pilot):
        await pressed(pilot, "2", "p")
        assert isinstance(app.screen, LeniencyPrompt)
        await pressed(pilot, "enter", "p")
        assert not isinstance(app.screen, LeniencyPrompt)
        assert len(port.decided) == 2
        assert app.library.kept.leniency == "30d"


async def test_every_decision_can_be_undone_back_to_the_first() -> None:
    port = FakePort(rows(300))
    async with running(port) as (app, pilot):
        await pressed(pilot, "2", *"cccccccc", *"UUUUUUUU")
        assert {*(await port.triage_of(port.decided))} == set()
        queue = app.screen.query_one(TriageList)
        assert queue.selected is not None
        assert queue.selected.transaction.transaction_id == port.decided[0]
        assert "0 done" in shown(app, "#progress")


async def test_the_next_alert_does_not_wait_for_the_store_and_a_failure_leads_back() -> None:
    port = FakePort(rows(300))
    async with running(port, notifications=True) as (app, pilot):
        await pressed(pilot, "2")
        queue = app.screen.query_one(TriageList)
        first = ident(queue.selected)
        holding = await app.decisions._turn.acquire()
        assert holding
        await pilot.press("c")
        assert ident(queue.selected) != first
        assert port.decided == []
        app.decisions._turn.release()
        await settled(pilot)
        assert port.decided == [first]
        second = ident(queue.selected)
        port.triage_error = OSError("PostgreSQL does not answer")
        await pressed(pilot, "c")
        assert ident(queue.selected) == second
        assert "nothing decided on" in said(app)[-1]


async def test_the_same_decision_again_does_nothing_and_says_so() -> None:
    port = FakePort(rows(100))
    async with running(port, notifications=True) as (app, pilot):
        await pressed(pilot, "left_square_bracket", "c", "c")
        assert said(app)[-1] == "already confirmed as fraud: u-0700 9 200.00 EUR. Nothing has changed"
        assert len(await port.triage_log("t-00000100")) == 1
        await pressed(pilot, "a")
        assert said(app)[-1].endswith("(1 decided otherwise before). U undoes the last")
        await pressed(pilot, "U")
        assert await status_of(port, 100) is CONFIRMED


async def test_a_changed_decision_says_what_it_was() -> None:
    port = FakePort(rows(100))
    await port.decide(["t-00000100"], CONFIRMED, by="bob")
    async with running(port, notifications=True) as (app, pilot):
        await pressed(pilot, "left_square_bracket", "a")
        assert said(app) == ["acknowledged: u-0700 9 200.00 EUR, which was confirmed as fraud. U undoes it"]


def test_the_pace_is_that_of_the_last_minutes() -> None:
    pace = Pace()
    for minute in range(3):
        pace.add(10, NOON + timedelta(minutes=minute))
    assert pace.done == 30
    assert pace.per_minute(NOON + timedelta(minutes=3)) == 10
    pace.add(-10, NOON + timedelta(minutes=3))
    assert pace.done == 20
    assert pace.per_minute(NOON + timedelta(minutes=30)) == 0
    assert Pace().per_minute(NOON) == 0


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((80, 24), "12,345 beyond the budget"),
        ((160, 48), "12,345 beyond the budget of 50 a day and 3 a day for each user"),
    ],
)
async def test_what_is_beyond_the_budget_is_said_as_wide_as_there_is_room(size: tuple[int, int], said: str) -> None:
    port = FakePort(rows(100), budget=Budget(50, 3), over_budget=12_345)
    async with running(port, size) as (app, pilot):
        await pressed(pilot, "2")
        assert shown(app, "#progress").rstrip().endswith(f"a minute   {said}")
