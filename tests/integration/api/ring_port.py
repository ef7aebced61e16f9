"""An engine that is only its rings, and the API on a port of its own in front of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

from domain.engine import FeedSlice, Snapshot, WorkerStatus
from domain.transaction import Transaction
from domain.triage import Triage, TriageEvent, TriageStatus
from domain.verdict import Severity, Verdict
from services.access import Access
from services.api.server import ApiServer
from services.console.bus import Bus
from services.process.supervisor import Supervisor
from services.store.batch import StoredRow
from services.store.store import Store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class RingPort:
    """As much of a console port as the stream looks at, onto a bus without an engine."""

    def __init__(self) -> None:
        self.bus = Bus()
        self.events: list[TriageEvent] = []
        self.lag = 0

    def feed(self, after: int, limit: int) -> FeedSlice:
        return self.bus.newest(after, limit)

    def anomalies(self, after: int, limit: int) -> FeedSlice:
        return self.bus.anomalies.since(after, limit)

    def triage_changes(self, after: int, limit: int) -> tuple[TriageEvent, ...]:
        return tuple(event for event in self.events if event.sequence > after)[:limit]

    def snapshot(self) -> Snapshot:
        return Snapshot(
            at=NOW,
            started_at=NOW,
            rate=0,
            lag=self.lag,
            latency_p50=0,
            latency_p95=0,
            latency_p99=0,
            writer_queue=0,
            transactions=self.bus.transactions,
            flagged={},
            dead_letters=0,
            duplicates=0,
            late=0,
            offset_gaps=0,
            last_event_at=None,
            last_stored_at=None,
            broker="",
            database="",
            model_versions={},
            workers=(WorkerStatus(name="database", state="running"),),
        )

    def publish(self, count: int, *, flagged: bool = False, user: str = "a") -> None:
        """Commit `count` more transactions; ids are the sequence numbers."""
        first = self.bus.transactions + 1
        verdict = Verdict(
            detector="basic",
            score=0.95 if flagged else 0.1,
            threshold=0.9,
            flagged=flagged,
            severity=Severity.CRITICAL if flagged else Severity.NORMAL,
            model_version="1",
        )
        self.bus.publish(
            [StoredRow(n, transaction(n, user), (verdict,), None) for n in range(first, first + count)], ()
        )

    def decide(self, number: int) -> None:
        """Confirm the transaction of this number."""
        ident, sequence = str(number), len(self.events) + 1
        decision = Triage(transaction_id=ident, status=TriageStatus.CONFIRMED, decided_by="ann", decided_at=NOW)
        self.events.append(
            TriageEvent(
                sequence=sequence,
                at=NOW,
                decided_by="ann",
                action="confirmed",
                transaction_id=ident,
                before=None,
                after=decision,
                step=sequence,
            )
        )


def transaction(number: int, user: str) -> Transaction:
    return Transaction(transaction_id=str(number), user_id=user, amount=Decimal(1), currency="EUR", timestamp=NOW)


@asynccontextmanager
async def serving(port: RingPort, store: Store, access: Access) -> AsyncIterator[ApiServer]:
    """The API in front of it, under a supervisor."""
    api = ApiServer(access)
    api.reserve()
    api.serve(port, store, port.bus)  # type: ignore[arg-type]
    supervisor = Supervisor()
    supervisor.add(api)
    await supervisor.start()
    try:
        yield api
    finally:
        await supervisor.stop()
