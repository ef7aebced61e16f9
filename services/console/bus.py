"""What was committed, kept in bounded rings for consoles to pull."""

import time
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import accumulate, repeat
from math import inf

import numpy as np
from numpy.typing import NDArray

from detectors.verdicts import Verdicts
from detectors.words import numbered
from domain.engine import FeedSlice
from domain.quality import Scoreboard
from domain.transaction import GroundTruth, Transaction
from domain.triage import Triage
from domain.verdict import DetectorName, Severity, Verdict
from services.console.clock import StreamClock
from services.console.rings import Published, Ring
from services.store.batch import StoredRow, StoredRows
from services.store.binary import moment

FEED_SIZE = 20_000
ANOMALIES_SIZE = 5_000
_LATENCIES = 4_096
_LATENCY_SECONDS = 60
_RATE_SECONDS = 5
_TENTHS = 10


LATENCY_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds; upper ends of the buckets that latencies are counted in, beside one without an end."""


class Histogram:
    """How often values fell into buckets, since the engine started."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, ordered: Sequence[float]) -> None:
        """Count values, given in ascending order, each in the first bucket whose end it does not exceed."""
        counted = 0
        for bucket, end in enumerate((*self._bounds, inf)):
            upto = bisect_right(ordered, end)
            self._counts[bucket] += upto - counted
            counted = upto
        self.sum += sum(ordered)

    @property
    def cumulative(self) -> tuple[tuple[float, int], ...]:
        """The end of each bucket, the last infinite, and how many values are not above it."""
        return tuple(zip((*self._bounds, inf), accumulate(self._counts), strict=True))


class Bus:
    """Counters and rings of one engine; everything it holds has been committed.

    `alerted_on` are the days of alerts; who has put those in order takes them away.
    `skipped` counts records that stand for no transaction, by kind; `remarks` what had to be decided to read others.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.clock = StreamClock()
        self.feed = Ring(FEED_SIZE)
        self.anomalies = Ring(ANOMALIES_SIZE)
        self.transactions = 0
        self.flagged: dict[str, int] = {}
        self.verdicts: Counter[tuple[DetectorName, Severity]] = Counter()
        self.latencies = Histogram(LATENCY_BOUNDS)
        self.scoreboard = Scoreboard()
        self.anomalous = 0
        self.alerted_on: set[date] = set()
        self.dead_letters = 0
        self.duplicates = 0
        self.skipped: Counter[str] = Counter()
        self.remarks: Counter[str] = Counter()
        self.late = 0
        self.offset_gaps = 0
        self.topic_resets = 0
        self.repeats = 0
        self.last_event_at: datetime | None = None
        self.last_stored_at: datetime | None = None
        self._latencies: deque[tuple[float, float]] = deque(maxlen=_LATENCIES)
        self._per_second: deque[tuple[int, int]] = deque(maxlen=_RATE_SECONDS + 1)

    def publish(self, rows: Sequence[StoredRow], latencies: Iterable[float]) -> None:
        """Make a committed batch visible. `latencies` are seconds from Kafka timestamp to commit."""
        if not rows:
            return
        now = datetime.now(UTC)
        first = self.transactions + 1
        self.transactions += len(rows)
        self.feed.extend(Published(rows, first, now))
        columns = StoredRows.of(rows)
        alerted = np.zeros(len(rows), np.bool_)
        # There are few: one for each kind of anomaly.
        truths, of = numbered(columns.truths)
        for detector, (places, verdicts) in columns.judged.items():
            counts = np.bincount(verdicts.severities, minlength=len(Severity)).tolist()
            self.verdicts.update({(detector, severity): n for severity, n in zip(Severity, counts, strict=True) if n})
            if verdicts.flagged.any():
                self.flagged[detector] = self.flagged.get(detector, 0) + int(verdicts.flagged.sum())
                alerted[places[verdicts.flagged]] = True
            self._compare(detector, truths, of[places], verdicts)
        self.anomalous += int(alerted.sum())
        self.alerted_on |= columns.days(alerted)
        for number in np.flatnonzero(alerted).tolist():
            self.anomalies.extend(Published((columns[number],), first + number, now))
        self.last_event_at = moment(int(columns.times.max()))
        self.last_stored_at = now
        at, taken = self._monotonic(), sorted(latencies)
        self._latencies.extend(zip(repeat(at), taken, strict=False))
        self.latencies.add(taken)
        second = int(at)
        if self._per_second and self._per_second[-1][0] == second:
            self._per_second[-1] = (second, self._per_second[-1][1] + len(rows))
        else:
            self._per_second.append((second, len(rows)))

    def _compare(
        self,
        detector: DetectorName,
        truths: Sequence[GroundTruth | None],
        of: NDArray[np.int64],
        verdicts: Verdicts,
    ) -> None:
        """Count verdicts on the scoreboard where the truth, by its place `of` each among `truths`, is known, but for
        those given while warming up.
        """
        if verdicts.status == "warming" or not any(truths):
            return
        known = np.array([truth is not None for truth in truths])[of]
        known[[number for number, verdict in verdicts.whole.items() if verdict.status == "warming"]] = False
        cells = ((2 * of + verdicts.flagged) * _TENTHS + _tenths(verdicts.scores))[known]
        counts = np.bincount(cells)
        sums = np.bincount(cells, verdicts.scores[known])
        for cell in np.flatnonzero(counts).tolist():
            number, flagged = divmod(cell // _TENTHS, 2)
            truth = truths[number]
            assert truth is not None
            count = int(counts[cell])
            self.scoreboard.count(
                detector,
                truth.anomalous,
                truth.kind,
                flagged=count if flagged else 0,
                verdicts=count,
                score=float(sums[cell]) / count,
            )

    def triaged(self, decisions: Mapping[str, Triage | None]) -> None:
        """Put these decisions, by transaction id, on the rows that consoles have yet to pull."""
        self.feed.triaged(decisions)
        self.anomalies.triaged(decisions)

    def judged(self, verdicts: Iterable[tuple[Transaction, Verdict]]) -> None:
        """Put verdicts that were given afterwards on the rows of the feed; none is an alert, nor counted as one."""
        by_id: dict[str, dict[DetectorName, Verdict]] = {}
        for transaction, verdict in verdicts:
            by_id.setdefault(transaction.transaction_id, {})[verdict.detector] = verdict
        self.feed.judged(by_id)

    def newest(self, after: int, limit: int) -> FeedSlice:
        """The newest `limit` transactions of a sequence above `after`.

        Sequences have no holes here, so what was evicted before it was read is known exactly.
        """
        above = max(0, self.transactions - max(after, 0))
        rows = self.feed.newest(min(limit, above))
        return FeedSlice(rows, above - len(rows), upto=max(after, self.transactions))

    @property
    def rate(self) -> float:
        """Committed transactions per second over the last 5 full seconds."""
        now = int(self._monotonic())
        return sum(count for second, count in self._per_second if now - _RATE_SECONDS <= second < now) / _RATE_SECONDS

    def latency(self, *quantiles: float) -> tuple[float, ...]:
        """Quantiles of the newest latencies of the last minute in seconds, 0 where there was none.

        What a backlog took at the start says nothing of how long a transaction takes now.
        """
        since = self._monotonic() - _LATENCY_SECONDS
        ordered = sorted(latency for at, latency in self._latencies if at >= since)
        if not ordered:
            return tuple(0.0 for _ in quantiles)
        return tuple(ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in quantiles)


def _tenths(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """`domain.quality.tenth` of each."""
    return np.minimum((scores * _TENTHS + 1e-9).astype(np.int64), _TENTHS - 1)
