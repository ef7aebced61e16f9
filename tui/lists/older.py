"""Stored anomalies older than those a window holds, page by page."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from domain.filters import Filter
from domain.verdict import ScoredTransaction
from tui.lists.window import Ring

PAGE = 200
_OUT_OF_ORDER = 50
"""Rows at the end of a ring among which the newest event begins the history: commits and events differ in order."""


class Older:
    """What is still to be read of the anomalies that match `filter`.

    `finished` says that history has no more of them, or that the ring has no room for more.
    """

    def __init__(self, filter: Filter) -> None:
        self.filter = filter
        self.finished = False
        self._reached: datetime | None = None

    def before(self, ring: Ring) -> datetime | None:
        """The newest event time of the next page, None for any."""
        if self._reached is None and len(ring):
            self._reached = max(ring[index].transaction.timestamp for index in range(min(len(ring), _OUT_OF_ORDER)))
        return self._reached

    def page(self, found: Sequence[ScoredTransaction], ring: Ring) -> list[ScoredTransaction]:
        """What of a page, newest first, is not held yet: oldest first, numbered below what is held."""
        room = ring.capacity - len(ring)
        held = {row.transaction.transaction_id for row in ring}
        fresh = [row for row in found if row.transaction.transaction_id not in held][:room]
        oldest = found[-1].transaction.timestamp if found else None
        # A full page of one moment, all of it held: the next one would be the same.
        stuck = oldest == self._reached and not fresh
        self.finished = len(found) < PAGE or room <= PAGE or stuck
        self._reached = oldest or self._reached
        lowest = min(0, ring[0].sequence) if len(ring) else 0
        return [msgspec.structs.replace(row, sequence=lowest - number) for number, row in enumerate(fresh, 1)][::-1]
