"""Decisions in memory, by the same contract as those in PostgreSQL (tests/integration/test_triage.py runs both)."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from domain.filters import Filter, of_triage
from domain.triage import Decision, Triage, TriageEvent, TriageStatus, Undone, is_open
from domain.verdict import ScoredTransaction


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)


class MemoryTriage:
    """Decisions on the rows that `stored` gives."""

    def __init__(self, stored: Callable[[], Sequence[ScoredTransaction]], clock: Callable[[], datetime] = now) -> None:
        self._stored = stored
        self._clock = clock
        self._states: dict[str, Triage] = {}
        self._log: list[TriageEvent] = []
        self._steps = 0

    async def decide(
        self, ids: Sequence[str], status: TriageStatus | None, until: datetime | None, note: str | None, by: str
    ) -> Decision:
        """Decide in one step."""
        if status is TriageStatus.SNOOZED and until is None:
            raise ValueError("a snooze needs an end")
        known = {row.transaction.transaction_id for row in self._stored()}
        stored = [ident for ident in dict.fromkeys(ids) if ident in known]
        unchanged = tuple(ident for ident in stored if self._has(ident, status, until, note))
        chosen = [ident for ident in stored if ident not in unchanged]
        self._steps += bool(chosen)
        events = [
            self._set(ident, status.value if status else "note", self._after(ident, status, until, note, by), by)
            for ident in chosen
        ]
        unknown = tuple(ident for ident in ids if ident not in known)
        return Decision(
            step=self._steps if events else None, events=tuple(events), unknown=unknown, unchanged=unchanged
        )

    def _has(self, ident: str, status: TriageStatus | None, until: datetime | None, note: str | None) -> bool:
        held = self._states.get(ident)
        if held is None:
            return False
        return (status is None or (held.status, held.until) == (status, until)) and note in (None, held.note)

    def _after(
        self, ident: str, status: TriageStatus | None, until: datetime | None, note: str | None, by: str
    ) -> Triage:
        before = self._states.get(ident)
        if before is not None and status is None:
            return msgspec.structs.replace(before, note=before.note if note is None else note)
        if note is None:
            note = before.note if before else ""
        status = status or TriageStatus.OPEN
        return Triage(
            transaction_id=ident, status=status, until=until, note=note, decided_by=by, decided_at=self._clock()
        )

    def _set(self, ident: str, action: str, after: Triage | None, by: str, *, undoes: int | None = None) -> TriageEvent:
        event = TriageEvent(
            sequence=len(self._log) + 1,
            at=self._clock(),
            decided_by=by,
            action=action,
            transaction_id=ident,
            before=self._states.pop(ident, None),
            after=after,
            step=self._steps,
            undoes=undoes,
        )
        if after is not None:
            self._states[ident] = after
        self._log.append(event)
        return event

    async def undo(self, by: str, step: int | None = None) -> Undone | None:
        """Take back a step."""
        undone = {event.undoes for event in self._log}
        candidates = [event for event in self._log if event.undoes is None and event.step not in undone]
        if step is None:
            standing = [event.step for event in candidates if event.decided_by == by and self._stands(event)]
            step = max(standing, default=None)
        lines = [event for event in candidates if event.step == step]
        if not lines:
            return None
        self._steps += 1
        events = tuple(
            self._set(event.transaction_id, "undo", event.before, by, undoes=step)
            for event in lines
            if self._stands(event)
        )
        return Undone(action=lines[0].action, events=events, kept=len(lines) - len(events))

    def _stands(self, event: TriageEvent) -> bool:
        return self._states.get(event.transaction_id) == event.after

    async def of(self, ids: Sequence[str]) -> dict[str, Triage]:
        """The decisions on these."""
        return {ident: self._states[ident] for ident in ids if ident in self._states}

    async def log(self, transaction_id: str) -> tuple[TriageEvent, ...]:
        """One transaction's log, newest first."""
        return tuple(event for event in reversed(self._log) if event.transaction_id == transaction_id)

    async def since(self, after: int, limit: int) -> tuple[TriageEvent, ...]:
        """The log above `after`."""
        return tuple(self._log[after : after + limit])

    async def matching(self, filter: Filter, limit: int) -> tuple[str, ...]:
        """Open anomalies that match, or those of the triage that the filter names, newest first."""
        wanted = of_triage(filter, TriageStatus.OPEN, self._clock())
        found = [row for row in self.rows() if row.flagged and wanted.matches(row)]
        return tuple(row.transaction.transaction_id for row in found[:limit])

    async def count_matching(self, filter: Filter) -> int:
        """How many match."""
        return len(await self.matching(filter, len(self._stored())))

    async def count_open(self, now: datetime) -> int:
        """How many are open."""
        return self.open_now()

    def open_now(self) -> int:
        """How many are open."""
        return sum(self._open(row) for row in self.rows())

    def rows(self) -> list[ScoredTransaction]:
        """What is stored, with its decisions, newest first."""
        decided = [
            msgspec.structs.replace(row, triage=self._states.get(row.transaction.transaction_id))
            for row in self._stored()
        ]
        return sorted(
            decided, key=lambda row: (row.transaction.timestamp, row.transaction.transaction_id), reverse=True
        )

    def _open(self, row: ScoredTransaction) -> bool:
        return row.flagged and is_open(row.triage, self._clock())
