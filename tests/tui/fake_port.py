"""An engine that is not there: a console port with deterministic rows."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec

from domain.comparison import Comparison, Scores, compared
from domain.engine import (
    DeadLetter,
    FeedSlice,
    LiveCount,
    LogLine,
    PartitionStatus,
    Snapshot,
    WorkerAction,
    WorkerStatus,
)
from domain.filters import Filter
from domain.profile import ProfileView, Share, ThresholdAt, UserList, UserOrder, UserSummary
from domain.quality import DetectorQuality, KindRecall, ScoreBand
from domain.timeline import TimelineEvent
from domain.transaction import Device, GroundTruth, Location, Merchant, Transaction
from domain.triage import Decision, Triage, TriageEvent, TriageStatus, Undone
from domain.verdict import Counterfactual, Reason, ScoredTransaction, Severity, Status, Verdict
from tests.tui.memory_triage import MemoryTriage

NOON = datetime(2026, 3, 14, 12, 4, 7, 118_000, tzinfo=UTC)

_MERCHANTS = (
    ("Boulangerie Petit", "bakery", "FR", "Lyon", "18.40"),
    ("Nordstream TV", "stream", "BE", "Ghent", "12.99"),
    ("Casa del Libro", "books", "ES", "Madrid", "47.00"),
    ("Grünwald Apotheke", "pharmacy", "DE", "Köln", "1234.5"),
    ("Tokyo Hands", "retail", "JP", "Tokyo", "15800"),
)


def verdict(
    detector: str,
    score: float,
    *,
    threshold: float = 0.72,
    status: Status = "ok",
    error: str | None = None,
    anomalous: bool = False,
) -> Verdict:
    """A verdict whose reasons add up to its score."""
    reasons = (
        Reason("amount_ratio", "amount", score * 0.62, "9 200.00", "830.00", "9 200.00 EUR, 11 times the usual 830.00"),
        Reason("country", "location", score * 0.27, "MT", "FR, BE", "Malta, never seen; usually France or Belgium"),
        Reason("hour", "time", score * 0.11, "03h", "9h to 19h", "at 3 in the morning, usually between 9h and 19h"),
    )
    return Verdict(
        detector="enhanced" if detector == "enhanced" else "basic",
        score=score,
        threshold=threshold,
        flagged=anomalous,
        severity=Severity.of(score),
        model_version="v12" if detector == "enhanced" else "v3",
        status=status,
        reasons=reasons if score else (),
        error=error,
    )


def row(sequence: int, *, merchant: str | None = None, status: Status = "ok") -> ScoredTransaction:
    """The row of that sequence: every 20th is anomalous, every 40th to both detectors."""
    anomalous = sequence % 20 == 0 and status == "ok"
    name, category, country, city, amount = _MERCHANTS[sequence % len(_MERCHANTS)]
    if anomalous:
        name, category, country, city, amount = "Sliema Coin Exchange", "crypto", "MT", "Sliema", "9200.00"
    enhanced = (0.98, 0.83, 0.91)[sequence // 20 % 3] if anomalous else 0.02 + sequence % 7 * 0.07
    basic = 0.77 if sequence % 40 == 0 else 0.04 + sequence % 5 * 0.08
    return ScoredTransaction(
        sequence=sequence,
        transaction=Transaction(
            transaction_id=f"t-{sequence:08}",
            user_id=f"u-{sequence * 37 % 1000:04}",
            amount=Decimal(amount),
            currency="JPY" if country == "JP" else "EUR",
            timestamp=NOON + timedelta(milliseconds=3 * sequence - 3000),
            location=Location(country=country, city=city, latitude=45.76, longitude=4.83),
            transaction_type="purchase",
            merchant=Merchant(id=f"m-{sequence % 5}", name=merchant or name, category=category),
            payment_method="card",
            device=Device(id="d-1", type="phone", ip="203.0.113.7"),
        ),
        verdicts=(
            verdict("basic", basic, threshold=0.6, status=status, anomalous=sequence % 40 == 0 and status == "ok"),
            verdict("enhanced", enhanced, status=status, anomalous=anomalous),
        ),
        stored_at=NOON,
        truth=GroundTruth(anomalous=anomalous, kind="amount_spike" if anomalous else None),
    )


WORKERS = (
    WorkerStatus(name="broker", state="running", detail="in memory", since=NOON - timedelta(minutes=12)),
    WorkerStatus(name="producer", state="running", detail="200/s", since=NOON - timedelta(minutes=12)),
    WorkerStatus(name="detectors", state="running", detail="4 partitions", since=NOON - timedelta(minutes=12)),
    WorkerStatus(name="frontend", state="stopped", essential=False, since=NOON - timedelta(minutes=12)),
)

QUIET = Snapshot(
    at=NOON,
    started_at=NOON - timedelta(minutes=12, seconds=4),
    rate=1284.0,
    lag=0,
    latency_p50=0.012,
    latency_p95=0.038,
    latency_p99=0.090,
    writer_queue=12,
    transactions=0,
    flagged={"enhanced": 25, "basic": 12},
    dead_letters=0,
    duplicates=3,
    late=1,
    offset_gaps=0,
    last_event_at=NOON,
    last_stored_at=NOON - timedelta(milliseconds=200),
    broker="Kafka, in memory",
    database="PostgreSQL 18, embedded",
    model_versions={"basic": "v3", "enhanced": "v12"},
    workers=WORKERS,
    partitions=tuple(PartitionStatus(number, "running", 12_400 + number, number, 3) for number in range(4)),
)

DEAD_LETTERS = (
    DeadLetter(
        topic="transactions",
        partition=2,
        offset=812,
        reason="amount: expected a number, got 'lots'",
        excerpt='{"transaction_id": "t-1", "amount": "lots"}',
        stored_at=NOON,
    ),
    DeadLetter(
        topic="transactions",
        partition=0,
        offset=97,
        reason="not JSON: unexpected end of data",
        excerpt='{"transaction_id"',
        stored_at=NOON - timedelta(minutes=2),
    ),
)


QUALITY = tuple(
    DetectorQuality(
        detector=detector,  # type: ignore[arg-type]
        labelled=12_000,
        anomalous=600,
        flagged=flagged,
        caught=caught,
        kinds=(
            KindRecall("amount_spike", 320, caught // 2),
            KindRecall("impossible_travel", 280, caught - caught // 2),
        ),
        bands=(ScoreBand(0.0, 11_000, 0.01, 90), ScoreBand(0.8, 200, 0.85, 166)),
        estimated=0.81,
    )
    for detector, flagged, caught in (("basic", 410, 300), ("enhanced", 520, 480))
)


class FakePort:
    """A console port over rows that a test adds."""

    def __init__(self, rows: Sequence[ScoredTransaction] = (), **changes: object) -> None:
        self.rows: list[ScoredTransaction] = []
        self.changes = changes
        self.missed = 0
        self.troubled = ""
        self.profiles_asked: list[str] = []
        self.users_asked: list[tuple[UserOrder, str, str]] = []
        self.controlled: list[tuple[str, WorkerAction]] = []
        self.control_error: Exception | None = None
        self.profile_error: Exception | None = None
        self.history_error: Exception | None = None
        self.stored: list[ScoredTransaction] = []
        self.triage_error: Exception | None = None
        self.anomalies_asked: list[str] = []
        self.explained: dict[str, Counterfactual] = {}
        self.history_asked: list[str] = []
        self.decisions = MemoryTriage(lambda: [*self.stored, *self.rows], lambda: NOON)
        self.decided: list[str] = []
        self._events: list[TriageEvent] = []
        self.timeline: list[TimelineEvent] = []
        self.log_lines = [
            LogLine(
                NOON + timedelta(seconds=number), "warning" if number % 9 == 0 else "info", "writer", f"batch {number}"
            )
            for number in range(60)
        ]
        self.add(rows)

    def add(self, rows: Sequence[ScoredTransaction]) -> None:
        """Commit rows."""
        self.rows.extend(rows)

    def snapshot(self) -> Snapshot:
        """The quiet engine with this port's changes."""
        changes = {"transactions": len(self.rows), "open_anomalies": self.decisions.open_now()} | self.changes
        return msgspec.structs.replace(QUIET, **changes)

    def trouble(self) -> str:
        """None, unless a test says so."""
        return self.troubled

    def watch(self, filter: Filter, rows: int) -> None:
        """Every row can be had."""

    def feed(self, after: int, limit: int) -> FeedSlice:
        """Newest rows."""
        newer = [row for row in self.rows if row.sequence > after]
        return FeedSlice(tuple(newer[-limit:]), self.missed + max(0, len(newer) - limit), _upto(newer, after))

    def anomalies(self, after: int, limit: int) -> FeedSlice:
        """Newest flagged rows."""
        newer = [row for row in self.rows if row.sequence > after and row.flagged]
        return FeedSlice(tuple(newer[-limit:]), max(0, len(newer) - limit), _upto(newer, after))

    def triage_changes(self, after: int, limit: int) -> tuple[TriageEvent, ...]:
        """What was decided."""
        return tuple(event for event in self._events if event.sequence > after)[:limit]

    def logs(self, limit: int) -> tuple[LogLine, ...]:
        """Newest lines."""
        return tuple(self.log_lines[-limit:])

    async def count_live(self, filter: Filter) -> LiveCount:
        """Of all rows."""
        return LiveCount(sum(map(filter.matches, self.rows)), len(self.rows))

    async def profile(self, user_id: str) -> ProfileView | None:
        """The same habits for everyone."""
        self.profiles_asked.append(user_id)
        if self.profile_error is not None:
            raise self.profile_error
        return profile(user_id)

    async def users(self, order: UserOrder, limit: int, prefix: str, filter: Filter) -> UserList:
        """The users of the rows that match; those with a high number are flagged most."""
        self.users_asked.append((order, prefix, filter.text))
        found = {row.transaction.user_id: user(row) for row in self.rows if filter.matches(row)}
        keys: dict[UserOrder, Callable[[UserSummary], object]] = {
            "flagged": lambda user: (-user.flagged, user.user_id),
            "last": lambda user: (NOON - user.last_at, user.user_id) if user.last_at else NOON,
            "id": lambda user: user.user_id,
        }
        ordered = sorted((each for each in found.values() if each.user_id.startswith(prefix)), key=keys[order])
        return UserList(tuple(ordered[:limit]), more=len(ordered) > limit)

    async def quality(self, since: datetime | None) -> tuple[DetectorQuality, ...]:
        """Better than live."""
        return tuple(msgspec.structs.replace(each, labelled=80_000) for each in QUALITY)

    async def compare_thresholds(self, since: datetime | None, cuts: Sequence[float]) -> tuple[Comparison, ...]:
        """Fewer at each."""
        scores = [Scores("enhanced", cell, cell > 2, cell > 3, 1_000 // cell) for cell in range(1, len(cuts) + 1)]
        return compared([*scores, Scores("enhanced", 0, False, None, 70_000)], cuts, 10.0)

    async def history(self, filter: Filter, limit: int) -> tuple[ScoredTransaction, ...]:
        """What was stored before this engine, and its own rows."""
        self.history_asked.append(filter.text)
        if self.history_error is not None:
            raise self.history_error
        found = [row for row in self.decisions.rows() if filter.matches(row)]
        return tuple(msgspec.structs.replace(row, sequence=-number) for number, row in enumerate(found[:limit], 1))

    async def stored_anomalies(
        self, filter: Filter, before: datetime | None, limit: int
    ) -> tuple[ScoredTransaction, ...]:
        """Flagged ones of them."""
        self.anomalies_asked.append(filter.text)
        found = [row for row in await self.history(filter, len(self.rows) + len(self.stored)) if row.flagged]
        return tuple(row for row in found if before is None or row.transaction.timestamp <= before)[:limit]

    async def triage_of(self, ids: Sequence[str]) -> dict[str, Triage]:
        """The decisions on these."""
        return await self.decisions.of(ids)

    async def triage_log(self, transaction_id: str) -> tuple[TriageEvent, ...]:
        """One transaction's log."""
        return await self.decisions.log(transaction_id)

    async def explain(self, transaction_id: str) -> Counterfactual | None:
        """What is told of this transaction."""
        return self.explained.get(transaction_id)

    async def decide(
        self,
        ids: Sequence[str],
        status: TriageStatus | None,
        until: datetime | None = None,
        note: str | None = None,
        *,
        by: str,
    ) -> Decision:
        """Decide, unless something is to go wrong."""
        if self.triage_error is not None:
            raise self.triage_error
        decision = await self.decisions.decide(ids, status, until, note, by)
        self.decided += [event.transaction_id for event in decision.events]
        self._tell(decision.events)
        return decision

    async def undo(self, by: str, step: int | None = None) -> Undone | None:
        """Take back a step."""
        undone = await self.decisions.undo(by, step)
        self._tell(undone.events if undone else ())
        return undone

    def _tell(self, events: Sequence[TriageEvent]) -> None:
        self._events.extend(events)
        after = {event.transaction_id: event.after for event in events}
        for index, row in enumerate(self.rows):
            if row.transaction.transaction_id in after:
                self.rows[index] = msgspec.structs.replace(row, triage=after[row.transaction.transaction_id])

    async def matching(self, filter: Filter, limit: int) -> tuple[str, ...]:
        """Open anomalies that match."""
        return await self.decisions.matching(filter, limit)

    async def count_matching(self, filter: Filter) -> int:
        """How many match."""
        return await self.decisions.count_matching(filter)

    async def dead_letters(self, limit: int) -> tuple[DeadLetter, ...]:
        """Two of them."""
        return DEAD_LETTERS[:limit]

    async def events(self, since: datetime | None, limit: int) -> tuple[TimelineEvent, ...]:
        """Those of the test."""
        found = [event for event in reversed(self.timeline) if since is None or event.at > since]
        return tuple(found[:limit])

    async def control(self, worker: str, action: WorkerAction) -> None:
        """The worker changes its state at once, unless something is to go wrong; one that is not there is an error."""
        if self.control_error is not None:
            raise self.control_error
        workers = {each.name: each for each in self.snapshot().workers}
        state = "stopped" if action == "stop" else "running"
        workers[worker] = msgspec.structs.replace(workers[worker], state=state)
        self.controlled.append((worker, action))
        self.changes["workers"] = tuple(workers.values())

    async def quit(self) -> None:
        """There is nothing to stop."""


def _upto(newer: Sequence[ScoredTransaction], after: int) -> int:
    return newer[-1].sequence if newer else after


def profile(user_id: str, seen: int = 214) -> ProfileView:
    """A user who shops in daytime in France."""
    return ProfileView(
        user_id=user_id,
        as_of=NOON,
        seen=seen,
        needed=30,
        mean_amount=830.0,
        sd_amount=120.5,
        per_day=2.1,
        threshold=0.72,
        recent_amounts=(*(20.0 + number * 37 % 90 for number in range(39)), 920.0),
        hours=tuple(0.0 if hour < 7 else (1 + hour % 6) / 60 for hour in range(24)),
        weekdays=(0.1, 0.2, 0.1, 0.15, 0.25, 0.2, 0.0),
        countries=(Share("FR", 190, 0.89), Share("BE", 20, 0.09), Share("ES", 4, 0.02)),
        categories=(Share("grocery", 90, 0.42), Share("bakery", 60, 0.28), Share("books", 30, 0.14)),
        merchants=(Share("Boulangerie Petit", 60, 0.28), Share("Casa del Libro", 30, 0.14)),
        devices=(Share("phone", 200, 0.93), Share("desktop", 14, 0.07)),
        payment_methods=(Share("card", 210, 0.98), Share("transfer", 4, 0.02)),
        flagged=3,
        thresholds=tuple(
            ThresholdAt(NOON - timedelta(hours=63 - number), 0.7 + 0.06 * abs(number % 20 - 10) / 10)
            for number in range(64)
        ),
    )


def user(row: ScoredTransaction) -> UserSummary:
    """The user of a row; every third is new."""
    number = int(row.transaction.user_id[2:])
    return UserSummary(
        user_id=row.transaction.user_id,
        seen=number % 30 if number % 3 == 0 else 200 + number,
        needed=30,
        flagged=number // 50,
        last_at=row.transaction.timestamp,
        mean_amount=12.5 * (1 + number % 80),
        currency=row.transaction.currency,
        threshold=0.7 + number % 10 / 100,
    )


def rows(count: int, first: int = 1) -> list[ScoredTransaction]:
    """Rows of consecutive sequences."""
    return [row(sequence) for sequence in range(first, first + count)]


BUSY = "u-0977"


def of_few_users(count: int = 400) -> list[ScoredTransaction]:
    """Every second transaction is of one user, minutes apart."""
    return [
        msgspec.structs.replace(
            each,
            transaction=msgspec.structs.replace(
                each.transaction,
                user_id=BUSY if number % 2 else f"u-{number % 90:04}",
                timestamp=each.transaction.timestamp - timedelta(minutes=7 * (count - number)),
            ),
        )
        for number, each in enumerate(rows(count))
    ]
