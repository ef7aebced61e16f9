"""The live stream as server-sent events: one look at the engine's rings for all clients, a bounded queue for each.

A client that reads too slowly, or comes back too late, is told how many rows it missed. Nothing waits for it.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import cached_property
from typing import Literal, NamedTuple

import msgspec

from domain.filters import EVERYTHING, Filter
from domain.triage import Triage, TriageEvent
from domain.verdict import ScoredTransaction
from services.bus import ANOMALIES_SIZE, FEED_SIZE
from services.console_port import ConsolePort, Snapshot
from services.export import json_line, safe_json

Of = Literal["transactions", "anomalies"]

POLL_SECONDS = 0.1
STATUS_EVERY = 10
"""Polls from one `status` event to the next."""
QUEUE_ROWS = 5_000
EVENT_ROWS = 200
"""Rows of one event, of which a client gets one a poll: 2,000 a second, more than anybody or any browser can follow."""
QUEUE_TRIAGE = 5_000
CHANGES_AT_ONCE = 1_000
MAX_CLIENTS = 64
_RETRY = b"retry: 1000\n\n"


class Mark(NamedTuple):
    """How far a client has read: the engine, its newest row, the newest line of the triage log."""

    engine: str
    rows: int
    triage: int

    def __str__(self) -> str:
        return f"{self.engine}.{self.rows}.{self.triage}"


def mark_of(text: str) -> Mark:
    """The mark that an event's id holds. Raises ValueError."""
    engine, rows, triage = text.split(".")
    if not engine.isalnum():
        raise ValueError("no engine has that name")
    return Mark(engine, int(rows), int(triage))


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What a `status` event says; figures as in the snapshot."""

    at: datetime
    engine: str
    rate: float
    lag: int
    latency_p95: float
    transactions: int
    flagged: dict[str, int]
    open_anomalies: int | None
    database_up: bool
    last_stored_at: datetime | None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one transaction: the decision that holds now, None for none, and who took it when."""

    transaction_id: str
    triage: Triage | None
    action: str
    decided_by: str
    at: datetime
    step: int


class Row:
    """A row that is written as JSON once, when the first client wants it."""

    def __init__(self, row: ScoredTransaction) -> None:
        self.row = row
        self.sequence = row.sequence

    @cached_property
    def json(self) -> bytes:
        """As every row is written, without the end of the line."""
        return json_line(self.row)[:-1].encode()


class Line(NamedTuple):
    """A line of the triage log as JSON."""

    sequence: int
    json: bytes


