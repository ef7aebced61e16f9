"""Keeps the queue of alerts to its budget while alerts come in."""

import time
from collections.abc import Callable
from datetime import date

from domain.budget import Budget
from services.console.bus import Bus
from services.store.budget import Queue

_COUNT_EVERY = 5.0
_ROUND = 1.0
"""Seconds after which a round begins no third day, so that days with new alerts need not wait for those of a start."""
_SHARE = 0.05
"""Of the time, what putting a day with new alerts in order may take at the most."""


class Budgeting:
    """Puts the alerts of days with new ones on their side of the budget; at a start, those of all days.

    Several engines on a database do so side by side: each for the days of what it stored itself. A decision that was
    taken back leads to the side that the alert had before, so that its day is put in order again, too.
    """

    def __init__(self, queue: Queue, bus: Bus, budget: Budget, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.budget = budget
        self.over: int | None = None
        """Alerts beyond the budget; None without one, and before the first count."""
        self._queue = queue
        self._bus = bus
        self._monotonic = monotonic
        self._unsettled: set[date] | None = None
        self._sequence = 0
        self._again_at = self._count_at = 0.0

    async def keep_up(self) -> None:
        """Settle days, the newest first, and count. Raises `faults` errors; what is not done then is done next time."""
        began = self._monotonic()
        if began < self._again_at:
            return
        if self._unsettled is None:
            self._sequence, _ = await self._queue.undone_since(None)
            self._unsettled = await self._queue.unsettled(self.budget)
        self._sequence, undone = await self._queue.undone_since(self._sequence)
        fresh, self._bus.alerted_on = self._bus.alerted_on, set()
        self._unsettled |= (undone | fresh) if self.budget.limited else undone
        took: list[float] = []
        while self._unsettled and ((now := self._monotonic()) - began < _ROUND or len(took) < 2):
            day = max(self._unsettled)
            await self._queue.keep_to(self.budget, day)
            self._unsettled.discard(day)
            took.append(self._monotonic() - now)
        if self.budget.limited and (took or began >= self._count_at):
            self.over = await self._queue.count_over()
            self._count_at = began + _COUNT_EVERY
        # The least of them: the first of a start reads from the disk, and a day with new alerts follows by itself.
        self._again_at = self._monotonic() + min(took, default=0.0) / _SHARE
