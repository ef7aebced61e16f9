"""A process of PostgreSQL that hangs is given up soon after its statement is."""

import asyncio
import contextlib
import os
import signal

import pytest

from services.store.store import Store


async def test_a_connection_whose_statement_cannot_be_cancelled_is_not_waited_for(store: Store) -> None:
    connection = await store.pool.acquire()
    pid = connection.get_server_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        # As long as a statement may take, asyncpg would wait for it to be cancelled: 30 s.
        async with asyncio.timeout(15):
            with pytest.raises(TimeoutError):
                await connection.fetchval("SELECT 1", timeout=0.1)
            with contextlib.suppress(Exception):
                await store.pool.release(connection)
        assert await store.count() == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
