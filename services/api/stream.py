"""The live stream as server-sent events: one look at the engine's rings for all clients."""

import asyncio
import itertools
import time
from collections.abc import Callable
from datetime import datetime

import msgspec

from domain.clock import Clock
from domain.engine import Snapshot
from domain.filters import Filter
from domain.triage import Triage, TriageEvent
from services.api.client import QUEUE_TRIAGE, ROWS_A_SECOND, Client, Encoded, Line, Of
from services.console.bus import ANOMALIES_SIZE, FEED_SIZE
from services.console.port import ConsolePort
from services.console.reader import Mark, engine_of
from services.records.export import safe_json

POLL_SECONDS = 0.1
ALL_ROWS_A_SECOND = 6_000
"""What all clients get together, shared evenly: what streams cost the engine has a bound, however many there are."""
BUSY_ROWS_A_SECOND = 1_000
"""Rows a second of all clients together while the engine is behind."""
STATUS_EVERY = 10
"""Polls from one `status` event to the next."""
CHANGES_AT_ONCE = 1_000
MAX_CLIENTS = 64


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What a `status` event says; figures as in the snapshot.

    `clock_says` is the stream's clock for people, empty where it is the wall's; `budget_says` is what the budget holds
    back, empty without one.
    """

    at: datetime
    engine: str
    rate: float
    lag: int
    latency_p95: float
    transactions: int
    flagged: dict[str, int]
    open_anomalies: int | None
    over_budget: int | None
    budget_says: str
    database_up: bool
    last_stored_at: datetime | None
    clock: Clock
    clock_says: str


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one transaction: the decision that holds now, None for none, and who took it when."""

    transaction_id: str
    triage: Triage | None
    action: str
    decided_by: str
    at: datetime
    step: int


class Hub:
    """Looks at the engine's rings for all clients, encodes each row once, and never waits for any of them."""

    def __init__(self, port: ConsolePort, clock: Callable[[], float] = time.monotonic) -> None:
        self._port = port
        self._clock = clock
        self._polled_at = clock()
        self._clients: set[Client] = set()
        self._encoded = Encoded()
        self.mark = Mark(engine_of(port.snapshot()), 0, 0)
        self._missed = 0
        self._behind = False

    @property
    def missed(self) -> int:
        """Rows that clients were too slow for, of all clients there were."""
        return self._missed + sum(client.missed for client in self._clients)

    @property
    def clients(self) -> int:
        """How many read the stream now."""
        return len(self._clients)

    async def run(self) -> None:
        """Look every `POLL_SECONDS`, until cancelled."""
        for number in itertools.count():
            self.poll()
            if self._clients and number % STATUS_EVERY == 0:
                status = self._status()
                for client in self._clients:
                    client.inform(status)
            await asyncio.sleep(POLL_SECONDS)

    def poll(self) -> None:
        """Offer every client what is new. Without clients it only takes note of how far the engine is."""
        now = self._clock()
        seconds, self._polled_at = now - self._polled_at, now
        new = self._port.feed(self.mark.rows, FEED_SIZE if self._clients else 1)
        changes = self._port.triage_changes(self.mark.triage, CHANGES_AT_ONCE)
        if new.rows:
            self.mark = self.mark._replace(rows=new.rows[-1].sequence)
        if changes:
            self.mark = self.mark._replace(triage=changes[-1].sequence)
        if self._clients:
            lines = [_line(event, self.mark.rows) for event in changes]
            together = BUSY_ROWS_A_SECOND if self._behind else ALL_ROWS_A_SECOND
            rate = min(ROWS_A_SECOND, together / len(self._clients))
            for client in self._clients:
                client.offer(new.rows, new.missed, self.mark, seconds, rate)
                client.decided(lines, self.mark)

    def join(self, of: Of, filter: Filter, after: Mark | None) -> Client:
        """A new client, until it leaves, that goes on after `after` or from now on."""
        self.poll()
        client = Client(of, filter, self.mark, self._encoded)
        if after is not None and after.engine != self.mark.engine:
            client.reset("engine")
        elif after is not None:
            self._catch_up(client, after)
        client.inform(self._status())
        self._clients.add(client)
        return client

    def _catch_up(self, client: Client, after: Mark) -> None:
        changes = self._port.triage_changes(after.triage, QUEUE_TRIAGE)
        if client.of == "transactions":
            new = self._port.feed(after.rows, FEED_SIZE)
        else:
            new = self._port.anomalies(after.rows, ANOMALIES_SIZE)
        if len(changes) == QUEUE_TRIAGE or (client.of == "anomalies" and len(new.rows) == ANOMALIES_SIZE):
            # The ring no longer holds them all, so their number is unknown.
            client.reset("late")
        else:
            client.offer(new.rows, new.missed, self.mark)
            client.decided([_line(event, self.mark.rows) for event in changes], self.mark)

    def leave(self, client: Client) -> None:
        """Forget a client."""
        self._missed += client.missed
        self._clients.discard(client)

    def close(self) -> None:
        """End all streams."""
        for client in self._clients:
            client.close()

    def _status(self) -> str:
        """The `status` event of each second; it takes note of whether the engine is behind."""
        snapshot = self._port.snapshot()
        self._behind = snapshot.behind
        return safe_json(status_of(snapshot, self.mark.engine))


def status_of(snapshot: Snapshot, engine: str) -> Status:
    """The little of a snapshot that everybody wants each second."""
    return Status(
        at=snapshot.at,
        engine=engine,
        rate=snapshot.rate,
        lag=snapshot.lag,
        latency_p95=snapshot.latency_p95,
        transactions=snapshot.transactions,
        flagged=snapshot.flagged,
        open_anomalies=snapshot.open_anomalies,
        over_budget=snapshot.over_budget,
        budget_says=snapshot.budget_says,
        database_up=database_up(snapshot),
        last_stored_at=snapshot.last_stored_at,
        clock=snapshot.clock,
        clock_says=snapshot.clock.sentence,
    )


def database_up(snapshot: Snapshot) -> bool:
    """Whether PostgreSQL answered when it was asked last."""
    return _is_up(snapshot, "database")


def broker_up(snapshot: Snapshot) -> bool:
    """Whether Kafka answered when it was asked last."""
    return _is_up(snapshot, "broker")


def _is_up(snapshot: Snapshot, server: str) -> bool:
    return any(worker.name == server and worker.state == "running" for worker in snapshot.workers)


def _line(event: TriageEvent, after: int) -> Line:
    change = Change(
        transaction_id=event.transaction_id,
        triage=event.after,
        action=event.action,
        decided_by=event.decided_by,
        at=event.at,
        step=event.step,
    )
    return Line(event.sequence, safe_json(change).encode(), after)
