"""What was decided lately, as consoles pull it."""

from collections.abc import Iterable

from domain.triage import TriageEvent

CAPACITY = 20_000


class RecentEvents:
    """The newest event of each transaction that was decided on lately, in the order of the log."""

    def __init__(self) -> None:
        self._events: dict[str, TriageEvent] = {}

    def add(self, events: Iterable[TriageEvent]) -> None:
        """Newer events, in the order of the log."""
        for event in events:
            # Out and in again, so that the newest are at the end.
            self._events.pop(event.transaction_id, None)
            self._events[event.transaction_id] = event
        while len(self._events) > CAPACITY:
            del self._events[next(iter(self._events))]

    def since(self, after: int, limit: int) -> tuple[TriageEvent, ...]:
        """At most `limit` of a sequence above `after`, oldest first."""
        newer: list[TriageEvent] = []
        for event in reversed(self._events.values()):
            if event.sequence <= after:
                break
            newer.append(event)
        return tuple(newer[::-1][:limit])
