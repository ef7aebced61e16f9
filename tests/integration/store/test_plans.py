"""What people and batches ask reads a few pages, however many days and transactions are stored."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.filters import EVERYTHING, parse
from domain.triage import TriageStatus
from services.store import backfill, budget, queries, statements, triage_statements
from services.store.store import Store

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
DAYS, A_DAY = 20, 4_000
LAST = FIRST + timedelta(days=DAYS)
PAGE = 50

# One in 200 is flagged; 500 users; ids and users follow no order in time.
FILL = """
INSERT INTO transactions (event_time, stored_at, kafka_offset, kafka_partition, transaction_id, user_id, amount,
    currency, basic_score, basic_threshold, basic_model, basic_flagged,
    enhanced_score, enhanced_threshold, enhanced_model, enhanced_flagged)
SELECT $1::timestamptz + n * interval '20 s', $1::timestamptz + n * interval '20 s', n, 0,
    't-' || md5(n::text || $1::text), 'u-' || n * 7919 % 500, n % 300, 'EUR',
    100000000, 700000000, 1, false, 200000000, 700000000, 1, n % 200 = 0
FROM generate_series(0, $2::integer - 1) AS n
"""


@pytest.fixture
async def filled(store: Store) -> Store:
    """Eighty thousand transactions of twenty days."""
    days = [FIRST + timedelta(days=ahead) for ahead in range(DAYS)]
    await store.days.ensure(day.date() for day in days)
    await store.pool.execute("INSERT INTO model_versions VALUES (1, 'v')")
    for day in days:
        await store.pool.execute(FILL, day, A_DAY)
    await store.pool.execute("VACUUM ANALYZE transactions")
    return store


async def pages(store: Store, statement: str, *parameters: Any, of: Any = None) -> int:
    """Pages of tables and indexes that the statement reads, asked often enough for a plan to be kept, by a pool of
    readers unless it is one that writes."""
    async with (of or store.readers).acquire() as connection:
        for _ in range(7):
            found = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *parameters)
    plan = json.loads(found)[0]["Plan"]
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


def matching(statement: str, text: str, **more: Any) -> tuple[str, list[Any]]:
    """A statement with a filter compiled into it, and its parameters."""
    where, parameters = (parse(text, LAST) if text else EVERYTHING).to_sql()
    places = {name: f"${number}" for number, name in enumerate(more, start=len(parameters) + 1)}
    return statement.format(where=where, **places), [*parameters, *more.values()]


MIDDLE = FIRST + timedelta(days=DAYS // 2)
AFTER = {"at": MIDDLE, "ident": "t-5"}


LISTS: tuple[tuple[str, str, dict[str, Any], int], ...] = (
    (queries.HISTORY, "", {"limit": PAGE}, 400),
    (queries.HISTORY, "user=u-77", {"limit": PAGE}, 650),
    (queries.TRANSACTIONS_AFTER, "", {**AFTER, "limit": PAGE}, 400),
    (queries.ANOMALIES_AFTER, "", {**AFTER, "limit": PAGE}, 400),
    (queries.STORED_ANOMALIES, "", {"before": LAST, "limit": PAGE}, 400),
    (queries.STORED_ANOMALIES, "triage:confirmed", {"before": LAST, "limit": PAGE}, 650),
)


async def test_a_list_reads_what_it_shows(filled: Store) -> None:
    everything = await pages(filled, "SELECT sum(amount) FROM transactions")
    for statement, text, more, most in LISTS:
        asked, parameters = matching(statement.replace("{now}", "{now}::timestamptz"), text, **more)
        read = await pages(filled, asked, *parameters)
        assert read <= most < everything / 2, (asked, read, everything)


async def test_one_transaction_is_found_in_a_few_pages_of_each_day(filled: Store) -> None:
    (row,) = await filled.history(EVERYTHING, 1)
    ident = row.transaction.transaction_id
    assert await pages(filled, queries.TRANSACTION_BY_ID, ident) <= 4 * DAYS
    asked, parameters = matching(queries.HISTORY, f"id={ident}", limit=PAGE)
    assert await pages(filled, asked, *parameters) <= 4 * DAYS
    assert await pages(filled, statements.LEARNT_UP_TO, ident, PAGE) <= 1000


async def test_a_batch_looks_for_its_ids_in_the_indexes_of_its_days(filled: Store) -> None:
    ids = [f"new-{number}" for number in range(500)]
    window = MIDDLE - timedelta(hours=20), MIDDLE + timedelta(hours=2)
    assert await pages(filled, statements.STORED_IDS, ids, *window) <= 2 * 2 * 40


async def test_a_day_without_statistics_is_not_gone_through_for_a_batch(store: Store) -> None:
    table = f"transactions_{FIRST:%Y%m%d}"
    await store.days.ensure([FIRST.date()])
    await store.pool.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    await store.pool.execute("INSERT INTO model_versions VALUES (1, 'v')")
    for second in range(4):
        await store.pool.execute(FILL, FIRST + timedelta(seconds=second), A_DAY)
    ids = [f"new-{number}" for number in range(30)]
    asked = f"EXPLAIN {statements.STORED_IDS}"
    plan = await store.pool.fetch(asked, ids, FIRST - timedelta(days=1), FIRST + timedelta(days=1))
    read = {word for (line,) in plan for word in line.split() if word.startswith("transactions_")}
    assert read == {table, f"{table}_id"}


async def test_whether_something_waits_for_a_fit_is_known_from_an_empty_index(filled: Store) -> None:
    assert await pages(filled, backfill.WAITING, ["basic", "enhanced"]) <= 3 * DAYS


async def test_how_a_threshold_moved_reads_one_user_s_rows(filled: Store) -> None:
    assert await pages(filled, queries.THRESHOLDS, "u-77", PAGE) <= 900


async def test_users_are_listed_from_the_indexes_of_their_orders(store: Store) -> None:
    await store.pool.execute(
        "INSERT INTO profiles (user_id, state, state_version, model_version, kafka_partition, next_offset, flagged) "
        "SELECT md5(n::text), convert_to(repeat('x', 300), 'UTF8'), 1, 'v', 0, 0, greatest(n % 100 - 90, 0) "
        "FROM generate_series(1, 40000) AS n"
    )
    await store.pool.execute("VACUUM ANALYZE profiles")
    within = queries.USERS_WITHIN
    for statement, bounds in (
        (queries.USERS_BY_ID, ()),
        (queries.USERS_BY_ID, ("abc", "abd")),
        (queries.USERS_BY_FLAGGED, ()),
    ):
        asked = statement.format(within=within if bounds else "")
        assert await pages(store, asked, 1, PAGE, *bounds) <= 2 * PAGE, asked


async def test_what_is_tolerated_is_looked_up_verdict_by_verdict(filled: Store) -> None:
    rows = await filled.history(EVERYTHING, 20)
    await filled.triage.decide(
        [row.transaction.transaction_id for row in rows],
        TriageStatus.FALSE_POSITIVE,
        LAST + timedelta(days=9),
        None,
        "an analyst",
    )
    assert len(await filled.triage.tolerated(LAST, 100)) == 20
    assert await pages(filled, triage_statements.TOLERATED, LAST, 100) <= 20 * 10


async def test_a_budget_reads_the_alerts_of_its_day(filled: Store) -> None:
    a_day = await filled.pool.fetchval("SELECT pg_relation_size('transactions_20260311') / 8192")
    read = await pages(filled, budget.KEEP_TO_BUDGET, MIDDLE, MIDDLE + timedelta(days=1), 15, 3, of=filled.pool)
    assert await filled.queue.count_over() == A_DAY // 200 - 15
    assert read < a_day, "once put in order, a day is left as it is"
