"""What the release before stored as three tables becomes one row a transaction, day by day, and says the same."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from domain.verdict import Reason
from services.store import schema
from services.store.columns import reasons_of
from services.store.store import Store

BEFORE = Path(__file__).with_name("schema_3.sql").read_text(encoding="utf-8")
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
DAYS, A_DAY = 4, 6
WHOLE = (
    Reason("amount", "amount", 0.71, "9,200.00 EUR", "830.00 EUR", 'the sentence, with "quotes" and é'),
    Reason("other", "other", 0.09, text="weaker reasons: hour"),
)
REASONS: tuple[tuple[Reason, ...], ...] = (
    WHOLE,
    (Reason("weekday", "time", 0.8),),
    (Reason("pace", "frequency", 0.62), Reason("category", "merchant", 0.18)),
    (),
    (Reason("hour", "time", 0.3),),
)
STATUSES = ("ok", "ok", "warming", "backfilled", "error")


def at(number: int) -> datetime:
    return MIDNIGHT + timedelta(days=number // A_DAY, hours=3 * (number % A_DAY))


def said(number: int) -> list[tuple[Any, ...]]:
    """The verdicts of one transaction as the table had them; one without any, and one with only the basic one."""
    detectors = ("basic", "enhanced")[: 0 if number == 3 else 1 if number == 4 else 2]
    return [
        (
            f"t-{number}",
            at(number),
            detector,
            0.8,
            0.123456789,
            number % 3 == place,
            (number + place) % 4,
            STATUSES[(number + place) % 5],
            f"{1000 * (number % 2)}-{detector}",
            msgspec.json.encode(REASONS[(number + 2 * place) % 5]).decode(),
            "ValueError: no" if STATUSES[(number + place) % 5] == "error" else None,
        )
        for place, detector in enumerate(detectors)
    ]


NUMBERS = range(DAYS * A_DAY)
VERDICTS = [verdict for number in NUMBERS for verdict in said(number)]
TRUTH = [
    (f"t-{number}", at(number), number % 4 == 0, "velocity" if number % 4 == 0 else None) for number in NUMBERS[::2]
]
TRANSACTIONS = """
SELECT transaction_id, user_id, amount, currency, event_time, country, city, latitude, longitude, transaction_type,
    merchant_id, merchant_name, merchant_category, payment_method, device_id, device_type, device_ip, extra::text,
    kafka_partition, kafka_offset, stored_at FROM transactions ORDER BY 1
"""


async def make_old(dsn: str) -> asyncpg.Connection:
    """Make of it a database of the release before, with four days of what it stored; gives a connection to it."""
    await (await Store.open(dsn)).close()
    connection = await asyncpg.connect(dsn, server_settings={"timezone": "UTC"})
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.execute(BEFORE)
    await connection.execute("INSERT INTO schema_version (version) VALUES (3)")
    for ahead in range(DAYS + 1):
        first = MIDNIGHT + timedelta(days=ahead)
        for table in ("transactions", "verdicts"):
            name = f"{table}_{first:%Y%m%d}"
            await connection.execute(
                f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL);"
                f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{first + timedelta(1)}')"
            )
        await connection.execute("INSERT INTO days (day) VALUES ($1)", first.date())
    await connection.executemany(
        "INSERT INTO transactions (transaction_id, user_id, amount, currency, event_time, country, latitude, extra,"
        " kafka_partition, kafka_offset, stored_at) VALUES ($1, $2, 1.50, 'EUR', $3, 'FR', 1.25, $4, 1, $5, $3)",
        [(f"t-{n}", f"u-{n % 3}", at(n), '{"a": 1}' if n % 2 else None, n) for n in NUMBERS],
    )
    await connection.executemany("INSERT INTO transaction_ids VALUES ($1, $2)", [(f"t-{n}", at(n)) for n in NUMBERS])
    await connection.executemany("INSERT INTO ground_truth VALUES ($1, $2, $3, $4)", TRUTH)
    await connection.executemany("INSERT INTO verdicts VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)", VERDICTS)
    return connection


@pytest.fixture
async def old(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await make_old(database_url)
    yield connection
    await connection.close()


async def verdicts(connection: asyncpg.Connection) -> list[tuple[Any, ...]]:
    """All verdicts, reasons decoded."""
    rows = await connection.fetch("SELECT * FROM verdicts ORDER BY event_time, transaction_id, detector")
    return [
        (*tuple(row)[:9], reasons_of(msgspec.json.decode(row["reasons"])), row["error"])
        for row in rows
    ]  # fmt: skip


async def test_nothing_that_was_stored_is_lost_or_says_something_else(
    old: asyncpg.Connection, database_url: str
) -> None:
    before = await verdicts(old)
    transactions = [tuple(row) for row in await old.fetch(TRANSACTIONS)]
    assert len(before) == len(VERDICTS)
    store = await Store.open(database_url)
    assert [tuple(row) for row in await old.fetch(TRANSACTIONS)] == transactions
    assert same(await verdicts(old), before)
    truth = await old.fetch("SELECT transaction_id, event_time, anomalous, kind FROM ground_truth ORDER BY event_time")
    assert [tuple(row) for row in truth] == TRUTH
    assert await store.count() == len(NUMBERS)
    await store.close()


def same(found: list[tuple[Any, ...]], before: list[tuple[Any, ...]]) -> bool:
    """Whether verdicts are the same, contributions to billionths."""
    for one, other in zip(found, before, strict=True):
        assert one[:9] + one[10:] == other[:9] + other[10:]
        assert [
            (reason.feature, reason.factor, reason.text, reason.observed, reason.expected) for reason in one[9]
        ] == [(reason.feature, reason.factor, reason.text, reason.observed, reason.expected) for reason in other[9]]
        assert [reason.contribution for reason in one[9]] == pytest.approx(
            [reason.contribution for reason in other[9]], abs=1e-9
        )
    return True


async def test_a_move_that_is_killed_goes_on_with_the_days_that_are_left(
    old: asyncpg.Connection, database_url: str
) -> None:
    before = await verdicts(old)
    (moving,) = (step for step in schema.migrations() if step.version == 4)
    for _ in range(2):
        async with old.transaction():
            await old.execute(moving.sql)
    killed = old.transaction()
    await killed.start()
    await old.execute(moving.sql)
    await killed.rollback()
    assert await old.fetchval("SELECT days FROM unfinished") == DAYS + 1 - 2
    assert await old.fetchval("SELECT max(version) FROM schema_version") == 3
    await (await Store.open(database_url)).close()
    assert same(await verdicts(old), before)
    assert await old.fetchval("SELECT max(version) FROM schema_version") == schema.migrations()[-1].version
    left = await old.fetch("SELECT relname FROM pg_class WHERE relname ~ '^(moved|unfinished|transaction_ids)'")
    assert left == []


async def test_what_was_moved_is_kept_from_being_stored_twice(old: asyncpg.Connection, database_url: str) -> None:
    await (await Store.open(database_url)).close()
    with pytest.raises(asyncpg.UniqueViolationError):
        await old.execute(
            "INSERT INTO transactions (transaction_id, user_id, amount, currency, event_time, kafka_partition,"
            " kafka_offset) VALUES ('t-1', 'u', 1, 'EUR', $1, 0, 0)",
            at(0),
        )
