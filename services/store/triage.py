"""What analysts decided, stored with its whole history."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from domain.filters import Filter, of_triage
from domain.triage import MAX_AT_ONCE, MAX_NOTE, Decision, Triage, TriageEvent, TriageStatus, Undone
from domain.verdict import Reason
from services.store import queries, triage_statements
from services.store.faults import translated
from services.store.reading import reading


class FalsePositive(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict that an analyst called wrong, and until when (seconds since 1970) that counts."""

    user_id: str
    transaction_id: str
    until: float
    score: float
    threshold: float
    reasons: tuple[Reason, ...]


class Decisions:
    """The tables `triage` and `triage_log`; every method raises `faults` errors only, unless it says more."""

    def __init__(self, pool: Any, readers: Any) -> None:
        self._pool = pool
        self._readers = readers

    async def decide(
        self,
        ids: Sequence[str],
        status: TriageStatus | None,
        until: datetime | None,
        note: str | None,
        by: str,
    ) -> Decision:
        """Decide on these transactions in one step.

        Those that are not stored, or have this very decision already, are passed over and named.

        `status` None keeps each one's status and only writes the note; `note` None keeps the note.

        Raises: ValueError for a snooze without an end, a time without a zone, a note that is too long, or more than
        `MAX_AT_ONCE` transactions.
        """
        _check(ids, status, until, note)
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(triage_statements.ONE_DECISION)
                same = await connection.fetch(triage_statements.UNCHANGED, list(ids), status, until, note)
                unchanged = {row["transaction_id"] for row in same}
                others = [ident for ident in ids if ident not in unchanged]
                rows = await connection.fetch(triage_statements.DECIDE, others, status, until, note, by)
        events = _events(rows)
        known = unchanged | {event.transaction_id for event in events}
        return Decision(
            step=events[0].step if events else None,
            events=events,
            unknown=tuple(ident for ident in ids if ident not in known),
            unchanged=tuple(ident for ident in dict.fromkeys(ids) if ident in unchanged),
        )

    async def undo(self, by: str, step: int | None = None) -> Undone | None:
        """Take back a step, by default the last of `by` that still stands; what has been decided again since is kept.

        None when there is nothing to take back: no such step, one that was undone before, or one that is an undo.
        """
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(triage_statements.ONE_DECISION)
                if step is None:
                    step = await connection.fetchval(triage_statements.LAST_STEP, by)
                found = None if step is None else await connection.fetchrow(triage_statements.STEP, step)
                if found is None:
                    return None
                events = _events(await connection.fetch(triage_statements.UNDO, step, by))
        return Undone(action=found["action"], events=events, kept=found["size"] - len(events))

    async def of(self, ids: Sequence[str]) -> dict[str, Triage]:
        """The decisions on these transactions; those without one are left out."""
        with translated():
            rows = await self._pool.fetch(triage_statements.TRIAGE_OF, list(ids))
        found = [msgspec.json.decode(row["triage"], type=Triage) for row in rows]
        return {triage.transaction_id: triage for triage in found}

    async def log(self, transaction_id: str, limit: int = 100) -> tuple[TriageEvent, ...]:
        """What was done to one transaction, newest first."""
        with translated():
            return _events(await self._pool.fetch(triage_statements.TRIAGE_LOG, transaction_id, limit))

    async def since(self, after: int, limit: int) -> tuple[TriageEvent, ...]:
        """At most `limit` lines of the log above `after`, oldest first."""
        with translated():
            return _events(await self._pool.fetch(triage_statements.TRIAGE_SINCE, after, limit))

    async def newest(self) -> int:
        """The sequence of the newest line of the log, 0 before the first."""
        with translated():
            return int(await self._pool.fetchval(triage_statements.LAST_TRIAGE))

    async def matching(self, filter: Filter, limit: int, now: datetime | None = None) -> tuple[str, ...]:
        """The ids of anomalies that match and are open `now`, by the stream's clock, newest first.

        A filter that is about triage says itself of which status they are.
        """
        where, parameters = of_triage(filter, TriageStatus.OPEN, now).to_sql()
        query = queries.MATCHING_ANOMALIES.format(where=where, limit=f"${len(parameters) + 1}")
        async with reading(self._readers) as connection:
            rows = await connection.fetch(query, *parameters, limit)
        return tuple(row["transaction_id"] for row in rows)

    async def count_matching(self, filter: Filter, now: datetime | None = None) -> int:
        """How many there are of what `matching` finds."""
        where, parameters = of_triage(filter, TriageStatus.OPEN, now).to_sql()
        async with reading(self._readers) as connection:
            query = queries.COUNT_MATCHING_ANOMALIES.format(where=where)
            return int(await connection.fetchval(query, *parameters))

    async def count_open(self, now: datetime) -> int:
        """How many anomalies are open at that time of the stream's clock."""
        with translated():
            return int(await self._pool.fetchval(queries.COUNT_OPEN, now))

    async def tolerated(self, now: datetime, limit: int) -> list[FalsePositive]:
        """The false positives whose leniency still runs, the longest ones first."""
        with translated():
            rows = await self._pool.fetch(triage_statements.TOLERATED, now, limit)
        return [
            FalsePositive(
                user_id=row["user_id"],
                transaction_id=row["transaction_id"],
                until=row["until"],
                score=row["score"],
                threshold=row["threshold"],
                reasons=msgspec.json.decode(row["reasons"], type=tuple[Reason, ...]),
            )
            for row in rows
        ]

    async def outcomes(self, bands: Sequence[float], corrected: str) -> dict[int, tuple[int, int]]:
        """Confirmed and rejected alerts of the enhanced detector by band of its estimate, from 0.

        `bands` are where bands begin, but for the first; `corrected` is the reason that expected the estimate as it was
        before earlier outcomes corrected it.
        """
        with translated():
            rows = await self._pool.fetch(triage_statements.OUTCOMES, list(bands), corrected)
        return {row["band"]: (row["confirmed"], row["rejected"]) for row in rows}

    async def newest_event(self) -> datetime | None:
        """The event time of the newest transaction, None before the first."""
        with translated():
            found: datetime | None = await self._pool.fetchval(triage_statements.NEWEST_EVENT)
        return found

    async def confirmed(self, since: datetime, before: datetime) -> dict[str, int]:
        """Confirmed frauds by merchant among the events of this time."""
        with translated():
            rows = await self._pool.fetch(triage_statements.CONFIRMED, since, before)
        return {row["merchant"]: row["frauds"] for row in rows}

    async def seen_at(self, since: datetime, before: datetime, merchants: Sequence[str]) -> tuple[dict[str, int], int]:
        """Transactions of this time at each of these merchants, and all of them."""
        with translated():
            rows = await self._pool.fetch(triage_statements.SEEN_AT, since, before, merchants)
        seen = {row["merchant"]: row["transactions"] for row in rows}
        every = sum(seen.values())
        seen.pop(None, None)
        return seen, every

    async def forget(self, now: datetime, older_than: timedelta) -> None:
        """Drop decisions on older transactions that are no longer stored; their lines in the log stay.

        `now` is the stream's clock.
        """
        with translated():
            await self._pool.execute(triage_statements.FORGET_TRIAGE, now - older_than, now)


