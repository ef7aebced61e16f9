"""Whom PostgreSQL takes those for that only read, by what the user of the database may do."""

import uuid
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from services.store.database import EmbeddedDatabase
from services.store.pools import READER
from services.store.reading import reading
from services.store.store import Store


@pytest.fixture
async def admin(server: EmbeddedDatabase) -> AsyncIterator[asyncpg.Connection]:
    """A superuser."""
    connection = await asyncpg.connect(server.dsn, database="postgres")
    yield connection
    await connection.close()


@pytest.fixture
async def owner(admin: asyncpg.Connection) -> AsyncIterator[str]:
    """A role without privileges that owns a database of its own name."""
    name = f"owner_{uuid.uuid4().hex[:8]}"
    await admin.execute(f"CREATE ROLE {name} LOGIN")
    await admin.execute(f"CREATE DATABASE {name} OWNER {name}")
    yield name
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.execute(f"DROP OWNED BY {name}")
    await admin.execute(f"REVOKE {READER} FROM {name}")
    await admin.execute(f"DROP ROLE {name}")


def url_of(owner: str, server: EmbeddedDatabase) -> str:
    parts = urlsplit(server.dsn)
    return urlunsplit(parts._replace(netloc=f"{owner}:@{parts.netloc.rpartition('@')[2]}", path=f"/{owner}"))


async def test_an_owner_who_may_not_make_roles_reads_in_sessions_that_only_read(
    owner: str, server: EmbeddedDatabase, store: Store
) -> None:
    plain = await Store.open(url_of(owner, server))
    try:
        async with plain.readers.acquire() as connection:
            assert await connection.fetchval("SELECT current_user") == owner
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await connection.execute("DELETE FROM triage")
    finally:
        await plain.close()


@pytest.mark.parametrize("means", ["ALTER ROLE {owner} CREATEROLE", "GRANT {reader} TO {owner}"])
async def test_an_owner_who_was_given_the_role_or_may_give_it_reads_in_it(
    owner: str, server: EmbeddedDatabase, store: Store, admin: asyncpg.Connection, means: str
) -> None:
    await admin.execute(means.format(owner=owner, reader=READER))
    if "CREATEROLE" in means:
        await admin.execute(f"GRANT {READER} TO {owner} WITH ADMIN OPTION, SET FALSE")
    granted = await Store.open(url_of(owner, server))
    try:
        async with granted.readers.acquire() as connection:
            assert await connection.fetchval("SELECT current_user") == READER
        async with reading(granted.readers) as connection:
            assert await connection.fetchval("SELECT count(*) FROM transactions") == 0
    finally:
        await granted.close()


async def test_a_url_for_reading_is_used_as_it_is(owner: str, server: EmbeddedDatabase, database_url: str) -> None:
    opened = await Store.open(database_url, read_dsn=url_of(owner, server))
    try:
        async with opened.readers.acquire() as connection:
            assert await connection.fetchval("SELECT current_user") == owner
            assert await connection.fetchval("SHOW default_transaction_read_only") == "on"
    finally:
        await opened.close()
