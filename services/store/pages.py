"""Pages of what is stored, each found by where the one before ended: as quick at the end as at the beginning."""

from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import msgspec

from domain.engine import DeadLetter
from domain.filters import Filter
from domain.verdict import ScoredTransaction
from services.store import queries
from services.store.reading import reading
from services.store.search import dead_letter, scored

_BEFORE_ALL = datetime.max.replace(tzinfo=UTC)


class Position(NamedTuple):
    """A row's place in a list by event time, newest first."""

    at: datetime
    ident: str


class Ranked(NamedTuple):
    """A row's place in a list of alerts, the worst first; see `domain.verdict.urgency`."""

    urgency: int
    at: datetime
    ident: str


class DeadPlace(NamedTuple):
    """A dead letter's place in their list, newest first."""

    stored_at: datetime
    cluster: str
    topic: str
    partition: int
    offset: int


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """Transactions with an event time in the minute that begins at `at`, and how many of them were flagged."""

    at: datetime
    transactions: int
    flagged: int


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """Transactions of one merchant category ("" where it is unknown), and how many of them were flagged."""

    category: str
    transactions: int
    flagged: int


NEWEST = Position(_BEFORE_ALL, "")
WORST = Ranked(1_000_000, _BEFORE_ALL, "")
LATEST = DeadPlace(_BEFORE_ALL, "", "", 0, 0)


class Pages:
    """Queries on a pool; every method raises `faults` errors only. Rows are numbered -1, -2, ..."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def transactions(self, filter: Filter, after: Position, limit: int) -> tuple[ScoredTransaction, ...]:
        """At most `limit` transactions that match, from the one after `after` on."""
        return await self._page(queries.TRANSACTIONS_AFTER, filter, after, limit)

    async def anomalies(self, filter: Filter, after: Position, limit: int) -> tuple[ScoredTransaction, ...]:
        """One page of flagged transactions, newest first."""
        return await self._page(queries.ANOMALIES_AFTER, filter, after, limit)

    async def anomalies_by_urgency(self, filter: Filter, after: Ranked, limit: int) -> tuple[ScoredTransaction, ...]:
        """One page of flagged transactions, the worst first. It reads all that was flagged."""
        return await self._page(queries.ANOMALIES_BY_URGENCY_AFTER, filter, after, limit)

    async def _page(
        self, statement: str, filter: Filter, after: Position | Ranked, limit: int
    ) -> tuple[ScoredTransaction, ...]:
        where, parameters = filter.to_sql()
        values = {**after._asdict(), "limit": limit}
        places = {name: f"${number}" for number, name in enumerate(values, start=len(parameters) + 1)}
        async with reading(self._pool) as connection:
            rows = await connection.fetch(statement.format(where=where, **places), *parameters, *values.values())
        return tuple(scored(row, -number) for number, row in enumerate(rows, start=1))

    async def transaction(self, transaction_id: str) -> ScoredTransaction | None:
        """The one with this id, or None."""
        async with reading(self._pool) as connection:
            row = await connection.fetchrow(queries.TRANSACTION_BY_ID, transaction_id)
        return None if row is None else scored(row, -1)

    async def dead_letters(self, after: DeadPlace, limit: int) -> tuple[tuple[DeadPlace, DeadLetter], ...]:
        """Dead letters, newest first, from the one after `after` on, each with its place in the list."""
        async with reading(self._pool) as connection:
            rows = await connection.fetch(queries.DEAD_LETTERS_AFTER, *after, limit)
        return tuple((DeadPlace(*(row[name] for name in DeadPlace._fields)), dead_letter(row)) for row in rows)

    async def volume(self, since: datetime, unit: Literal["minute", "hour"]) -> tuple[Volume, ...]:
        """What happened in each minute or hour with an event since then, oldest first. It reads all of them."""
        async with reading(self._pool) as connection:
            rows = await connection.fetch(queries.VOLUME, since, unit)
        return tuple(Volume(**row) for row in rows)

    async def categories(self, since: datetime, limit: int) -> tuple[Category, ...]:
        """The `limit` merchant categories with the most transactions since then. It reads all of them."""
        async with reading(self._pool) as connection:
            rows = await connection.fetch(queries.CATEGORIES, since, limit)
        return tuple(Category(**row) for row in rows)