def _check(ids: Sequence[str], status: TriageStatus | None, until: datetime | None, note: str | None) -> None:
    if len(ids) > MAX_AT_ONCE:
        raise ValueError(f"at most {MAX_AT_ONCE:,} transactions can be decided on at once")
    if status is TriageStatus.OVER_BUDGET:
        raise ValueError("what is over budget follows from alerts_per_day, and is nobody's decision")
    if status is TriageStatus.SNOOZED and until is None:
        raise ValueError("a snooze needs an end")
    if until is not None and until.tzinfo is None:
        raise ValueError("the time until which a decision holds needs a zone")
    if note is not None and len(note) > MAX_NOTE:
        raise ValueError(f"a note has at most {MAX_NOTE:,} characters")


def _events(rows: Sequence[Any]) -> tuple[TriageEvent, ...]:
    return tuple(
        TriageEvent(
            sequence=row["id"],
            at=row["at"],
            decided_by=row["decided_by"],
            action=row["action"],
            transaction_id=row["transaction_id"],
            before=triage_of(row["before"]),
            after=triage_of(row["after"]),
            step=row["step"],
            undoes=row["undoes"],
        )
        for row in rows
    )


def triage_of(stored: str | None) -> Triage | None:
    """The decision that a `triage` row, as JSON, holds."""
    return None if stored is None else msgspec.json.decode(stored, type=Triage)
