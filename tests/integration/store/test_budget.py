"""A budget of alerts on a real PostgreSQL: who has a place in the queue, who waits, and what nothing of it changes."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from domain.budget import UNLIMITED, Budget
from domain.filters import EVERYTHING, parse
from domain.transaction import Transaction
from domain.triage import BY_BUDGET, TriageStatus
from domain.verdict import DetectorName, Severity, Status, Verdict
from services.console.budgeting import Budgeting
from services.console.bus import Bus
from services.console.triage import TriageDesk
from services.store.batch import StoredRow, Term, prepare
from services.store.budget import Queue
from services.store.store import Store
from tests.storing import batch_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = NOON.date()
NEXT = timedelta(days=1)
OVER = TriageStatus.OVER_BUDGET


def verdict(detector: DetectorName, score: float, threshold: float = 0.5, status: Status = "ok") -> Verdict:
    flagged = score >= threshold
    return Verdict(
        detector=detector,
        score=score,
        threshold=threshold,
        flagged=flagged,
        severity=Severity.of_verdict(score, flagged),
        model_version="1",
        status=status,
    )


def alert(number: int, score: float, user: str = "u", day: int = 0, *verdicts: Verdict) -> StoredRow:
    """Alert `a-number`, `number` minutes after the noon of its day."""
    transaction = Transaction(
        transaction_id=f"a-{number}",
        user_id=user,
        amount=Decimal(number),
        currency="EUR",
        timestamp=NOON + day * NEXT + timedelta(minutes=number),
    )
    return StoredRow(number, transaction, verdicts or (verdict("enhanced", score),), None)


async def keep(store: Store, *rows: StoredRow) -> None:
    """Commit the rows as the next batch."""
    opening = await store.open_term("c", "transactions", 0, "a")
    term = Term("c", "transactions", 0, opening.epoch)
    first = opening.next_offset
    moved = tuple(row._replace(offset=first + number) for number, row in enumerate(rows))
    await store.commit(prepare(batch_of(term, first, first + len(rows), moved)))


async def waiting(store: Store) -> set[int]:
    """The alerts that the budget holds back."""
    rows = await store.stored_anomalies(parse("triage:over_budget"), None, 100)
    return {int(row.transaction.amount) for row in rows}


async def queued(store: Store) -> set[int]:
    """The alerts in the queue."""
    rows = await store.stored_anomalies(parse("triage:open"), None, 100)
    return {int(row.transaction.amount) for row in rows}


async def test_the_queue_holds_those_of_a_day_that_are_worth_most(store: Store) -> None:
    await keep(store, *(alert(number, 0.6 + number % 5 / 20) for number in range(10)))
    await keep(store, *(alert(number, 0.6, day=1) for number in range(10, 13)))
    for day in (DAY, DAY + NEXT):
        await store.queue.keep_to(Budget(3), day)
    # 4 and 9 score most, then 3 and 8, of which 3 came first.
    assert await queued(store) == {3, 4, 9, 10, 11, 12}
    assert await waiting(store) == {0, 1, 2, 5, 6, 7, 8}
    assert await store.queue.count_over() == 7
    assert await store.triage.count_open(NOON) == 6
    assert len(await store.triage.matching(EVERYTHING, 100, NOON)) == 6
    assert await store.triage.count_matching(EVERYTHING, NOON) == 6
    beyond = parse("triage:over_budget")
    assert {int(ident[2:]) for ident in await store.triage.matching(beyond, 100, NOON)} == {0, 1, 2, 5, 6, 7, 8}
    assert await store.triage.count_matching(beyond, NOON) == 7


async def test_a_later_alert_worth_more_takes_the_place_of_the_least(store: Store) -> None:
    await keep(store, alert(1, 0.7), alert(2, 0.8))
    await store.queue.keep_to(Budget(2), DAY)
    assert await waiting(store) == set()
    await keep(store, alert(3, 0.75), alert(4, 0.6))
    await store.queue.keep_to(Budget(2), DAY)
    assert await queued(store) == {2, 3}
    assert await waiting(store) == {1, 4}
    (line,) = await store.triage.log("a-1")
    assert (line.action, line.decided_by, line.before) == (OVER, BY_BUDGET, None)


async def test_a_user_s_limit_leaves_the_room_to_others(store: Store) -> None:
    await keep(store, *(alert(number, 0.95, "burst") for number in range(5)), alert(5, 0.6, "v"), alert(6, 0.7, "w"))
    await store.queue.keep_to(Budget(3, 2), DAY)
    assert await queued(store) == {0, 1, 6}
    await store.queue.keep_to(Budget(None, 1), DAY)
    assert await queued(store) == {0, 5, 6}


async def test_what_only_basic_flags_stands_behind_by_what_it_is_worth(store: Store) -> None:
    only_basic = alert(1, 0.0, "u", 0, verdict("basic", 0.99), verdict("enhanced", 0.1))
    await keep(store, only_basic, alert(2, 0.5), alert(3, 0.9, "u", 0, verdict("enhanced", 0.9, status="backfilled")))
    await store.queue.keep_to(Budget(1), DAY)
    assert await queued(store) == {2}
    assert await waiting(store) == {1}


async def test_verdicts_stay_and_another_budget_or_none_changes_only_places(store: Store) -> None:
    await keep(store, *(alert(number, 0.6 + number / 100) for number in range(6)))
    before = await store.pool.fetch("SELECT * FROM verdicts ORDER BY transaction_id")
    for budget, in_queue in (
        (Budget(2), {4, 5}),
        (Budget(4), {2, 3, 4, 5}),
        (Budget(1), {5}),
        (UNLIMITED, set(range(6))),
    ):
        await store.queue.keep_to(budget, DAY)
        assert await queued(store) == in_queue
        assert await store.pool.fetch("SELECT * FROM verdicts ORDER BY transaction_id") == before
    assert await store.queue.unsettled(UNLIMITED) == set()


async def test_what_people_decide_stands_and_nobody_decides_that_something_is_over_budget(store: Store) -> None:
    await keep(store, alert(1, 0.9), alert(2, 0.6), alert(3, 0.7))
    await store.queue.keep_to(Budget(1), DAY)
    await store.triage.decide(["a-2"], TriageStatus.CONFIRMED, None, None, "ann")
    await store.triage.decide(["a-3"], TriageStatus.OPEN, None, None, "ann")
    await store.queue.keep_to(Budget(1), DAY)
    assert await queued(store) == {1, 3}
    assert await waiting(store) == set()
    await store.triage.undo("ann")
    assert await waiting(store) == {3}
    assert [event.kind for event in await store.timeline.newest(None, 100)] == ["decision"] * 3
    with pytest.raises(ValueError, match="nobody's decision"):
        await store.triage.decide(["a-1"], OVER, None, None, "ann")


async def test_places_and_what_the_log_says_of_them_go_with_their_day(store: Store) -> None:
    await keep(store, alert(1, 0.9), alert(2, 0.6))
    await store.queue.keep_to(Budget(1), DAY)
    await store.triage.decide(["a-1"], TriageStatus.CONFIRMED, None, None, "ann")
    async with store.pool.acquire() as connection:
        await store.days.drop_all(connection)
    await store.triage.forget(datetime(2100, 1, 1, tzinfo=UTC), timedelta())
    assert await store.queue.count_over() == 0
    assert (len(await store.triage.log("a-1")), len(await store.triage.log("a-2"))) == (1, 0)


async def test_two_engines_keep_one_queue(store: Store) -> None:
    buses = [Bus(), Bus()]
    engines = [Budgeting(store.queue, bus, Budget(2), monotonic=lambda: 0.0) for bus in buses]
    desk = TriageDesk(store.triage, buses[0], monotonic=lambda: 0.0)
    await desk.start()
    await asyncio.gather(*(engine.keep_up() for engine in engines))
    rows = [alert(number, 0.6 + number % 4 / 10) for number in range(8)]
    for number, bus in enumerate(buses):
        await keep(store, *rows[number::2])
        bus.publish(rows[number::2], [])
    await asyncio.gather(*(engine.keep_up() for engine in engines))
    await desk.keep_up()
    assert await queued(store) == {3, 7}
    assert desk.open_anomalies == 2
    assert {engine.over for engine in engines} == {6}
    decided = {row.transaction.transaction_id: row.triage for row in buses[0].anomalies.newest(10)}
    assert [ident for ident, triage in decided.items() if triage is not None] == ["a-0", "a-2", "a-4", "a-6"]


async def test_an_engine_with_another_budget_puts_all_days_in_order(store: Store) -> None:
    await keep(store, *(alert(number, 0.6, day=number % 3) for number in range(9)))
    for budget, left in ((Budget(1), 3), (Budget(2), 6), (UNLIMITED, 9)):
        engine = Budgeting(store.queue, Bus(), budget, monotonic=lambda: 0.0)
        await engine.keep_up()
        assert len(await queued(store)) == left
        assert engine.over == (9 - left if budget.limited else None)


async def test_a_long_start_does_not_keep_new_alerts_waiting(store: Store) -> None:
    now = 0.0

    class Cold(Queue):
        """A queue whose first days take long."""

        async def keep_to(self, budget: Budget, day: date) -> None:
            nonlocal now
            now += 0.8 if now == 0.0 else 0.01
            await super().keep_to(budget, day)

    await keep(store, *(alert(number, 0.6 + number / 100, day=number % 3) for number in range(9)))
    bus = Bus()
    engine = Budgeting(Cold(store.pool), bus, Budget(2), monotonic=lambda: now)
    await engine.keep_up()
    assert await queued(store) == set(range(3, 9))
    late = [alert(11, 0.9, day=2)]
    await keep(store, *late)
    bus.publish(late, [])
    now += 1.0
    await engine.keep_up()
    assert await queued(store) == {3, 4, 6, 7, 8, 11}


async def test_an_undo_leads_to_the_side_that_the_alert_has_by_now(store: Store) -> None:
    await keep(store, alert(1, 0.7), alert(2, 0.6))
    bus = Bus()
    engine = Budgeting(store.queue, bus, Budget(1), monotonic=lambda: 0.0)
    await engine.keep_up()
    await store.triage.decide(["a-1"], TriageStatus.ACKNOWLEDGED, None, None, "ann")
    better = [alert(3, 0.9)]
    await keep(store, *better)
    bus.publish(better, [])
    await engine.keep_up()
    await store.triage.undo("ann")
    assert await queued(store) == {1, 3}
    await engine.keep_up()
    assert (await queued(store), await waiting(store)) == ({3}, {1, 2})


async def test_an_undo_after_the_budget_was_taken_away_leads_back_into_the_queue(store: Store) -> None:
    await keep(store, alert(1, 0.7), alert(2, 0.6))
    await store.queue.keep_to(Budget(1), DAY)
    await store.triage.decide(["a-2"], TriageStatus.SNOOZED, NOON + NEXT, None, "ann")
    engine = Budgeting(store.queue, Bus(), UNLIMITED, monotonic=lambda: 0.0)
    await engine.keep_up()
    await store.triage.undo("ann")
    assert await waiting(store) == {2}
    await engine.keep_up()
    assert await queued(store) == {1, 2}


async def test_somebody_called_as_the_budget_decides_as_others_do(store: Store) -> None:
    await keep(store, alert(1, 0.7), alert(2, 0.6))
    await store.queue.keep_to(Budget(1), DAY)
    assert await store.triage.undo(BY_BUDGET) is None
    await store.triage.decide(["a-2"], TriageStatus.CONFIRMED, None, None, BY_BUDGET)
    await store.queue.keep_to(Budget(1), DAY)
    assert (await queued(store), await waiting(store)) == ({1}, set())
    undone = await store.triage.undo(BY_BUDGET)
    assert undone is not None
    assert [event.transaction_id for event in undone.events] == ["a-2"]
