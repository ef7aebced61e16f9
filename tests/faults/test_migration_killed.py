"""Fault 23: the server is killed while stored transactions are moved to this release's tables."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from services.errors import UserError
from services.store.store import Store
from tests.faults.own_server import Server
from tests.integration.store.test_moving import NUMBERS, TRANSACTIONS, make_old, same, verdicts
from tests.waiting import until

MORE_A_DAY = 8_000
"""Transactions beside those with every kind of verdict, so that a day takes long enough to be hit."""

MORE = """
INSERT INTO transactions (transaction_id, user_id, amount, currency, event_time, kafka_partition, kafka_offset)
SELECT 'more-' || day || '-' || n, 'u', 1, 'EUR', day + n * interval '1 second', 2, n
FROM days, generate_series(1, $1::integer) AS n
"""
MOVING = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '-- Verdicts and ground truth%'"


async def days_left(connection: asyncpg.Connection) -> int:
    """Days that lie in the tables of the release before."""
    days: int = await connection.fetchval("SELECT count(*) FROM pg_class WHERE relname ~ '^moved_verdicts_[0-9]{8}$'")
    return days or await connection.fetchval("SELECT count(*) FROM pg_class WHERE relname ~ '^verdicts_[0-9]{8}$'")


@pytest.mark.timeout(600)
async def test_23_a_server_killed_within_a_migration_is_started_again_and_the_migration_goes_on(
    reachable: Path,
) -> None:
    server = Server(reachable)
    dsn = await server.start()
    try:
        old = await make_old(dsn)
        await old.execute(MORE.replace("$1", str(MORE_A_DAY)))
        before, judged = [tuple(row) for row in await old.fetch(TRANSACTIONS)], await verdicts(old)
        days = await old.fetchval("SELECT count(*) FROM days")
        await old.close()
        for moved_before in (0, 2):
            opening = asyncio.create_task(Store.open(dsn))
            watch = await asyncpg.connect(dsn)

            async def within(moved: int = moved_before, watch: asyncpg.Connection = watch) -> bool:
                enough = moved == 0 or await days_left(watch) <= days - moved
                return await watch.fetchval(MOVING) > 0 and enough

            await until(within)
            server.kill()
            with pytest.raises(UserError, match="Try the same command again"):
                await opening
            await server.start()
            # Days that were moved stay moved, and the one that was under way is where it was.
            watch = await asyncpg.connect(dsn)
            assert 0 < await days_left(watch) <= days - moved_before
            await watch.close()
        store = await Store.open(dsn)
        after = await asyncpg.connect(dsn, server_settings={"timezone": "UTC"})
        assert [tuple(row) for row in await after.fetch(TRANSACTIONS)] == before
        assert same(await verdicts(after), judged)
        assert await store.count() == len(before) == len(NUMBERS) + MORE_A_DAY * days
        assert await after.fetchval("SELECT to_regclass('unfinished') IS NULL")
        await after.close()
        await store.close()
    finally:
        await server.stop()
