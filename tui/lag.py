"""How far behind each partition has been in the last minutes, and when it will have caught up."""

from collections import deque
from datetime import datetime
from typing import NamedTuple

from domain.engine import Snapshot

KEPT = 180
EVERY = 1.0
"""Seconds between samples; `KEPT` of them are kept."""

SLOPE_OVER = 15.0
"""Seconds over which the rate of change is taken."""

SMALL = 50
"""A lag up to so many records is what is being worked on, not what is left behind."""


class Sample(NamedTuple):
    """The lag of each partition, in records, at one moment; partitions whose end is unknown are left out."""

    at: datetime
    lags: dict[int, int]


class Outlook(NamedTuple):
    """Where a lag is going: `rate` in records per second, above 0 while it grows; `seconds` until it is gone,
    None when it is not getting there."""

    rate: float
    seconds: float | None


class LagTrend:
    """The last minutes of every partition's lag, bounded."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=KEPT)

    def add(self, snapshot: Snapshot) -> None:
        """Keep the lags of a snapshot, at most one every `EVERY` seconds."""
        if self._samples and (snapshot.at - self._samples[-1].at).total_seconds() < EVERY:
            return
        lags = {partition.partition: partition.lag for partition in snapshot.partitions if partition.lag >= 0}
        self._samples.append(Sample(snapshot.at, lags))

    def of(self, partition: int) -> tuple[float, ...]:
        """One partition's lags, oldest first."""
        return tuple(float(sample.lags[partition]) for sample in self._samples if partition in sample.lags)

    @property
    def total(self) -> tuple[float, ...]:
        """The lag of all partitions together, oldest first."""
        return tuple(float(sum(sample.lags.values())) for sample in self._samples)

    def outlook(self, partition: int | None = None) -> Outlook:
        """Where the lag of one partition is going, or that of all together."""
        if not self._samples:
            return Outlook(0.0, 0.0)
        newest = self._samples[-1]
        earlier = next(sample for sample in self._samples if (newest.at - sample.at).total_seconds() <= SLOPE_OVER)
        now, before = _lag(newest, partition), _lag(earlier, partition)
        span = (newest.at - earlier.at).total_seconds()
        rate = (now - before) / span if span > 0 else 0.0
        if now <= SMALL:
            return Outlook(rate, 0.0)
        return Outlook(rate, now / -rate if rate < 0 else None)


def _lag(sample: Sample, partition: int | None) -> float:
    return float(sum(sample.lags.values()) if partition is None else sample.lags.get(partition, 0))
