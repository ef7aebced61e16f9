"""How questions that people ask are put to PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from services.store.faults import translated


@asynccontextmanager
async def reading(pool: Any) -> AsyncIterator[Any]:
    """A connection that sees one state of the tables and cannot change it. Raises `faults` errors."""
    with translated():
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection


@asynccontextmanager
async def streamed(pool: Any, query: str, *parameters: Any, at_once: int) -> AsyncIterator[AsyncIterator[Any]]:
    """The rows of a query, of which so many are fetched at once. Raises `faults` errors.

    Who reads them may take any time in between: to score them, or to page through what they are written to. A
    transaction that idles is ended elsewhere, lest a client that is lost keeps a fence, and this one has none.
    """
    async with reading(pool) as connection:
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield connection.cursor(query, *parameters, prefetch=at_once)
