"""Decisions on a real PostgreSQL: what they leave behind, taking them back, many at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import asyncpg
import pytest

from domain.filters import EVERYTHING, parse
from domain.transaction import Merchant, Transaction
from domain.triage import MAX_AT_ONCE, MAX_NOTE, TriageStatus, is_open
from domain.verdict import ScoredTransaction, Severity, Verdict
from services.console.bus import Bus
from services.console.triage import TriageDesk
from services.store.batch import StoredRow, Term, prepare
from services.store.store import Store
from services.store.triage import Decisions
from tests.storing import batch_of
from tests.tui.memory_triage import MemoryTriage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = datetime(2100, 1, 1, tzinfo=UTC)
"""Still to come, whenever these tests run."""

OPEN, ACKNOWLEDGED, CONFIRMED, FALSE_POSITIVE, SNOOZED, _ = TriageStatus


def stored(number: int) -> StoredRow:
    flagged = number % 5 != 4
    return StoredRow(
        number,
        Transaction(
            transaction_id=f"t-{number}",
            user_id=f"u-{number % 3}",
            amount=Decimal(number),
            currency="EUR",
            timestamp=NOON - timedelta(minutes=number),
            merchant=Merchant(id=f"m-{number}" if number % 2 else None, name="Café"),
        ),
        tuple(
            Verdict(
                detector=detector,
                score=0.95 if flagged else 0.1,
                threshold=0.9,
                flagged=flagged,
                severity=Severity.CRITICAL,
                model_version="1",
            )
            for detector in ("basic", "enhanced")
        ),
        None,
    )


@pytest.fixture
async def filled(store: Store) -> Store:
    """Ten transactions, of which t-4 and t-9 are not flagged."""
    opening = await store.open_term("c", "transactions", 0, "a")
    rows = tuple(stored(number) for number in range(10))
    term = Term("c", "transactions", 0, opening.epoch)
    await store.commit(prepare(batch_of(term, 0, len(rows), rows)))
    return store


@pytest.fixture(params=["PostgreSQL", "memory"])
def decisions(request: pytest.FixtureRequest, filled: Store) -> Decisions | MemoryTriage:
    """Decisions on the same ten transactions: the real ones, and those that the console's tests use."""
    if request.param == "PostgreSQL":
        return filled.triage
    rows = [
        ScoredTransaction(sequence=row.offset, transaction=row.transaction, verdicts=row.verdicts, stored_at=NOON)
        for row in map(stored, range(10))
    ]
    return MemoryTriage(lambda: rows)


async def test_a_decision_is_kept_with_who_when_and_what_was_before(decisions: Decisions | MemoryTriage) -> None:
    first = await decisions.decide(["t-1"], ACKNOWLEDGED, None, None, "ann")
    second = await decisions.decide(["t-1"], CONFIRMED, None, "called the customer", "bob")

    triage = (await decisions.of(["t-1", "t-2"]))["t-1"]
    assert (triage.status, triage.decided_by, triage.note) == (CONFIRMED, "bob", "called the customer")
    assert abs(triage.decided_at - datetime.now(UTC)) < timedelta(minutes=1)
    newest, oldest = await decisions.log("t-1")
    assert (oldest.action, oldest.decided_by, oldest.before) == ("acknowledged", "ann", None)
    assert (newest.action, newest.decided_by, newest.after) == ("confirmed", "bob", triage)
    assert newest.before == oldest.after
    assert (oldest.step, newest.step) == (first.step, second.step)


async def test_history_shows_the_decision(filled: Store) -> None:
    await filled.triage.decide(["t-1"], CONFIRMED, None, "called the customer", "bob")
    decided, undecided = await filled.history(parse("id=t-1 | id=t-2"), 2)
    assert decided.triage == (await filled.triage.of(["t-1"]))["t-1"]
    assert undecided.triage is None


