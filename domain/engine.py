"""The engine as it is shown: frozen values with a time on them, from this process or another."""

from datetime import datetime
from typing import Literal

import msgspec

from domain.accounting import Account
from domain.budget import UNLIMITED, Budget
from domain.clock import LIVE, Clock
from domain.quality import DetectorQuality
from domain.verdict import ScoredTransaction

WorkerState = Literal["starting", "running", "degraded", "backoff", "stopped", "failed"]
WorkerAction = Literal["start", "stop", "restart"]


class WorkerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One supervised worker: `heartbeat_at` is its last sign of life, `detail` one line for people.

    It is in `state` since `since`; `run_since` is when what it does now was begun, which a disturbance does not end.

    The engine is well without one that is not `essential`.
    """

    name: str
    state: WorkerState
    essential: bool = True
    detail: str = ""
    restarts: int = 0
    since: datetime | None = None
    run_since: datetime | None = None
    heartbeat_at: datetime | None = None
    last_error: str | None = None


class PartitionStatus(msgspec.Struct, frozen=True):
    """Progress of one partition; `lag` counts records, -1 when the end offset is not known yet.

    `held_for` is for how many seconds a transaction left open by its producer has kept records back, if one does.
    `account` is what became of all offsets before `next_offset` since they are counted.
    """

    partition: int
    state: str
    next_offset: int
    lag: int
    epoch: int
    held_for: float | None = None
    account: Account = Account()


class Rekeying(msgspec.Struct, frozen=True, kw_only=True):
    """How `topic`, which is not keyed by user, is copied into one that is.

    One engine copies (`active`): `rate` records per second, each for `cost_us` microseconds of CPU, with `lag` records
    to go. `repeats` are those that were in the copy twice and stored once.
    """

    topic: str
    through: str
    active: bool = False
    rate: float = 0.0
    cost_us: float = 0.0
    repeats: int = 0
    lag: int = 0


class FeatureDrift(msgspec.Struct, frozen=True):
    """How far a feature has moved from what `detector` was fitted on: the population stability index, 0 or more."""

    detector: str
    feature: str
    psi: float


BEHIND = 5_000
"""Consumer lag from which an engine counts as behind: consoles and streams get less until it has caught up."""


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine catches up with: `left` of the `total` records that waited in Kafka when it got its partitions.

    `rate` is records a second since then. `waiting_for_fit` while scoring waits for models that are being fitted.
    """

    total: int
    left: int
    rate: float
    waiting_for_fit: bool = False

    @property
    def sentence(self) -> str:
        """What is left, how fast it goes, and about how long it takes."""
        left = f"{self.left:,} of {self.total:,} records left"
        if self.waiting_for_fit:
            return f"{left}, waiting for models that are being fitted"
        if self.rate <= 0:
            return left
        return f"{left}, {self.rate:,.0f}/s, about {_span(self.left / self.rate)}"


def _span(seconds: float) -> str:
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


class History(msgspec.Struct, frozen=True):
    """The simulated history that a first start lays down: `stored` of `total` transactions, then models are fitted."""

    total: int
    stored: int

    @property
    def sentence(self) -> str:
        """How far it is."""
        if self.stored >= self.total:
            return f"fitting models on {self.total:,} transactions"
        return f"history: {self.stored:,} of {self.total:,} stored"


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The engine at one moment.

    `rate` is committed transactions per second over the last 5 s; `latency_*` is seconds from the record's
    Kafka timestamp to its commit; `counts` are totals since this engine started; `flagged` is by detector.
    `quality` is empty as long as nothing that was scored had ground truth.
    `offset_gaps` are losses: records that Kafka dropped before they were read. `topic_resets` are partitions read from
    their beginning because their topic was deleted and made again, or shortened.
    `backlog` is None once what waited in Kafka at the start is stored.
    `open_anomalies` are stored, flagged, and neither decided on nor snoozed; None until they are counted. Those that
    the `budget` holds back are not among them but `over_budget`, None without a budget.
    `skipped` counts records that stand for no transaction by kind (tombstone, deleted, updated), `remarks` what had to
    be decided to read others (ambiguous local time).
    `rekeying` is None where the topic is read as it is.
    `clock` is the stream's: event times are to be compared with it and not with `at`, which is the wall's.
    `history` is None unless a first start is laying it down.
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
    budget: Budget = UNLIMITED
    over_budget: int | None = None
    topic_resets: int = 0
    backlog: Backlog | None = None
    skipped: dict[str, int] = {}
    remarks: dict[str, int] = {}
    rekeying: Rekeying | None = None
    clock: Clock = LIVE
    history: History | None = None

    @property
    def budget_says(self) -> str:
        """What the budget holds back, for people; empty without one."""
        return self.budget.sentence(self.over_budget)

    @property
    def catching_up(self) -> bool:
        """Whether a simulated history, or what waited in Kafka at the start, is being stored."""
        return self.history is not None or self.backlog is not None

    @property
    def behind(self) -> bool:
        """Whether more than `BEHIND` records wait."""
        return self.lag > BEHIND


class FeedSlice(msgspec.Struct, frozen=True):
    """New rows of a feed, oldest first, and the sequence number `upto` to ask from the next time.

    `missed` counts rows that match the filter and are not included: they were evicted before they were read, or were
    more than the console can show. `unmatched` counts rows left out because they do not match. With `refill`, drop all
    rows read before: the filter has changed, or another engine answers.
    """

    rows: tuple[ScoredTransaction, ...]
    missed: int
    upto: int
    unmatched: int = 0
    refill: bool = False


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
