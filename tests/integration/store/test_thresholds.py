"""A threshold that is its version's usual one is stored once; what is read has it on every row."""

from datetime import timedelta

import msgspec
import pytest

from domain.filters import EVERYTHING, parse
from domain.verdict import Verdict
from services.store.batch import StoredRow, Term, prepare
from services.store.faults import Fenced
from services.store.store import Store
from tests.storing import AT, batch_of, stored, verdict

OWN = "SELECT transaction_id, basic_threshold, enhanced_threshold FROM transactions ORDER BY event_time"


def judged(number: int, basic: Verdict, enhanced: Verdict) -> StoredRow:
    return stored(number, f"u-{number % 2}")._replace(verdicts=(basic, enhanced))


def of(version: str, detector: str, threshold: float, *, flagged: bool = False) -> Verdict:
    return msgspec.structs.replace(verdict(detector, flagged, threshold), model_version=version)


async def commit(store: Store, term: Term, *rows: StoredRow) -> None:
    first = rows[0].offset
    await store.commit(prepare(batch_of(term, first, first + len(rows), rows)))


async def opened(store: Store) -> Term:
    opening = await store.begin_incarnation(
        Term("c", "transactions", 0, (await store.open_term("c", "transactions", 0, "a")).epoch), "", 1
    )
    return Term("c", "transactions", 0, opening.epoch, opening.incarnation)


async def test_only_what_is_unusual_is_stored_beside_a_row(store: Store) -> None:
    term = await opened(store)
    thresholds = [0.7, 0.7, 0.81, 0.7, 0.9]
    rows = [judged(n, of("b1", "basic", 0.6), of("e1", "enhanced", at)) for n, at in enumerate(thresholds, start=1)]
    await commit(store, term, *rows)
    alert = judged(8, of("b1", "basic", 0.6), of("e1", "enhanced", 0.7, flagged=True))
    # What is usual of a version stays what it was, whatever comes later.
    later = [judged(n, of("b1", "basic", 0.5), of("e1", "enhanced", 0.9)) for n in (6, 7)]
    await commit(store, term, *later)
    await commit(store, term, alert)

    own = [tuple(row)[1:] for row in await store.pool.fetch(OWN)]
    unusual = 500_000_000, 900_000_000
    assert own == [
        (None, None),
        (None, None),
        (None, 810_000_000),
        (None, None),
        (None, 900_000_000),
        unusual,
        unusual,
        (None, 700_000_000),
    ]
    found = {row.transaction.transaction_id: row.verdicts for row in await store.history(EVERYTHING, 10)}
    assert found == {row.transaction.transaction_id: row.verdicts for row in (*rows, *later, alert)}
    assert {row.transaction.transaction_id for row in await store.history(parse("threshold=0.7"), 10)} == {
        "t-1", "t-2", "t-4", "t-8",
    }  # fmt: skip
    assert await store.pool.fetchval("SELECT array_agg(DISTINCT threshold) FROM verdicts") == [0.5, 0.6, 0.7, 0.81, 0.9]
    moved = await store.users.thresholds("u-1", 10)
    assert [entry.threshold for entry in moved] == [0.7, 0.81, 0.9, 0.9]
    assert moved[0].at == AT + timedelta(minutes=1)


async def test_detectors_of_one_version_have_usual_thresholds_of_their_own(store: Store) -> None:
    """Both are fitted together, under one name; here an older release has named it, or one detector ran alone."""
    await store.pool.execute("INSERT INTO model_versions (key, version) VALUES (7, 'v')")
    term = await opened(store)
    alone = judged(1, of("v", "basic", 0.6), of("v", "enhanced", 0.7))._replace(verdicts=(of("v", "basic", 0.6),))
    both = [judged(n, of("v", "basic", 0.6), of("v", "enhanced", 0.7)) for n in (2, 3)]
    await commit(store, term, alone)
    await commit(store, term, *both)
    assert {tuple(row)[1:] for row in await store.pool.fetch(OWN)} == {(None, None)}
    known = "SELECT key, basic_threshold, enhanced_threshold FROM model_versions"
    assert [tuple(row) for row in await store.pool.fetch(known)] == [(7, 600_000_000, 700_000_000)]
    found = {row.transaction.transaction_id: row.verdicts for row in await store.history(EVERYTHING, 10)}
    assert found == {row.transaction.transaction_id: row.verdicts for row in (alone, *both)}


def versioned(number: int, version: str) -> StoredRow:
    return judged(number, of(version, "basic", 0.6), of(version, "enhanced", 0.7))


async def test_the_key_of_a_version_is_asked_for_until_it_is_known(store: Store, database_url: str) -> None:
    one = await Store.open(database_url, connections=1)
    term = await opened(one)
    asked: list[str] = []
    async with one.pool.acquire() as connection:
        logger = connection.query_logger(lambda query: asked.append(query.query))
    with logger:
        for number in range(1, 6):
            await commit(one, term, versioned(number, "v"))
    await one.close()
    # Once to find that there is none, once more with the lock to make it, and once when it is committed.
    assert sum("FROM model_versions WHERE version" in query for query in asked) == 3


async def test_keys_are_asked_for_again_after_a_reset_by_another_process(store: Store, database_url: str) -> None:
    term = await opened(store)
    for number in (1, 2):
        await commit(store, term, versioned(number, "v"))
    other = await Store.open(database_url, connections=2)
    await other.reset()
    # The key of "v" is that of "w" now.
    await commit(other, await opened(other), versioned(1, "w"))
    await other.close()
    with pytest.raises(Fenced):
        await commit(store, term, versioned(3, "v"))
    opening = await store.open_term("c", "transactions", 0, "a")
    await commit(store, Term("c", "transactions", 0, opening.epoch, opening.incarnation), versioned(2, "v"))
    found = await store.pool.fetch("SELECT DISTINCT transaction_id, model_version FROM verdicts ORDER BY 1")
    assert [tuple(row) for row in found] == [("t-1", "w"), ("t-2", "v")]


async def test_keys_are_asked_for_again_of_a_server_that_lost_the_newest(store: Store) -> None:
    term = await opened(store)
    await commit(store, term, versioned(1, "v"))
    for number in (2, 3):
        await commit(store, term, versioned(number, "w"))
    # As if the transaction that named "w" had been lost with the server, and another name had its key since.
    await store.pool.execute("UPDATE model_versions SET version = 'x' WHERE version = 'w'")
    await store.pool.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid()"
    )
    await store.pool.expire_connections()
    await commit(store, term, versioned(4, "w"))
    version = "SELECT DISTINCT model_version FROM verdicts WHERE transaction_id = 't-4'"
    assert [tuple(row) for row in await store.pool.fetch(version)] == [("w",)]