async def test_stored_anomalies_are_what_history_has_of_flagged_ones(filled: Store) -> None:
    await filled.triage.decide(["t-1"], SNOOZED, LATER, "later", "ann")
    anomalies = await filled.stored_anomalies(EVERYTHING, None, 100)
    assert anomalies == await filled.history(parse("is:flagged"), 100)
    assert len(anomalies) == 8
    third = anomalies[2].transaction.timestamp
    older = await filled.stored_anomalies(parse("triage:open amount<6"), third, 2)
    assert [row.transaction.transaction_id for row in older] == ["t-2", "t-3"]
    assert len(await filled.stored_anomalies(parse("triage:snoozed"), None, 100)) == 1


async def test_a_decision_names_user_event_and_merchant_for_the_detectors(filled: Store) -> None:
    await filled.triage.decide(["t-1", "t-2"], FALSE_POSITIVE, LATER, None, "ann")
    rows = await filled.pool.fetch("SELECT * FROM triage ORDER BY transaction_id")
    assert [(row["user_id"], row["merchant_id"], row["until"]) for row in rows] == [
        ("u-1", "m-1", LATER),
        ("u-2", "Café", LATER),
    ]
    assert [row["event_time"] for row in rows] == [stored(number).transaction.timestamp for number in (1, 2)]


async def test_the_log_only_grows(filled: Store) -> None:
    await filled.triage.decide(["t-1"], ACKNOWLEDGED, None, None, "ann")
    for change in ("UPDATE triage_log SET decided_by = 'x'", "DELETE FROM triage_log", "TRUNCATE triage_log"):
        with pytest.raises(asyncpg.RaiseError, match="only grows"):
            await filled.pool.execute(change)
    assert len(await filled.triage.log("t-1")) == 1


async def test_a_reset_empties_the_log_and_leaves_it_guarded(filled: Store) -> None:
    await filled.triage.decide(["t-1"], ACKNOWLEDGED, None, None, "ann")
    await filled.reset()
    assert await filled.triage.of(["t-1"]) == {}
    assert await filled.triage.log("t-1") == ()
    for change in ("UPDATE triage_log SET step = 0", "TRUNCATE triage_log"):
        with pytest.raises(asyncpg.RaiseError):
            await filled.pool.execute(change)


async def test_many_are_decided_on_in_one_step_and_undone_in_one(decisions: Decisions | MemoryTriage) -> None:
    ids = await decisions.matching(parse("amount<4"), 100)
    assert ids == ("t-0", "t-1", "t-2", "t-3")
    await decisions.decide(["t-2"], ACKNOWLEDGED, None, "seen", "ann")
    bulk = await decisions.decide(ids, FALSE_POSITIVE, LATER, None, "ann")
    assert {event.step for event in bulk.events} == {bulk.step}
    assert len(bulk.events) == 4

    undone = await decisions.undo("ann")
    assert undone is not None
    assert (undone.action, undone.kept, len(undone.events)) == ("false_positive", 0, 4)
    assert {event.undoes for event in undone.events} == {bulk.step}
    left = await decisions.of(ids)
    assert list(left) == ["t-2"]
    assert (left["t-2"].status, left["t-2"].note, left["t-2"].until) == (ACKNOWLEDGED, "seen", None)


async def test_undo_goes_back_step_by_step_and_never_twice(decisions: Decisions | MemoryTriage) -> None:
    for status in (ACKNOWLEDGED, CONFIRMED):
        await decisions.decide(["t-1"], status, None, None, "ann")
    first = await decisions.undo("ann")
    assert first is not None
    assert (await decisions.of(["t-1"]))["t-1"].status is ACKNOWLEDGED
    assert await decisions.undo("ann", first.events[0].undoes) is None
    assert await decisions.undo("ann", first.events[0].step) is None
    assert await decisions.undo("ann") is not None
    assert await decisions.of(["t-1"]) == {}
    assert await decisions.undo("ann") is None
    assert [event.action for event in await decisions.log("t-1")] == ["undo", "undo", "confirmed", "acknowledged"]


