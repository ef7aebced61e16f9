"""The one interface between a console and the engine it shows.

Everything a console may ask is listed in `ConsolePort`. What it answers are frozen values with a time on
them, so that an in-process engine and a remote daemon look the same to the screens.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from domain.filters import Filter
from domain.profile import ProfileView, UserList, UserOrder
from domain.quality import DetectorQuality
from domain.triage import Decision, Triage, TriageEvent, TriageStatus, Undone
from domain.verdict import ScoredTransaction

WorkerState = Literal["starting", "running", "degraded", "backoff", "stopped", "failed"]
WorkerAction = Literal["start", "stop", "restart"]


class WorkerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One supervised worker: `heartbeat_at` is its last sign of life, `detail` one line for people.

    The engine is well without one that is not `essential`.
    """

    name: str
    state: WorkerState
    essential: bool = True
    detail: str = ""
    restarts: int = 0
    since: datetime | None = None
    heartbeat_at: datetime | None = None
    last_error: str | None = None


class PartitionStatus(msgspec.Struct, frozen=True):
    """Progress of one partition; `lag` counts records, -1 when the end offset is not known yet.

    `held_for` is for how many seconds a transaction left open by its producer has kept records back, if one does.
    """

    partition: int
    state: str
    next_offset: int
    lag: int
    epoch: int
    held_for: float | None = None


class FeatureDrift(msgspec.Struct, frozen=True):
    """How far a feature has moved from what `detector` was fitted on: the population stability index, 0 or more."""

    detector: str
    feature: str
    psi: float


BEHIND = 5_000
"""Records that wait where an engine is behind: whoever watches it gets less until it has caught up."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The engine at one moment.

    `rate` is committed transactions per second over the last 5 s; `latency_*` is seconds from the record's
    Kafka timestamp to its commit; `counts` are totals since this engine started; `flagged` is by detector.
    `quality` is empty as long as nothing that was scored had ground truth.
    `offset_gaps` are losses: records that Kafka dropped before they were read. `topic_resets` are partitions read from
    their beginning because their topic was deleted and made again, or shortened.
    `open_anomalies` are stored, flagged, and neither decided on nor asleep; None until they are counted.
    """

    at: datetime
    started_at: datetime
    rate: float
    lag: int
    latency_p50: float
    latency_p95: float
    latency_p99: float
    writer_queue: int
    transactions: int
    flagged: dict[str, int]
    dead_letters: int
    duplicates: int
    late: int
    offset_gaps: int
    last_event_at: datetime | None
    last_stored_at: datetime | None
    broker: str
    database: str
    model_versions: dict[str, str]
    workers: tuple[WorkerStatus, ...]
    partitions: tuple[PartitionStatus, ...] = ()
    drift: tuple[FeatureDrift, ...] = ()
    quality: tuple[DetectorQuality, ...] = ()
    open_anomalies: int | None = None
    topic_resets: int = 0

    @property
    def behind(self) -> bool:
        """Whether more than `BEHIND` records wait."""
        return self.lag > BEHIND


class FeedSlice(msgspec.Struct, frozen=True):
    """What came after the place asked for: rows, oldest first, and the place to ask from the next time.

    `missed` rows match what is watched and are not among them: they left the ring before they were read, or were more
    than can be shown. `unmatched` were left out because they do not match. With `anew` the rows stand instead of all
    that were read before: the filter that is watched changed, or the engine is another one.
    """

    rows: tuple[ScoredTransaction, ...]
    missed: int
    upto: int
    unmatched: int = 0
    anew: bool = False


