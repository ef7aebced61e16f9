"""How rate, latency and lag went in the last hour."""

from collections import deque
from datetime import datetime, timedelta

import msgspec

from domain.engine import Snapshot

EVERY = timedelta(seconds=10)
_KEPT = timedelta(hours=1) // EVERY


class CoursePoint(msgspec.Struct, frozen=True, kw_only=True):
    """The engine at one moment: transactions a second, p95 latency in seconds, records behind, records to be scored."""

    at: datetime
    rate: float
    latency_p95: float
    lag: int
    writer_queue: int


class Course:
    """An hour of points, one each `EVERY`, since this engine started."""

    def __init__(self) -> None:
        self._points: deque[CoursePoint] = deque(maxlen=_KEPT)

    @property
    def points(self) -> tuple[CoursePoint, ...]:
        """Oldest first."""
        return tuple(self._points)

    def look(self, snapshot: Snapshot) -> None:
        """Take a point, unless the last one is too new."""
        if self._points and snapshot.at - self._points[-1].at < EVERY:
            return
        self._points.append(
            CoursePoint(
                at=snapshot.at,
                rate=snapshot.rate,
                latency_p95=snapshot.latency_p95,
                lag=snapshot.lag,
                writer_queue=snapshot.writer_queue,
            )
        )