async def test_undo_takes_back_ones_own_decisions_and_keeps_what_others_decided_since(
    decisions: Decisions | MemoryTriage,
) -> None:
    await decisions.decide(["t-1", "t-2"], ACKNOWLEDGED, None, None, "ann")
    await decisions.decide(["t-2"], CONFIRMED, None, None, "bob")
    undone = await decisions.undo("ann")
    assert undone is not None
    assert (undone.kept, [event.transaction_id for event in undone.events]) == (1, ["t-1"])
    assert (await decisions.of(["t-2"]))["t-2"].decided_by == "bob"
    assert await decisions.undo("carol") is None


async def test_a_snooze_that_is_over_is_open_again(decisions: Decisions | MemoryTriage) -> None:
    assert await decisions.count_open(datetime.now(UTC)) == 8
    await decisions.decide(["t-1", "t-2"], SNOOZED, LATER, None, "ann")
    assert await decisions.count_open(datetime.now(UTC)) == 6
    assert await decisions.count_matching(EVERYTHING) == 6
    await decisions.decide(["t-2"], SNOOZED, NOON, None, "ann")
    assert await decisions.count_open(datetime.now(UTC)) == 7
    states = await decisions.of(["t-1", "t-2"])
    assert not is_open(states["t-1"], datetime.now(UTC))
    assert is_open(states["t-2"], datetime.now(UTC))
    assert is_open(states["t-1"], LATER)
    assert "t-2" in await decisions.matching(EVERYTHING, 100)
    assert "t-1" not in await decisions.matching(EVERYTHING, 100)


async def test_a_note_leaves_the_decision_and_its_author_alone(decisions: Decisions | MemoryTriage) -> None:
    await decisions.decide(["t-1"], None, None, "odd hour", "ann")
    assert await decisions.count_open(datetime.now(UTC)) == 8
    await decisions.decide(["t-1"], SNOOZED, LATER, None, "bob")
    await decisions.decide(["t-1"], None, None, "asked the bank", "carol")
    triage = (await decisions.of(["t-1"]))["t-1"]
    assert (triage.status, triage.until, triage.note, triage.decided_by) == (SNOOZED, LATER, "asked the bank", "bob")
    assert [event.action for event in await decisions.log("t-1")] == ["note", "snoozed", "note"]


async def test_what_is_not_stored_is_passed_over_and_named(decisions: Decisions | MemoryTriage) -> None:
    decision = await decisions.decide(["t-1", "t-77", "t-1"], CONFIRMED, None, None, "ann")
    assert decision.unknown == ("t-77",)
    assert [event.transaction_id for event in decision.events] == ["t-1"]
    nothing = await decisions.decide(["t-77"], CONFIRMED, None, None, "ann")
    assert (nothing.step, nothing.events) == (None, ())


async def test_the_same_decision_again_writes_nothing_and_is_named(decisions: Decisions | MemoryTriage) -> None:
    await decisions.decide(["t-1"], CONFIRMED, None, None, "ann")
    again = await decisions.decide(["t-1", "t-2"], CONFIRMED, None, None, "bob")
    assert again.unchanged == ("t-1",)
    assert again.unknown == ()
    assert [event.transaction_id for event in again.events] == ["t-2"]
    (line,) = await decisions.log("t-1")
    assert line.decided_by == "ann"


async def test_another_end_or_note_is_another_decision(decisions: Decisions | MemoryTriage) -> None:
    await decisions.decide(["t-1"], SNOOZED, LATER, None, "ann")
    for until, note in ((LATER + timedelta(days=1), None), (LATER, "asked the bank")):
        assert (await decisions.decide(["t-1"], SNOOZED, until, note, "ann")).unchanged == ()
    assert (await decisions.decide(["t-1"], None, None, "asked the bank", "ann")).unchanged == ("t-1",)


async def test_what_cannot_be_decided_is_refused(filled: Store) -> None:
    for ids, status, until, note in (
        (["t-1"], SNOOZED, None, None),
        (["t-1"], SNOOZED, LATER.replace(tzinfo=None), None),
        (["t-1"], None, None, "x" * (MAX_NOTE + 1)),
        (["t-1"] * (MAX_AT_ONCE + 1), CONFIRMED, None, None),
    ):
        with pytest.raises(ValueError):
            await filled.triage.decide(ids, status, until, note, "ann")
    assert await filled.triage.of(["t-1"]) == {}


