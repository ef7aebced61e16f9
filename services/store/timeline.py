"""The timeline: what engines saw change, as they stored it, and what analysts decided, from the triage log."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from domain.timeline import TimelineEvent
from services.store import queries, statements
from services.store.faults import translated
from services.store.reading import reading

KEPT = 10_000
"""Events of engines that are kept at most, whatever their age."""
_BEFORE_ALL = datetime(1, 1, 1, tzinfo=UTC)
_DONE = {
    "open": "reopened",
    "acknowledged": "acknowledged",
    "confirmed": "confirmed as fraud",
    "false_positive": "called a false positive",
    "snoozed": "snoozed",
    "note": "wrote a note on",
    "undo": "took back a decision on",
}


class Timeline:
    """The table `timeline`, and `triage_log` read by steps; every method raises `faults` errors only."""

    def __init__(self, pool: Any, readers: Any) -> None:
        self._pool = pool
        self._readers = readers

    async def add(self, events: Sequence[TimelineEvent]) -> None:
        """Keep what an engine saw."""
        columns = [
            [getattr(event, name) for event in events]
            for name in ("at", "instance", "kind", "level", "subject", "text")
        ]
        with translated():
            await self._pool.execute(statements.ADD_EVENTS, *columns)

    async def newest(self, since: datetime | None, limit: int) -> tuple[TimelineEvent, ...]:
        """At most `limit` events later than `since`, newest first."""
        async with reading(self._readers) as connection:
            seen = await connection.fetch(queries.EVENTS, since or _BEFORE_ALL, limit)
            decided = await connection.fetch(queries.STEPS, since or _BEFORE_ALL, limit)
        events = [TimelineEvent(**row) for row in seen] + [_decision(row) for row in decided]
        return tuple(sorted(events, key=lambda event: event.at, reverse=True)[:limit])

    async def forget(self, before: datetime) -> None:
        """Drop events that are older, and all but the newest `KEPT`."""
        with translated():
            await self._pool.execute(statements.FORGET_EVENTS, before, KEPT)


def _decision(row: Any) -> TimelineEvent:
    """`confirmed as fraud: u-0071`, `snoozed: 12 transactions of 4 users`."""
    count, users = row["transactions"], row["users"]
    who = row["user_id"] if users == 1 else f"{users:,} users"
    of = who if count == 1 else f"{count:,} transactions of {who}"
    return TimelineEvent(
        at=row["at"],
        kind="decision",
        subject=row["decided_by"],
        text=f"{_DONE.get(row['action'], row['action'])}: {of}",
    )
