"""Rows that are read one after the other."""

from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest

from domain.filters import parse
from services.store import pools
from services.store.store import Store
from tests.storing import committed, stored
from tests.waiting import until

IDLE = "idle_in_transaction_session_timeout"
ROWS = tuple(stored(number, "u-1") for number in range(1, 6))


@pytest.fixture
async def hurried(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Store]:
    """A store whose transactions may idle for a tenth of a second."""
    for session in (pools._SESSION, pools._READING):
        monkeypatch.setitem(session, IDLE, "100")
    store = await Store.open(database_url)
    yield store
    await store.close()


async def test_who_reads_them_may_take_longer_than_a_transaction_may_idle(hurried: Store, database_url: str) -> None:
    await committed(hurried, ROWS, {})
    watching = await asyncpg.connect(database_url)

    async def idled() -> Any:
        return await watching.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state = 'idle in transaction' AND state_change < now() - interval '300 ms'"
        )

    for rows in (hurried.in_stored_order(), hurried.truth.history(), hurried.search.newest(parse(""), 10)):
        await anext(rows)
        await until(idled)
        assert len([row async for row in rows]) == len(ROWS) - 1
    await watching.close()
