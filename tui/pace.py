"""How fast an analyst decides."""

from collections import deque
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=5)
_LEAST = timedelta(minutes=1)


class Pace:
    """The decisions of one console: how many stand, and how many a minute were made in the last five."""

    def __init__(self) -> None:
        self.done = 0
        self._recent: deque[tuple[datetime, int]] = deque()

    def add(self, count: int, at: datetime) -> None:
        """Count decisions; a negative number for those that were undone."""
        self.done = max(0, self.done + count)
        self._recent.append((at, count))

    def per_minute(self, now: datetime) -> float:
        """Decisions a minute, since the first of the last five minutes."""
        while self._recent and now - self._recent[0][0] > WINDOW:
            self._recent.popleft()
        if not self._recent:
            return 0.0
        span = max(now - self._recent[0][0], _LEAST)
        return max(0, sum(count for _, count in self._recent)) / (span / timedelta(minutes=1))
