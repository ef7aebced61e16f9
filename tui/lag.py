"""The consumer lag of the last minutes, and when it will be gone."""

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
"""Records of lag that are no backlog: they are being processed."""


class Sample(NamedTuple):
    """The lag of each partition, in records, at one moment; partitions whose end is unknown are left out."""

    at: datetime
    lags: dict[int, int]


class Outlook(NamedTuple):
    """How a lag changes: `rate` is in records per second, above 0 while it grows.

    `seconds` is the time until it is gone, None when it is not shrinking.
    """

    rate: float
    seconds: float | None


class LagTrend:
    """The lag of every partition over the last minutes."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=KEPT)

    def add(self, snapshot: Snapshot) -> None:
        """Keep the lags of a snapshot, unless the last ones are younger than `EVERY` seconds."""
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
        """How the lag of one partition changes, or that of all of them together."""
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
