"""How questions that people ask are put to PostgreSQL: for a bounded time, and unable to write."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from services.store import statements
from services.store.faults import translated


@asynccontextmanager
async def reading(pool: Any) -> AsyncIterator[Any]:
    """A connection in a transaction that only reads. Raises `faults` errors."""
    with translated():
        async with pool.acquire() as connection, connection.transaction(readonly=True):
            await connection.execute(statements.BOUND_READING)
            yield connection
