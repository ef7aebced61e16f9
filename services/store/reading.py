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
