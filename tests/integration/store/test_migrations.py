"""A database that an older release made becomes the one that this release would make, with what was in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from detectors.formats import STATE_VERSION
from domain.filters import EVERYTHING
from services.errors import UserError
from services.store import dump, schema
from services.store.batch import DeadRecord, Term, prepare
from services.store.store import Store
from tests.faults.old_database import BEFORE, FILE
from tests.storing import batch_of

FIRST = Path(__file__).with_name("schema_1.sql")
COLUMNS = """
SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default, generation_expression,
    (SELECT attstorage FROM pg_attribute WHERE attrelid = table_name::regclass AND attname = column_name)
FROM information_schema.columns WHERE table_schema = 'public' AND table_name !~ '_[0-9]{8}$' ORDER BY 1, 2
"""
INDEXES = """
SELECT tablename, indexname, indexdef FROM pg_indexes
WHERE schemaname = 'public' AND tablename !~ '_[0-9]{8}$' ORDER BY 1, 2
"""

OPTIONS = """
SELECT relname, reloptions FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname !~ '_[0-9]{8}$' ORDER BY 1
"""

VIEWS = "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY 1"


@pytest.fixture
async def old(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database as the first release made it."""
    store = await Store.open(database_url)
    await store.close()
    connection = await asyncpg.connect(database_url)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.execute(FIRST.read_text(encoding="utf-8"))
    yield connection
    await connection.close()


async def shape(connection: asyncpg.Connection) -> list[tuple[object, ...]]:
    return [tuple(row) for query in (COLUMNS, INDEXES, OPTIONS, VIEWS) for row in await connection.fetch(query)]


async def test_the_first_release_s_database_becomes_this_one_s(old: asyncpg.Connection, database_url: str) -> None:
    await old.execute("INSERT INTO progress (cluster, topic, partition, next_offset) VALUES ('c', 't', 3, 70)")
    await old.execute(
        'INSERT INTO dead_letters (cluster, topic, partition, "offset", payload, reason) '
        "VALUES ('c', 't', 3, 9, '', 'x')"
    )
    await old.execute(
        "INSERT INTO profiles (user_id, state, state_version, model_version, kafka_partition, next_offset) "
        "VALUES ('u', 'state', 1, 'm', 3, 70)"
    )
    store = await Store.open(database_url)
    migrated = await shape(old)
    assert dict(await old.fetchrow("SELECT next_offset, first_offset, counted, begun_at FROM progress")) == {
        "next_offset": 70,
        "first_offset": 70,
        "counted": 70,
        "begun_at": None,
    }
    assert await old.fetchval("SELECT incarnation FROM dead_letters") == 1
    assert await old.fetchval("SELECT state FROM profiles") == b"state"
    await store.close()
    await old.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await (await Store.open(database_url)).close()
    assert migrated == await shape(old)


async def test_rows_of_the_release_before_keep_what_was_said_of_them(
    old: asyncpg.Connection, database_url: str
) -> None:
    await old.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await dump.load(database_url, FILE)
    assert await old.fetchval("SELECT max(version) FROM schema_version") == BEFORE
    await old.execute(
        """
        TRUNCATE transactions, model_versions, profiles;
        CREATE TABLE transactions_20260301 PARTITION OF transactions FOR VALUES FROM ('2026-03-01') TO ('2026-03-02');
        INSERT INTO model_versions VALUES (1, 'v');
        INSERT INTO transactions (event_time, kafka_offset, kafka_partition, transaction_id, user_id, amount, currency,
            enhanced_score, enhanced_threshold, enhanced_model, enhanced_flagged)
        VALUES ('2026-03-01 12:00Z', 0, 0, 't', 'é', 1, 'EUR', 250000000, 750000000, 1, false);
        INSERT INTO profiles (user_id, state, state_version, model_version, kafka_partition, next_offset, flagged)
        SELECT id, 'state', 1, 'v', 0, 1, ascii(id) % 2 FROM unnest(ARRAY['é', 'Z', 'a', 'b']) AS id
        """
    )
    store = await Store.open(database_url)
    migrated = await shape(old)
    (row,) = await store.history(EVERYTHING, 5)
    assert [(found.threshold, found.model_version) for found in row.verdicts] == [(0.75, "v")]
    assert await old.fetchval("SELECT threshold FROM verdicts") == 0.75
    assert [user for user, _ in await store.users.listed("id", 9, 1)] == ["Z", "a", "b", "é"]
    assert [user for user, _ in await store.users.listed("flagged", 9, 1)] == ["a", "é", "Z", "b"]
    await store.close()
    await old.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await (await Store.open(database_url)).close()
    assert migrated == await shape(old)


async def test_progress_of_the_first_release_goes_on_where_it_was(old: asyncpg.Connection, database_url: str) -> None:
    await old.execute(
        "INSERT INTO progress (cluster, topic, partition, next_offset, epoch) VALUES ('c', 'transactions', 0, 42, 3)"
    )
    store = await Store.open(database_url)
    opening = await store.open_term("c", "transactions", 0, "a", topic_id="id-1")
    assert (opening.next_offset, opening.epoch, opening.incarnation, opening.topic_id) == (42, 4, 1, "id-1")
    term = Term("c", "transactions", 0, opening.epoch)
    await store.commit(
        prepare(batch_of(term, 42, 43, (), (DeadRecord(42, b"{", "malformed"),), {}, STATE_VERSION, "m"))
    )
    assert len(await store.dead_letters(5)) == 1
    await store.close()


async def test_migrations_that_have_run_are_not_run_again(old: asyncpg.Connection) -> None:
    await schema.apply(old)
    versions = [row["version"] for row in await old.fetch("SELECT version FROM schema_version ORDER BY version")]
    assert versions == [1, *(step.version for step in schema.migrations())]
    await old.execute("ALTER TABLE models DROP COLUMN used_at")
    await schema.apply(old)
    assert "used_at" not in {row["column_name"] for row in await old.fetch(COLUMNS) if row["table_name"] == "models"}


async def test_a_migration_that_fails_leaves_what_it_found(
    old: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await shape(old)
    done = schema.migrations()
    broken = schema.Migration(done[0].version, done[0].sql + "SELECT 1 / 0;")
    with monkeypatch.context() as patch:
        patch.setattr(schema, "migrations", lambda: (broken,))
        with pytest.raises(Exception, match="division by zero"):
            await schema.apply(old)
    assert await shape(old) == before
    await schema.apply(old)
    assert await shape(old) != before


async def test_a_database_of_a_newer_release_is_refused(old: asyncpg.Connection, database_url: str) -> None:
    await schema.apply(old)
    await old.execute("INSERT INTO schema_version (version) VALUES (999)")
    with pytest.raises(UserError, match="schema version 999, this program knows"):
        await Store.open(database_url)


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [step.version for step in schema.migrations()] == list(range(2, 2 + len(schema.migrations())))