class Client:
    """One reader of the stream: what it asked for, and what waits for it.

    `missed` counts all rows that it was too slow for.
    """

    def __init__(self, of: Of, filter: Filter, mark: Mark) -> None:
        self.of = of
        self.closed = False
        self.missed = 0
        self._filter = filter
        self._due = True
        self._rows: deque[Row] = deque(maxlen=QUEUE_ROWS)
        self._missed = 0
        self._triage: deque[Line] = deque()
        self._status = ""
        self._reset = ""
        self._offered = self._read = mark
        self._wake = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Rows that it has not taken yet."""
        return len(self._rows)

    def offer(self, rows: Sequence[Row], lost: int, mark: Mark) -> None:
        """Queue what matches of the rows up to `mark`; `lost` more left the ring before anybody could look at them."""
        if self.of == "anomalies":
            rows = [row for row in rows if row.row.flagged]
        if self._filter is not EVERYTHING:
            wants = self._filter.matches
            rows = [row for row in rows if wants(row.row)]
        dropped = max(0, len(self._rows) + len(rows) - QUEUE_ROWS)
        self._rows.extend(rows)
        self._missed += lost + dropped
        self.missed += lost + dropped
        self._offered = self._offered._replace(rows=mark.rows)
        self._due = True
        if self._rows or self._missed:
            self._wake.set()

    def tell(self, lines: Sequence[Line], mark: Mark) -> None:
        """Queue decisions up to `mark`; a client that does not take them has to begin anew."""
        self._triage.extend(lines)
        self._offered = self._offered._replace(triage=mark.triage)
        if len(self._triage) > QUEUE_TRIAGE:
            self.reset("slow")
        elif lines:
            self._wake.set()

    def inform(self, status: str) -> None:
        """Put this status in the place of the one it has not taken yet."""
        self._status = status
        self._wake.set()

    def reset(self, reason: str) -> None:
        """Tell it that what it has cannot be continued: nothing that waits for it is of use any more."""
        self._rows.clear()
        self._triage.clear()
        self._missed = 0
        self._reset = reason
        self._wake.set()

    def close(self) -> None:
        """End its stream."""
        self.closed = True
        self._wake.set()

    async def events(self) -> AsyncIterator[bytes]:
        """Server-sent events, until it is closed."""
        yield _RETRY
        while not self.closed:
            await self._wake.wait()
            self._wake.clear()
            while not self.closed and (event := self._next()):
                yield event

    def _next(self) -> bytes:
        """The next event that waits, empty when none does: what a reader must know first comes first."""
        if self._reset:
            reason, self._reset = self._reset, ""
            return self._event("reset", safe_json({"reason": reason}).encode())
        if self._due and (self._rows or self._missed):
            self._due = False
            return self._next_rows()
        if self._triage:
            lines = [self._triage.popleft() for _ in range(min(len(self._triage), EVENT_ROWS))]
            self._read = self._read._replace(triage=lines[-1].sequence)
            return self._event("triage", b'{"changes":[', b",".join(line.json for line in lines), b"]}")
        if self._status:
            status, self._status = self._status, ""
            return self._event("status", status.encode())
        return b""

    def _next_rows(self) -> bytes:
        rows = [self._rows.popleft() for _ in range(min(len(self._rows), EVENT_ROWS))]
        missed, self._missed = self._missed, 0
        if rows:
            self._read = self._read._replace(rows=rows[-1].sequence)
        told = self._event("missed", b'{"count":%d}' % missed) if missed else b""
        if not rows:
            return told
        several = b",".join([row.json for row in rows])
        return told + self._event("rows", b'{"rows":[', several, b'],"missed":%d}' % missed)

    def _event(self, name: str, *data: bytes) -> bytes:
        if not self._rows:
            self._read = self._read._replace(rows=self._offered.rows)
        if not self._triage:
            self._read = self._read._replace(triage=self._offered.triage)
        return b"".join((f"event: {name}\nid: {self._read}\ndata: ".encode(), *data, b"\n\n"))


class Hub:
    """Looks at the engine's rings for all clients, encodes each row once, and never waits for any of them."""

    def __init__(self, port: ConsolePort, engine: str) -> None:
        self._port = port
        self._clients: set[Client] = set()
        self.mark = Mark(engine, 0, 0)
        self._missed = 0

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
        new = self._port.feed(self.mark.rows, FEED_SIZE if self._clients else 1)
        changes = self._port.triage_changes(self.mark.triage, CHANGES_AT_ONCE)
        if new.rows:
            self.mark = self.mark._replace(rows=new.rows[-1].sequence)
        if changes:
            self.mark = self.mark._replace(triage=changes[-1].sequence)
        if self._clients:
            rows, lines = [Row(row) for row in new.rows], list(map(_line, changes))
            for client in self._clients:
                client.offer(rows, new.missed, self.mark)
                client.tell(lines, self.mark)

    def join(self, of: Of, filter: Filter, after: Mark | None) -> Client:
        """A new client, until it leaves, that goes on after `after` or from now on."""
        self.poll()
        client = Client(of, filter, self.mark)
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
            # The ring no longer tells how many there were.
            client.reset("late")
        else:
            client.offer([Row(row) for row in new.rows], new.missed, self.mark)
            client.tell(list(map(_line, changes)), self.mark)

    def leave(self, client: Client) -> None:
        """Forget a client."""
        self._missed += client.missed
        self._clients.discard(client)

    def close(self) -> None:
        """End all streams."""
        for client in self._clients:
            client.close()

    def _status(self) -> str:
        return safe_json(status_of(self._port.snapshot(), self.mark.engine))


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
        database_up=database_up(snapshot),
        last_stored_at=snapshot.last_stored_at,
    )


def database_up(snapshot: Snapshot) -> bool:
    """Whether PostgreSQL answered when it was asked last."""
    return any(worker.name == "database" and worker.state == "running" for worker in snapshot.workers)


def _line(event: TriageEvent) -> Line:
    change = Change(
        transaction_id=event.transaction_id,
        triage=event.after,
        action=event.action,
        decided_by=event.decided_by,
        at=event.at,
        step=event.step,
    )
    return Line(event.sequence, safe_json(change).encode())
