"""What was committed, kept in bounded rings for consoles to pull."""

import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate, islice
from math import inf

import msgspec

from domain.engine import FeedSlice
from domain.quality import Scoreboard
from domain.transaction import Transaction
from domain.triage import Triage
from domain.verdict import DetectorName, ScoredTransaction, Severity, Verdict
from services.console.clock import StreamClock
from services.store.batch import StoredRow

FEED_SIZE = 20_000
ANOMALIES_SIZE = 5_000
_LATENCIES = 4_096
_RATE_SECONDS = 5


class Ring:
    """The newest rows with ascending sequence numbers."""

    def __init__(self, size: int) -> None:
        self._rows: deque[ScoredTransaction] = deque(maxlen=size)

    def extend(self, rows: Iterable[ScoredTransaction]) -> None:
        """Append rows, evicting the oldest."""
        self._rows.extend(rows)

    def triaged(self, decisions: Mapping[str, Triage | None]) -> None:
        """Put these decisions, by transaction id, on the rows they are about."""
        for index, row in enumerate(self._rows):
            if row.transaction.transaction_id in decisions:
                self._rows[index] = msgspec.structs.replace(row, triage=decisions[row.transaction.transaction_id])

    def judged(self, verdicts: Mapping[str, Mapping[DetectorName, Verdict]]) -> None:
        """Put these verdicts, by transaction id and detector, in the place of those that are there."""
        for index, row in enumerate(self._rows):
            if row.transaction.transaction_id in verdicts:
                given = verdicts[row.transaction.transaction_id]
                mixed = tuple(given.get(verdict.detector, verdict) for verdict in row.verdicts)
                self._rows[index] = msgspec.structs.replace(row, verdicts=mixed)

    def newest(self, count: int) -> tuple[ScoredTransaction, ...]:
        """The newest rows, `count` of them or all that there are, oldest first."""
        return tuple(reversed([*islice(reversed(self._rows), count)]))

    def since(self, after: int, limit: int) -> FeedSlice:
        """The newest `limit` rows of a sequence above `after`; `missed` counts the others that are above it."""
        newer: list[ScoredTransaction] = []
        above = 0
        for row in reversed(self._rows):
            if row.sequence <= after:
                break
            above += 1
            if len(newer) < limit:
                newer.append(row)
        return FeedSlice(tuple(reversed(newer)), above - len(newer), upto=newer[0].sequence if newer else after)


LATENCY_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds; upper ends of the buckets that latencies are counted in, beside one without an end."""


class Histogram:
    """How often values fell into buckets, since the engine started."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count a value in the first bucket whose end it does not exceed."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    @property
    def cumulative(self) -> tuple[tuple[float, int], ...]:
        """The end of each bucket, the last infinite, and how many values are not above it."""
        return tuple(zip((*self._bounds, inf), accumulate(self._counts), strict=True))


class Bus:
    """Counters and rings of one engine; everything it holds has been committed.

    `skipped` counts records that stand for no transaction, by kind; `remarks` what had to be decided to read others.
    """

    def __init__(self) -> None:
        self.clock = StreamClock()
        self.feed = Ring(FEED_SIZE)
        self.anomalies = Ring(ANOMALIES_SIZE)
        self.transactions = 0
        self.flagged: dict[str, int] = {}
        self.verdicts: Counter[tuple[DetectorName, Severity]] = Counter()
        self.latencies = Histogram(LATENCY_BOUNDS)
        self.scoreboard = Scoreboard()
        self.anomalous = 0
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
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)
        self._per_second: deque[tuple[int, int]] = deque(maxlen=_RATE_SECONDS + 1)

    def publish(self, rows: Sequence[StoredRow], latencies: Iterable[float]) -> None:
        """Make a committed batch visible. `latencies` are seconds from Kafka timestamp to commit."""
        if not rows:
            return
        now = datetime.now(UTC)
        scored = [
            ScoredTransaction(
                sequence=self.transactions + number,
                transaction=row.transaction,
                verdicts=row.verdicts,
                stored_at=now,
                truth=row.truth,
            )
            for number, row in enumerate(rows, start=1)
        ]
        self.transactions += len(scored)
        self.feed.extend(scored)
        for row in scored:
            truth = row.truth
            for verdict in row.verdicts:
                self.verdicts[verdict.detector, verdict.severity] += 1
                if verdict.flagged:
                    self.flagged[verdict.detector] = self.flagged.get(verdict.detector, 0) + 1
                if truth is not None and verdict.status != "warming":
                    self.scoreboard.count(verdict.detector, truth.anomalous, truth.kind, flagged=verdict.flagged)
        anomalies = [row for row in scored if row.flagged]
        self.anomalous += len(anomalies)
        self.anomalies.extend(anomalies)
        self.last_event_at = max(row.transaction.timestamp for row in rows)
        self.last_stored_at = now
        for latency in latencies:
            self._latencies.append(latency)
            self.latencies.add(latency)
        second = int(time.monotonic())
        if self._per_second and self._per_second[-1][0] == second:
            self._per_second[-1] = (second, self._per_second[-1][1] + len(rows))
        else:
            self._per_second.append((second, len(rows)))

    def triaged(self, decisions: Mapping[str, Triage | None]) -> None:
        """Put these decisions, by transaction id, on the rows that consoles have yet to pull."""
        self.feed.triaged(decisions)
        self.anomalies.triaged(decisions)

    def judged(self, verdicts: Iterable[tuple[Transaction, Verdict]]) -> None:
        """Put verdicts that were given afterwards on the rows of the feed, and count them; none is a new alert."""
        by_id: dict[str, dict[DetectorName, Verdict]] = {}
        for transaction, verdict in verdicts:
            by_id.setdefault(transaction.transaction_id, {})[verdict.detector] = verdict
            if verdict.flagged:
                self.flagged[verdict.detector] = self.flagged.get(verdict.detector, 0) + 1
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
        now = int(time.monotonic())
        return sum(count for second, count in self._per_second if now - _RATE_SECONDS <= second < now) / _RATE_SECONDS

    def latency(self, *quantiles: float) -> tuple[float, ...]:
        """Quantiles of the newest latencies in seconds, 0 before the first."""
        ordered = sorted(self._latencies)
        if not ordered:
            return tuple(0.0 for _ in quantiles)
        return tuple(ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in quantiles)