async def test_concurrent_decisions_form_one_history(filled: Store) -> None:
    ids = [f"t-{number}" for number in range(10)]
    await asyncio.gather(
        *(
            filled.triage.decide(ids if turn % 2 else ids[::-1], CONFIRMED, None, f"call {turn}", f"analyst {turn}")
            for turn in range(12)
        )
    )
    for ident in ids:
        log = await filled.triage.log(ident)
        assert len(log) == 12
        assert all(newer.before == older.after for newer, older in pairwise(log))
        assert log[-1].before is None
    everything = await filled.triage.since(0, 1000)
    assert [event.sequence for event in everything] == sorted(event.sequence for event in everything)


async def test_two_who_undo_the_same_step_undo_it_once(filled: Store) -> None:
    step = (await filled.triage.decide(["t-1"], CONFIRMED, None, None, "ann")).step
    undone = await asyncio.gather(*(filled.triage.undo(by, step) for by in ("ann", "bob", "carol")))
    assert sum(each is not None for each in undone) == 1


async def test_retention_keeps_a_leniency_that_still_runs_and_the_log(filled: Store) -> None:
    await filled.triage.decide(["t-1"], FALSE_POSITIVE, LATER, None, "ann")
    await filled.triage.decide(["t-2"], CONFIRMED, None, None, "ann")
    everything_is_old = LATER - timedelta(days=1), timedelta()
    await filled.triage.forget(*everything_is_old)
    assert len(await filled.triage.of(["t-1", "t-2"])) == 2
    async with filled.pool.acquire() as connection:
        await filled.days.drop_all(connection)
    await filled.triage.forget(*everything_is_old)
    assert list(await filled.triage.of(["t-1", "t-2"])) == ["t-1"]
    assert len(await filled.triage.log("t-2")) == 1


async def test_a_count_during_which_alerts_came_is_made_again_at_once(filled: Store) -> None:
    bus = Bus()
    desk = TriageDesk(filled.triage, bus, monotonic=lambda: 0.0)
    await desk.start()
    counting = asyncio.create_task(desk.keep_up())
    while not counting.done():
        bus.publish([stored(0)], [])
        await asyncio.sleep(0)
    assert (desk.open_anomalies or 0) > 8, "what came during the count is in it already and counted besides"
    await desk.keep_up()
    assert desk.open_anomalies == 8


async def test_a_desk_learns_what_is_decided_here_and_elsewhere(filled: Store) -> None:
    await filled.triage.decide(["t-9"], ACKNOWLEDGED, None, None, "ann")
    bus = Bus()
    desk = TriageDesk(filled.triage, bus)
    await desk.start()
    assert desk.open_anomalies is None
    await desk.keep_up()
    assert desk.open_anomalies == 8
    bus.publish([stored(number) for number in (0, 4)], [])
    assert desk.open_anomalies == 9

    await desk.decide(["t-0", "t-1"], CONFIRMED, None, None, "ann")
    assert desk.open_anomalies == 7
    first, second = desk.since(0, 10)
    assert {first.transaction_id, second.transaction_id} == {"t-0", "t-1"}
    assert desk.since(first.sequence, 10) == (second,)
    (row,) = bus.anomalies.since(0, 10).rows
    assert row.triage is not None
    assert row.triage.status is CONFIRMED

    await filled.triage.decide(["t-0"], ACKNOWLEDGED, None, None, "another engine")
    await desk.keep_up()
    assert [event.decided_by for event in desk.since(second.sequence, 10)] == ["another engine"]
    assert len(desk.since(0, 10)) == 2
    await desk.undo("ann", first.step)
    assert desk.since(0, 1)[0].transaction_id == "t-0"
    assert desk.since(0, 10)[-1].after is None
