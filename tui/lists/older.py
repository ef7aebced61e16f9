"""Paging through stored anomalies, back from the oldest row of a window."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from domain.filters import Filter
from domain.verdict import ScoredTransaction
from tui.lists.buffer import RowBuffer

PAGE = 200
_OUT_OF_ORDER = 50
"""Rows at the start of the buffer whose newest event time is where history begins. Rows are in order of commit."""


class Older:
    """Pages of the stored anomalies that match `filter`, newest page first.

    `finished` is True once the database has no more of them or the buffer has no room for another page.
    """

    def __init__(self, filter: Filter) -> None:
        self.filter = filter
        self.finished = False
        self._reached: datetime | None = None

    def before(self, buffer: RowBuffer) -> datetime | None:
        """The event time at which the next page starts, None for the newest."""
        if self._reached is None and len(buffer):
            self._reached = max(buffer[index].transaction.timestamp for index in range(min(len(buffer), _OUT_OF_ORDER)))
        return self._reached

    def page(self, found: Sequence[ScoredTransaction], buffer: RowBuffer) -> list[ScoredTransaction]:
        """The rows of a page, given newest first, that the buffer does not have yet.

        They come back oldest first, with sequences below those in the buffer.
        """
        room = buffer.capacity - len(buffer)
        held = {row.transaction.transaction_id for row in buffer}
        fresh = [row for row in found if row.transaction.transaction_id not in held][:room]
        oldest = found[-1].transaction.timestamp if found else None
        # A full page of one moment that is already in the buffer would be answered again and again.
        stuck = oldest == self._reached and not fresh
        self.finished = len(found) < PAGE or room <= PAGE or stuck
        self._reached = oldest or self._reached
        lowest = min(0, buffer[0].sequence) if len(buffer) else 0
        return [msgspec.structs.replace(row, sequence=lowest - number) for number, row in enumerate(fresh, 1)][::-1]
