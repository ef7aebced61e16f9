"""A batch of several partitions: all of it is stored, or nothing."""

from typing import Any

import pytest

from services.store.batch import DeadRecord, Origin, Part, Passed, StoredRow, Term, prepare
from services.store.faults import Fenced, ForeignProfile
from services.store.store import Store
from tests.storing import batch_of, stored


async def opened(store: Store, *partitions: int) -> list[Term]:
    terms = []
    for partition in partitions:
        opening = await store.open_term("c", "transactions", partition, "a")
        terms.append(Term("c", "transactions", partition, opening.epoch))
    return terms


def batch(*parts: Part, rows: tuple[StoredRow, ...] = ()) -> Any:
    return prepare(batch_of(parts[0].term, 0, 0)._replace(parts=parts, rows=rows))


async def positions(store: Store) -> dict[int, tuple[int, ...]]:
    return {
        row["partition"]: (row["next_offset"], row["stored"], row["dead"], row["resends"])
        for row in await store.progress()
    }


async def test_each_partition_moves_by_what_is_its_own(store: Store) -> None:
    first, second, third = await opened(store, 4, 0, 2)
    origin = Origin("original", {6: (1, 1, 60)}, (7, 8))
    await store.commit(
        batch(
            Part(first, 0, 3, 2, (DeadRecord(2, b"{", "malformed"),), {"u-1": b"of 4"}),
            Part(second, 0, 2, 1, (), {"u-2": b"of 0"}, Passed(resends=1)),
            Part(third, 0, 7, 0, (DeadRecord(6, b"[", "malformed"),), {}, Passed(), origin),
            rows=(stored(1, "u-1"), stored(2, "u-1"), stored(3, "u-2")),
        )
    )
    assert await positions(store) == {0: (2, 1, 0, 1), 2: (7, 0, 1, 0), 4: (3, 2, 1, 0)}
    placed = "SELECT kafka_partition, kafka_offset FROM transactions ORDER BY transaction_id"
    assert [(*row,) for row in await store.pool.fetch(placed)] == [(4, 1), (4, 2), (0, 3)]
    owned = "SELECT user_id, kafka_partition, next_offset FROM profiles ORDER BY 1"
    assert [(*row,) for row in await store.pool.fetch(owned)] == [("u-1", 4, 3), ("u-2", 0, 2)]
    dead = {(letter.topic, letter.partition, letter.offset) for letter in await store.dead_letters(5)}
    assert dead == {("transactions", 4, 2), ("original", 1, 60)}
    sources = {row["partition"]: tuple(row["sources"]) for row in await store.progress()}
    assert sources == {0: (), 2: (7, 8), 4: ()}


async def test_nothing_is_stored_where_one_of_the_partitions_is_anothers(store: Store) -> None:
    first, second = await opened(store, 0, 1)
    await opened(store, 1)
    parts = Part(first, 0, 1, 1, (), {"u-1": b"of 0"}), Part(second, 0, 1, 0, (), {})
    with pytest.raises(Fenced, match="one of partition 0 past offset 0, partition 1 past offset 0"):
        await store.commit(batch(*parts, rows=(stored(1, "u-1"),)))
    assert await positions(store) == {0: (0, 0, 0, 0), 1: (0, 0, 0, 0)}
    assert await store.count() == 0
    assert await store.profile("u-1", 1) is None


async def test_a_profile_of_a_partition_that_is_none_of_its_own_is_refused(store: Store) -> None:
    first, second, third = await opened(store, 0, 1, 2)
    await store.commit(batch(Part(first, 0, 1, 0, (), {"u-1": b"of 0", "u-2": b"of 0"})))
    parts = Part(first, 1, 2, 0, (), {"u-1": b"later"}), Part(third, 0, 1, 0, (), {"u-2": b"of 2"})
    with pytest.raises(ForeignProfile, match="'u-2' is of partition 0"):
        await store.commit(batch(*parts, Part(second, 0, 1, 0, (), {"u-3": b"of 1"})))
    assert await store.profiles(["u-1", "u-2", "u-3"], 1) == {"u-1": b"of 0", "u-2": b"of 0"}


async def test_a_fence_that_somebody_holds_is_not_waited_for_unless_so_asked(store: Store) -> None:
    first, second = await opened(store, 0, 1)
    both = batch(Part(first, 0, 1, 0, (), {}), Part(second, 0, 1, 0, (), {}))
    async with store.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM progress WHERE partition = 1 FOR UPDATE")
        with pytest.raises(Fenced):
            await store.commit(both, waits=False)
        await store.commit(batch(Part(first, 0, 1, 0, (), {})), waits=False)
    await store.commit(batch(Part(first, 1, 2, 0, (), {}), Part(second, 0, 1, 0, (), {})))
    assert {number: row[0] for number, row in (await positions(store)).items()} == {0: 2, 1: 1}
