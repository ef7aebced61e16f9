from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from domain.clock import LIVE, Clock
from domain.filters import EVERYTHING, parse
from domain.transaction import GroundTruth, Location, Merchant, Transaction
from domain.verdict import Reason, Severity, Verdict
from services.store.batch import Batch, DeadRecord, StoredRow, Term, prepare
from services.store.faults import BadData, DuplicateId, Fenced
from services.store.store import Store
from tests.storing import batch_of

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def transaction(ident: str, **changes: object) -> Transaction:
    fields: dict[str, object] = {
        "transaction_id": ident,
        "user_id": "u-1",
        "amount": Decimal("12.340"),
        "currency": "EUR",
        "timestamp": AT,
        "location": Location(country="FR", latitude=48.8566, longitude=2.3522),
        "merchant": Merchant(id="m-1", name="Café", category="food"),
        "extra": {"terminal": "T1"},
    }
    return Transaction(**{**fields, **changes})  # type: ignore[arg-type]


def verdict(detector: str = "basic", score: float = 0.95) -> Verdict:
    return Verdict(
        detector=detector,  # type: ignore[arg-type]
        score=score,
        threshold=0.9,
        flagged=score >= 0.9,
        severity=Severity.of(score),
        model_version="1",
        reasons=(Reason(feature="amount", factor="amount", contribution=score, text="big"),),
    )


def batch(term: Term, expected: int, *rows: Transaction, dead: tuple[DeadRecord, ...] = ()) -> Batch:
    stored = tuple(
        StoredRow(expected + n, row, (verdict(), verdict("enhanced")), GroundTruth(True, "amount_spike"))
        for n, row in enumerate(rows)
    )
    return batch_of(term, expected, expected + len(rows) + len(dead), stored, dead, {"u-1": b"state"})


async def opened(store: Store, owner: str = "a") -> Term:
    opening = await store.open_term("c", "transactions", 0, owner)
    return Term("c", "transactions", 0, opening.epoch)


async def test_a_batch_is_stored_whole_and_read_back_exactly(store: Store) -> None:
    term = await opened(store)
    await store.commit(prepare(batch(term, 0, transaction("t-1"), dead=(DeadRecord(1, b"{\x00", "malformed"),))))

    (row,) = await store.history(EVERYTHING, 10)
    assert row.transaction == transaction("t-1")
    assert row.verdicts == (verdict(), verdict("enhanced"))
    assert row.truth == GroundTruth(True, "amount_spike")
    assert await store.profiles(["u-1", "u-2"], 1) == {"u-1": b"state"}
    (letter,) = await store.dead_letters(5)
    assert (letter.offset, letter.reason) == (1, "malformed")
    assert (await store.progress())[0]["next_offset"] == 2
    totals = await store.totals()
    assert totals["verdicts"] == {"basic": 1, "enhanced": 1}
    assert totals["flagged"] == {"basic": 1, "enhanced": 1}


async def test_history_is_filtered_by_the_database(store: Store) -> None:
    term = await opened(store)
    rows = [transaction(f"t-{n}", amount=Decimal(n), timestamp=AT + timedelta(seconds=n)) for n in range(5)]
    await store.commit(prepare(batch(term, 0, *rows)))

    found = await store.history(parse("amount>2"), 10)
    assert [row.transaction.transaction_id for row in found] == ["t-4", "t-3"]


async def test_a_fenced_owner_drops_its_batch(store: Store) -> None:
    zombie = await opened(store, "zombie")
    heir = await opened(store, "heir")
    with pytest.raises(Fenced):
        await store.commit(prepare(batch(zombie, 0, transaction("t-1"))))
    await store.commit(prepare(batch(heir, 0, transaction("t-1"))))
    with pytest.raises(Fenced):
        await store.commit(prepare(batch(heir, 0, transaction("t-2"))))
    assert await store.count() == 1


async def test_an_id_stored_meanwhile_is_told_apart_from_bad_data(store: Store) -> None:
    term = await opened(store)
    await store.commit(prepare(batch(term, 0, transaction("t-1"))))
    later = transaction("t-1", timestamp=AT + timedelta(minutes=1))
    with pytest.raises(DuplicateId):
        await store.commit(prepare(batch(term, 1, later)))
    assert (await store.known(["t-1", "t-2"], later.timestamp, later.timestamp)) == {
        "t-1": [("u-1", Decimal("12.340"), AT)]
    }


async def test_an_id_is_known_among_events_of_a_day_before_and_a_day_after(store: Store) -> None:
    term = await opened(store)
    await store.commit(prepare(batch(term, 0, transaction("t-1"))))
    for away in (timedelta(days=1), timedelta(days=-1)):
        assert await store.known(["t-1"], AT + away, AT + away)
        assert not await store.known(["t-1"], AT + 2 * away, AT + 2 * away)
    for edge in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        assert not await store.known(["t-1"], edge, edge)


async def test_a_value_postgresql_refuses_is_bad_data_and_stores_nothing(store: Store) -> None:
    term = await opened(store)
    with pytest.raises(BadData):
        await store.commit(prepare(batch(term, 0, transaction("t-1"), transaction("t-\0"))))
    assert await store.count() == 0
    assert (await store.progress())[0]["next_offset"] == 0


