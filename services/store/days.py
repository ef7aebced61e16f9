"""Day partitions of `transactions`: made when first needed, dropped by retention."""

import time
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from domain.clock import LIVE, Clock
from services.store import statements
from services.store.faults import translated

_TOUCHED_FOR = 3600.0


class Days:
    """Makes sure that the days a batch needs exist, asking PostgreSQL at most once an hour for each."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._touched: dict[tuple[date, bool], float] = {}

    async def ensure(self, days: Iterable[date], *, simulated: bool = False) -> None:
        """Create the partitions of `days` (UTC) that are missing and note that they are being written."""
        now = time.monotonic()
        wanted = {day for day in days if self._touched.get((day, simulated), -_TOUCHED_FOR) <= now - _TOUCHED_FOR}
        if not wanted:
            return
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(statements.ONE_CHANGE)
                known = {row["day"] for row in await connection.fetch(statements.KNOWN_DAYS)}
                for day in sorted(wanted - known):
                    await connection.execute(_creation(day))
                await connection.execute(statements.TOUCH_DAYS, sorted(wanted), simulated)
        self._touched.update(dict.fromkeys(((day, simulated) for day in wanted), now))

    def forget(self) -> None:
        """Ask PostgreSQL again next time; after a reset or a missing partition."""
        self._touched.clear()

    async def ensure_ahead(self, count: int = 3) -> None:
        """Create today and the next `count` days."""
        today = datetime.now(UTC).date()
        await self.ensure(today + timedelta(days=ahead) for ahead in range(count + 1))

    async def drop_expired(self, retention_days: int, clock: Clock = LIVE) -> list[date]:
        """Drop the days whose events are older than the retention by the stream's clock, and their last write by ours.

        A replay of old data therefore keeps what it just stored. A simulation runs through a year within hours, and
        what it alone has written goes by its events, while it is what is read. Returns the dropped days.
        """
        today = datetime.now(UTC)
        cutoff, written = (at - timedelta(days=retention_days) for at in (clock.now(today), today))
        simulation = clock.kind == "simulation"
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(statements.ONE_CHANGE)
                rows = await connection.fetch(statements.EXPIRED_DAYS, cutoff.date(), written, simulation)
                days: list[date] = [row["day"] for row in rows]
                for day in days:
                    await connection.execute(_removal(day))
        return days

    async def drop_all(self, connection: Any) -> None:
        """Drop every day; part of a reset, in its transaction."""
        for row in await connection.fetch(statements.KNOWN_DAYS):
            await connection.execute(_removal(row["day"]))
        self.forget()


def _creation(day: date) -> str:
    # ATTACH takes a weaker lock than CREATE ... PARTITION OF: readers and other batches go on meanwhile.
    table = f"transactions_{day:%Y%m%d}"
    return (
        f"CREATE TABLE {table} (LIKE transactions INCLUDING ALL);"
        # Half the size of the ids themselves. It stays true that an id is stored once: two that share a hash, of which
        # there is one pair in 90,000 days of 20 million, count as the same id.
        f"CREATE UNIQUE INDEX {table}_id ON {table} (hashtextextended(transaction_id, 0));"
        f"ALTER TABLE transactions ATTACH PARTITION {table} "
        f"FOR VALUES FROM ('{day} 00:00+00') TO ('{day + timedelta(days=1)} 00:00+00');"
    )


def _removal(day: date) -> str:
    return f"DROP TABLE IF EXISTS transactions_{day:%Y%m%d};DELETE FROM days WHERE day = '{day}';"  # noqa: S608 - a date of ours
