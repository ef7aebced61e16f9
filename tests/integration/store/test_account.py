"""What became of every offset, counted behind the fence."""

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.accounting import Account, total
from domain.transaction import Transaction
from services.commands.data import accounts_of
from services.store.batch import Batch, DeadRecord, Passed, StoredRow, Term, prepare
from services.store.faults import Fenced
from services.store.rekeying import Moved, place_of, stored_through
from services.store.store import Store
from tests.storing import batch_of


async def begun(store: Store, offset: int = 0) -> Term:
    opening = await store.open_term("c", "transactions", 0, "a")
    term = Term("c", "transactions", 0, opening.epoch)
    await store.begin_incarnation(term, "", offset)
    return term


def batch(term: Term, expected: int, following: int, stored: int = 0, dead: int = 0, **passed: int) -> Batch:
    at = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    rows = tuple(
        StoredRow(
            offset,
            Transaction(transaction_id=f"t-{offset}", user_id="u-1", amount="1", currency="EUR", timestamp=at),
            (),
            None,
        )
        for offset in range(expected, expected + stored)
    )
    letters = tuple(DeadRecord(expected + stored + number, b"{", "malformed") for number in range(dead))
    return batch_of(term, expected, following, rows, letters, passed=Passed(**passed))


async def position(store: Store) -> dict[str, Any]:
    (row,) = await store.progress()
    return row


async def test_the_sums_move_with_the_offset_behind_the_fence(store: Store) -> None:
    term = await begun(store, offset=40)
    first = batch(term, 40, 60, stored=5, dead=2, resends=3, skipped=1, lost=4)
    await store.commit(prepare(first))
    await store.commit(prepare(batch(term, 60, 61, stored=1)))
    row = await position(store)
    assert first.parts[0].account.without_record == 5
    assert (row["first_offset"], row["next_offset"]) == (40, 61)
    assert accounts_of([row]) == {
        "transactions": Account(stored=6, dead=2, resends=3, skipped=1, lost=4, without_record=5)
    }
    assert accounts_of([row])["transactions"].sentence == (
        "21 = 6 stored + 3 resends + 2 dead + 1 skipped + 5 without a record + 4 lost"
    )
    with pytest.raises(Fenced):
        await store.commit(prepare(batch(term, 60, 62, stored=2)))
    assert await position(store) == row
    assert (await store.open_term("c", "transactions", 0, "b")).account == accounts_of([row])["transactions"]


async def test_another_log_under_the_same_name_has_sums_of_its_own(store: Store) -> None:
    term = await begun(store)
    await store.commit(prepare(batch(term, 0, 3, stored=3)))
    opening = await store.begin_incarnation(term, "other", 10)
    row = await position(store)
    assert (opening.account, row["first_offset"], row["next_offset"]) == (Account(), 10, 10)
    assert row["begun_at"] is not None


async def test_sums_begin_where_an_older_release_has_come_to(store: Store) -> None:
    term = await begun(store)
    await store.commit(prepare(batch(term, 0, 3, stored=3)))
    await store.pool.execute("UPDATE progress SET next_offset = 500")
    opening = await store.open_term("c", "transactions", 0, "b")
    row = await position(store)
    assert (opening.account, row["first_offset"], row["begun_at"]) == (Account(), 500, None)
    await store.commit(prepare(batch(term._replace(epoch=opening.epoch), 500, 501, dead=1)))
    assert (await store.open_term("c", "transactions", 0, "c")).account == Account(dead=1)


async def test_what_is_copied_is_counted_in_the_original(store: Store) -> None:
    async with store.rekeying.locked("c", "transactions") as sources:
        assert sources is not None
        taken = await sources.take(1, "a", "", "copy")
        await sources.begin(0, taken[0], "", 10)
        await sources.move({0: Moved(30, 18)}, [18])
        await sources.pass_over(0, 37, 2, [20])
        await sources.move({0: Moved(40, 3)}, [23])
    row = await position(store)
    assert (row["next_offset"], accounts_of([row])["transactions"]) == (
        40,
        Account(copied=23, without_record=2, lost=5),
    )


def test_accounts_add_up() -> None:
    assert total([Account(stored=2), Account(stored=1, dead=1)]) == Account(stored=3, dead=1)
    assert total([]).sentence == "0"


@pytest.mark.parametrize(
    ("copies", "offset"),
    [
        ([], 10),
        ([(0, 9, [])], 10),
        ([(0, 9, [place_of(2, 17)])], 10),
        ([(0, 9, [place_of(2, 17)]), (1, 4, [])], 10),
        ([(0, 9, [place_of(2, 17)]), (1, 5, [])], 17),
        ([(0, 10, []), (1, 5, [])], 30),
        ([(0, 9, [place_of(1, 99)]), (1, 5, [])], 10),
        ([(0, 9, [place_of(2, 45)]), (1, 5, [])], 30),
    ],
)
def test_what_is_stored_through_a_copy_that_is_lost(copies: list[Any], offset: int) -> None:
    original = {"partition": 0, "next_offset": 30, "first_offset": 10, "incarnation": 2, "delivered": [10, 5]}
    rows = [{"partition": number, "next_offset": at, "sources": sources} for number, at, sources in copies]
    assert stored_through(original, [original], rows) == offset