class LiveCount(msgspec.Struct, frozen=True):
    """How many of the newest `of` transactions match a filter."""

    matches: int
    of: int


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record that could not become a transaction: where it was, why, and the start of its payload."""

    topic: str
    partition: int
    offset: int
    reason: str
    excerpt: str
    stored_at: datetime


class LogLine(msgspec.Struct, frozen=True):
    """One structured log event, already rendered as text."""

    at: datetime
    level: str
    source: str
    message: str


class ConsolePort(Protocol):
    """What a console may ask of an engine. Reads of rings and snapshots never wait; queries may."""

    def snapshot(self) -> Snapshot:
        """The engine now."""
        ...

    def trouble(self) -> str:
        """Why the engine is not heard from, in one line; empty while it is. All else is then what it said last."""
        ...

    def watch(self, filter: Filter, rows: int) -> None:
        """Say what of the feed is shown: rows that match, and how many of them fit.

        `feed` may leave out the others from now on. An engine in the same process leaves out nothing.
        """
        ...

    def feed(self, after: int, limit: int) -> FeedSlice:
        """At most `limit` newest transactions after `after`: 0, or the `upto` of the slice before."""
        ...

    def anomalies(self, after: int, limit: int) -> FeedSlice:
        """The same for flagged transactions, from a ring of their own, whatever is watched."""
        ...

    def triage_changes(self, after: int, limit: int) -> tuple[TriageEvent, ...]:
        """Newest event of each transaction triaged lately, at most `limit` of a sequence above `after`, oldest first.

        Rows of `feed` and `anomalies` carry the decision as it is when they are pulled; this tells what became of them.
        """
        ...

    def logs(self, limit: int) -> tuple[LogLine, ...]:
        """The newest log lines, oldest first."""
        ...

    async def count_live(self, filter: Filter) -> LiveCount:
        """How many of the transactions that the engine holds in memory match."""
        ...

    async def profile(self, user_id: str) -> ProfileView | None:
        """The user's committed profile, or None for a user never seen."""
        ...

    async def users(self, order: UserOrder, limit: int, prefix: str, filter: Filter) -> UserList:
        """At most `limit` users whose id begins with `prefix` and who have a transaction that matches `filter`."""
        ...

    async def quality(self, since: datetime | None) -> tuple[DetectorQuality, ...]:
        """Stored verdicts against ground truth, from event time `since` on; it may take seconds."""
        ...

    async def history(self, filter: Filter, limit: int) -> tuple[ScoredTransaction, ...]:
        """Stored transactions that match, newest first; their `sequence` is negative (not from this run)."""
        ...

    async def stored_anomalies(
        self, filter: Filter, before: datetime | None, limit: int
    ) -> tuple[ScoredTransaction, ...]:
        """Flagged ones of them, with an event time of at most `before`: quick even where few of many match."""
        ...

    async def triage(self, ids: Sequence[str]) -> dict[str, Triage]:
        """The decisions on these transactions; those without one are left out."""
        ...

    async def triage_log(self, transaction_id: str) -> tuple[TriageEvent, ...]:
        """What was done to one transaction, newest first."""
        ...

    async def decide(
        self,
        ids: Sequence[str],
        status: TriageStatus | None,
        until: datetime | None = None,
        note: str | None = None,
        *,
        by: str,
    ) -> Decision:
        """Decide on these transactions in one step, as user `by` of the operating system.

        `until` ends a snooze (which needs one) or the leniency of a false positive. `status` None keeps the status and
        writes only the note; `note` None keeps the note. Ids that are not stored are passed over and named.

        Raises: ValueError for what cannot be decided.
        """
        ...

    async def undo(self, by: str, step: int | None = None) -> Undone | None:
        """Take back a step, by default the last of `by` that still stands; None when there is nothing to take back."""
        ...

    async def matching(self, filter: Filter, limit: int) -> tuple[str, ...]:
        """The ids of open anomalies that match, newest first."""
        ...

    async def count_matching(self, filter: Filter) -> int:
        """How many open anomalies match."""
        ...

    async def dead_letters(self, limit: int) -> tuple[DeadLetter, ...]:
        """The newest dead letters, newest first."""
        ...

    async def control(self, worker: str, action: WorkerAction) -> None:
        """Start, stop or restart one worker. Raises KeyError for a name not in the snapshot."""
        ...

    async def quit(self) -> None:
        """Ask the engine to shut down cleanly."""
        ...