async def test_repeated_openings_at_one_offset_are_counted_until_progress(store: Store) -> None:
    for expected in range(3):
        opening = await store.open_term("c", "transactions", 0, "a")
        assert opening.restores == expected
    term = Term("c", "transactions", 0, opening.epoch)
    await store.mark_attempt(term, 64)
    again = await store.open_term("c", "transactions", 0, "a")
    assert (again.attempt_size, again.attempts) == (64, 1)
    await store.commit(prepare(batch(term._replace(epoch=again.epoch), 0, transaction("t-1"))))
    after = await store.open_term("c", "transactions", 0, "a")
    assert (after.next_offset, after.restores, after.attempts) == (1, 0, 0)


async def test_another_incarnation_begins_again_and_keeps_dead_letters_of_the_same_offset(store: Store) -> None:
    first = await store.open_term("c", "transactions", 0, "a", topic_id="id-1")
    term = Term("c", "transactions", 0, first.epoch, first.incarnation)
    assert (first.incarnation, first.topic_id) == (0, "id-1")
    begun = await store.begin_incarnation(term, "id-1", 7)
    assert (begun.next_offset, begun.incarnation) == (7, 1)
    term = term._replace(incarnation=begun.incarnation)
    await store.commit(prepare(batch(term, 7, dead=(DeadRecord(7, b"{", "malformed"),))))

    again = await store.open_term("c", "transactions", 0, "b", topic_id="id-2")
    assert (again.next_offset, again.topic_id) == (8, "id-1"), "whoever opens it sees what was read before"
    heir = term._replace(epoch=again.epoch)
    with pytest.raises(Fenced):
        await store.begin_incarnation(term, "id-2", 0)
    begun = await store.begin_incarnation(heir, "id-2", 7)
    assert (begun.next_offset, begun.incarnation, begun.topic_id) == (7, 2, "id-2")
    heir = heir._replace(incarnation=begun.incarnation)
    await store.commit(prepare(batch(heir, 7, dead=(DeadRecord(7, b"[", "malformed"),))))
    assert sorted(letter.excerpt for letter in await store.dead_letters(5)) == ["[", "{"]


async def test_retention_drops_old_days_but_not_what_a_replay_just_stored(store: Store) -> None:
    term = await opened(store)
    old = datetime(2020, 5, 1, tzinfo=UTC)
    await store.commit(prepare(batch(term, 0, transaction("t-1", timestamp=old))))
    assert await store.days.drop_expired(30) == []

    await store.pool.execute("UPDATE days SET stored_at = '2020-06-01' WHERE day = '2020-05-01'")
    assert await store.days.drop_expired(30) == [old.date()]
    assert await store.count() == 0
    store.days.forget()
    await store.commit(prepare(batch(term, 1, transaction("t-1", timestamp=old))))
    assert await store.count() == 1


async def test_retention_counts_from_the_streams_clock(store: Store) -> None:
    term = await opened(store)
    old = datetime(2020, 5, 1, tzinfo=UTC)
    await store.commit(prepare(batch(term, 0, transaction("t-1", timestamp=old))))
    await store.pool.execute("UPDATE days SET stored_at = '2020-06-01' WHERE day = '2020-05-01'")
    assert await store.days.drop_expired(30, Clock("replay", old + timedelta(days=29))) == []
    assert await store.days.drop_expired(30, Clock("replay", old + timedelta(days=32))) == [old.date()]


async def test_what_was_simulated_is_dropped_by_its_events_alone_while_a_simulation_is_read(store: Store) -> None:
    term = await opened(store)
    days = [datetime(2026, 1, number, 12, tzinfo=UTC) for number in (5, 6)]
    for number, day in enumerate(days):
        simulated = batch(term, number, transaction(f"t-{number}", timestamp=day))._replace(simulated=True)
        await store.commit(prepare(simulated))
    # A replay writes to the second day as well: it is not the simulation's any more.
    await store.commit(prepare(batch(term, 2, transaction("t-2", timestamp=days[1]))))
    later = days[1] + timedelta(days=60)
    assert await store.days.drop_expired(30, Clock("simulation", days[1] + timedelta(days=20))) == []
    assert await store.days.drop_expired(30, Clock("replay", later)) == []
    assert await store.days.drop_expired(30) == []
    assert await store.days.drop_expired(30, Clock("simulation", later)) == [days[0].date()]


async def test_the_streams_clock_is_kept_for_who_comes_later(store: Store) -> None:
    assert await store.clock() == LIVE
    moment = datetime(2025, 6, 30, 23, 59, tzinfo=UTC)
    await store.keep_clock(Clock("replay", moment, 20.0))
    assert await store.clock() == Clock("replay", moment)
    await store.keep_clock(LIVE)
    assert await store.clock() == LIVE


async def test_the_schema_is_applied_twice_without_harm(store: Store, database_url: str) -> None:
    term = await opened(store)
    await store.commit(prepare(batch(term, 0, transaction("t-1"))))
    again = await Store.open(database_url)
    assert await again.count() == 1
    await again.reset()
    assert await again.count() == 0
    await again.close()
