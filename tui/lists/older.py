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

    With `newest` they begin at the newest there is, else at what the buffer has. `finished` is True once the database
    has no more of them or the buffer has no room for another page; `fresh` counts those the buffer did not have.
    """

    def __init__(self, filter: Filter, *, newest: bool = False) -> None:
        self.filter = filter
        self.finished = False
        self.fresh = 0
        self._newest = newest
        self._reached: datetime | None = None

    def before(self, buffer: RowBuffer) -> datetime | None:
        """The event time at which the next page starts, None for the newest."""
        if self._reached is None and len(buffer) and not self._newest:
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
        self.fresh += len(fresh)
        numbered = enumerate(fresh, 1)
        return [msgspec.structs.replace(row, sequence=buffer.lowest - number) for number, row in numbered][::-1]
