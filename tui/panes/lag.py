"""How far behind each partition has been in the last minutes, and when it will have caught up."""

from collections import deque
from datetime import datetime
from typing import NamedTuple

from rich.text import Text

from domain.engine import PartitionStatus, Snapshot
from tui import cells
from tui.panes.drawing import line
from tui.themes import Palette

KEPT = 180
EVERY = 1.0
"""Seconds between samples; `KEPT` of them are kept."""

SLOPE_OVER = 15.0
"""Seconds over which the rate of change is taken."""

SMALL = 50
"""A lag up to so many records is what is being worked on, not what is left behind."""

_STRIP = 30
_LEAST_STRIP = 5


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


def outlook_words(outlook: Outlook, lag: int) -> str:
    """Where a lag is going, in words."""
    if lag <= SMALL:
        return "up to date"
    if outlook.seconds is not None:
        return f"catches up in {cells.duration(outlook.seconds)}"
    # A rate that moves a hundredth of the lag in a minute is none that anybody could see.
    return "falling behind" if outlook.rate * 60 > lag / 100 else "not catching up"


def outlook_mark(outlook: Outlook) -> str:
    """An arrow and the rate of change."""
    if abs(outlook.rate) < 0.5:
        return ""
    return f"{'▲' if outlook.rate > 0 else '▼'}{cells.short(abs(outlook.rate))}/s"


def partition_table(
    partitions: tuple[PartitionStatus, ...], trend: LagTrend, width: int, palette: Palette
) -> list[Text]:
    """Every partition with its state, offset, epoch, lag, how that moved and where it is going."""
    lines = [line((" part  state       next offset epoch        lag           outlook", palette.dim), width=width)]
    room = min(_STRIP, width - 79)
    for partition in partitions:
        lag = "?" if partition.lag < 0 else cells.grouped(partition.lag)
        ink = palette.good if partition.state.lower() == "running" else palette.warn
        outlook = trend.outlook(partition.partition)
        words = outlook_words(outlook, partition.lag) if partition.lag >= 0 else "end not known yet"
        trouble = partition.lag > SMALL and outlook.seconds is None
        lines.append(
            line(
                f" {partition.partition:>4}  ",
                (cells.fit(partition.state.lower(), 10), ink),
                f" {cells.grouped(partition.next_offset):>12} {partition.epoch:>5} {lag:>10} ",
                (f"{outlook_mark(outlook):<9} ", palette.warn if outlook.rate > 0 else palette.good),
                (f"{words:<18} ", palette.warn if trouble else palette.dim),
                (cells.strip(trend.of(partition.partition), room if room >= _LEAST_STRIP else 0), palette.bar),
                width=width,
            )
        )
    return lines
