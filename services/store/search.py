"""What a filter finds in stored history. It only reads, for a bounded time, and at most as many rows as asked for."""

from collections.abc import AsyncGenerator, Collection
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from domain.engine import DeadLetter
from domain.filters import Filter
from domain.transaction import GroundTruth
from domain.verdict import ScoredTransaction, Severity, Verdict
from services.store import queries
from services.store.columns import reasons_of, transaction_of
from services.store.reading import reading, streamed
from services.store.triage import triage_of

_PREFETCH = 500
_EVER = datetime.max.replace(tzinfo=UTC)


class UserTotals(msgspec.Struct, frozen=True, kw_only=True):
    """One user's transactions that match: how many, how many of them flagged, the newest, and totals by currency."""

    user_id: str
    transactions: int
    flagged: int
    last_seen: datetime
    totals: dict[str, Decimal]


class Recent(msgspec.Struct, frozen=True):
    """Ids that were stored lately, with when, as PostgreSQL saw it at `at`."""

    at: datetime
    stored: dict[str, datetime]


class Search:
    """Filters over history; every method raises `faults` errors only."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def newest(self, filter: Filter, limit: int) -> AsyncGenerator[ScoredTransaction]:
        """The newest `limit` transactions that match, newest first, numbered -1, -2, ..."""
        where, parameters = filter.to_sql()
        query = queries.HISTORY.format(where=where, limit=f"${len(parameters) + 1}")
        number = 0
        async with streamed(self._pool, query, *parameters, limit, at_once=_PREFETCH) as rows:
            async for row in rows:
                number -= 1
                yield scored(row, number)

    async def anomalies(self, filter: Filter, before: datetime | None, limit: int) -> tuple[ScoredTransaction, ...]:
        """The newest flagged transactions that match, up to the event time `before`; newest first."""
        where, parameters = filter.to_sql()
        at, count = f"${len(parameters) + 1}::timestamptz", f"${len(parameters) + 2}"
        query = queries.STORED_ANOMALIES.format(where=where, before=at, limit=count)
        async with reading(self._pool) as connection:
            rows = await connection.fetch(query, *parameters, before or _EVER, limit)
        return tuple(scored(row, -number) for number, row in enumerate(rows, start=1))

    async def recent(self, span: timedelta) -> Recent:
        """What was stored in the last `span`."""
        async with reading(self._pool) as connection:
            rows = await connection.fetch(queries.STORED_LATELY, span)
            return Recent(await connection.fetchval(queries.NOW), dict(map(tuple, rows)))

    async def stored_since(
        self, filter: Filter, since: datetime, known: Collection[str], limit: int
    ) -> tuple[datetime, tuple[ScoredTransaction, ...]]:
        """PostgreSQL's time, and what matches, was stored at or after `since` and is not `known`: oldest first."""
        where, parameters = filter.to_sql()
        since_at, known_at, limit_at = (f"${len(parameters) + number}" for number in (1, 2, 3))
        query = queries.STORED_SINCE.format(where=where, since=since_at, known=known_at, limit=limit_at)
        async with reading(self._pool) as connection:
            rows = await connection.fetch(query, *parameters, since, list(known), limit)
            now = await connection.fetchval(queries.NOW)
        return now, tuple(scored(row, -number) for number, row in enumerate(rows, start=1))

    async def users(self, filter: Filter, limit: int) -> tuple[UserTotals, ...]:
        """At most `limit` users with a transaction that matches; those with the most flagged ones first."""
        where, parameters = filter.to_sql()
        query = queries.USERS.format(where=where, limit=f"${len(parameters) + 1}")
        async with reading(self._pool) as connection:
            rows = await connection.fetch(query, *parameters, limit)
        return tuple(
            UserTotals(
                user_id=row["user_id"],
                transactions=row["transactions"],
                flagged=row["flagged"],
                last_seen=row["last_seen"],
                totals=msgspec.json.decode(row["totals"], type=dict[str, Decimal]),
            )
            for row in rows
        )


def scored(row: Any, sequence: int) -> ScoredTransaction:
    """The transaction a row of `queries.HISTORY` and its like holds."""
    verdicts = tuple(_verdict(row[name]) for name in ("basic", "enhanced") if row[name] is not None)
    truth = None if row["anomalous"] is None else GroundTruth(anomalous=row["anomalous"], kind=row["kind"])
    return ScoredTransaction(
        sequence=sequence,
        transaction=transaction_of(row),
        verdicts=verdicts,
        stored_at=row["stored_at"],
        truth=truth,
        triage=triage_of(row["triage"]),
    )


def dead_letter(row: Any) -> DeadLetter:
    """The dead letter a row of `queries.DEAD_LETTERS` holds."""
    return DeadLetter(
        topic=row["topic"],
        partition=row["partition"],
        offset=row["offset"],
        reason=row["reason"],
        excerpt=row["excerpt"].decode(errors="replace"),
        stored_at=row["stored_at"],
    )


def _verdict(stored: str) -> Verdict:
    fields = msgspec.json.decode(stored)
    return Verdict(
        detector=fields["detector"],
        score=fields["score"],
        threshold=fields["threshold"],
        flagged=fields["flagged"],
        severity=tuple(Severity)[fields["severity"]],
        model_version=fields["model_version"],
        status=fields["status"],
        reasons=reasons_of(fields["reasons"]),
        error=fields["error"],
    )
