"""The clock of a stream, read off the transactions that were committed."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from domain.clock import LIVE, Clock, ClockKind

NEAR = 7 * 86_400.0
"""Seconds: an event time further than this ahead of all others seen lately does not move the clock."""

LIVE_FOR = 60.0
"""Seconds for which one record of a live topic keeps the wall's time, whatever is replayed beside it."""

_SEEN = 1_000
_MEASURED_OVER = 5.0
_PAUSE = 5.0


class Happened(NamedTuple):
    """When transactions happened, in POSIX seconds, and by whose clock; there is at least one."""

    kind: ClockKind
    times: Sequence[float]


class StreamClock:
    """Wall time while a live topic is read; on a replay or a simulation the highest event time seen.

    One event far ahead of all others does not move it: it takes a second one within a week. It never goes back within
    one stream; another kind of stream, or an older one after a pause, begins another clock.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._kind: ClockKind = "live"
        self._at = 0.0
        self._confirmed = False
        self._recent: deque[float] = deque(maxlen=_SEEN)
        self._live_at: float | None = None
        self._seen_at: float | None = None
        self._samples: deque[tuple[float, float]] = deque()
        self.observed = 0
        """How many transactions it was read off."""

    def restore(self, clock: Clock) -> None:
        """Begin where an earlier engine left it, until something is read."""
        if clock.at is not None:
            self._kind, self._at, self._confirmed = clock.kind, clock.at.timestamp(), True

    def observe(self, happened: Sequence[Happened]) -> None:
        """Take note of transactions that were committed, one entry a clock; the clock seen last comes last."""
        if not happened:
            return
        self.observed += sum(len(each.times) for each in happened)
        now = self._monotonic()
        if any(each.kind == "live" for each in happened):
            self._live_at = now
        own = [each for each in happened if each.kind != "live"]
        if not own:
            if self._kind != "live" and (self._seen_at is None or now - self._seen_at > LIVE_FOR):
                self._kind = "live"
            return
        kind, times = own[-1]
        if self._is_another(kind, times, now):
            self._kind, self._at, self._confirmed = kind, 0.0, False
            self._recent.clear()
            self._samples.clear()
        self._seen_at = now
        self._recent.extend(times)
        self._move(max(times))
        self._samples.append((now, self._at))
        while now - self._samples[0][0] > _MEASURED_OVER:
            self._samples.popleft()

    @property
    def now(self) -> datetime:
        """What time it is for the stream."""
        return self.reading.now(self._wall())

    @property
    def reading(self) -> Clock:
        """The clock now."""
        now = self._monotonic()
        live = self._live_at is not None and now - self._live_at < LIVE_FOR
        if self._kind == "live" or live:
            return LIVE
        at = datetime.fromtimestamp(0, UTC) + timedelta(seconds=self._at)
        return Clock(self._kind, at, self._speed(now))

    def _is_another(self, kind: ClockKind, times: Sequence[float], now: float) -> bool:
        if kind != self._kind:
            return True
        paused = self._seen_at is None or now - self._seen_at > _PAUSE
        return paused and max(times) < self._at - NEAR

    def _move(self, newest: float) -> None:
        if self._confirmed and newest <= self._at:
            return
        ordered = sorted(self._recent)
        for earlier, later in zip(reversed(ordered[:-1]), reversed(ordered[1:]), strict=True):
            if later - earlier <= NEAR:
                self._at = max(self._at, later) if self._confirmed else later
                self._confirmed = True
                return
        if not self._confirmed:
            self._at = newest if newest > self._at else self._at

    def _speed(self, now: float) -> float | None:
        if self._seen_at is None or now - self._seen_at > _MEASURED_OVER or len(self._samples) < 2:
            return None
        (began, first), (ended, last) = self._samples[0], self._samples[-1]
        return (last - first) / (ended - began) if ended - began >= 1.0 else None
