"""One reader of the live stream: how far it has read, what waits for it, and how that is written.

A client that reads too slowly, or comes back too late, is sent the number of rows it missed. Nothing waits for it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Literal, NamedTuple

from domain.filters import EVERYTHING, Filter
from domain.verdict import ScoredTransaction
from services.console.reader import Allowance, Mark
from services.records.export import json_line, safe_json

Of = Literal["transactions", "anomalies"]

QUEUE_ROWS = 5_000
EVENT_ROWS = 200
"""Rows of one event, of which a client gets one a poll."""
WORTH_AN_EVENT = 100
"""Rows that a client whose room is used up gets at a time: many small events cost more than a few."""
ROWS_A_SECOND = 1_000
"""What a client gets in the long run where there are few, more than anybody can follow."""
BURST_SECONDS = 2.0
"""A client gets what it did not use of so many seconds at once."""
QUEUE_TRIAGE = 5_000
_RETRY = b"retry: 1000\n\n"


class Encoded:
    """Rows as JSON, each written once for all clients."""

    def __init__(self) -> None:
        self._rows: dict[int, bytes] = {}

    def row(self, row: ScoredTransaction) -> bytes:
        """As every row is written, without the end of the line."""
        found = self._rows.get(row.sequence)
        if found is None:
            found = self._rows[row.sequence] = json_line(row)[:-1].encode()
            if len(self._rows) > QUEUE_ROWS:
                del self._rows[next(iter(self._rows))]
        return found


class Line(NamedTuple):
    """A line of the triage log as JSON, to be sent after the rows up to `after`, which may not carry it yet."""

    sequence: int
    json: bytes
    after: int


class Unsent:
    """Rows that wait, at most `most`, in the slices they came in: no row is touched before it is taken."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._slices: deque[Sequence[ScoredTransaction]] = deque()
        self._taken = 0
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def oldest(self) -> ScoredTransaction:
        """The next one. Raises IndexError."""
        return self._slices[0][self._taken]

    def extend(self, rows: Sequence[ScoredTransaction]) -> int:
        """Append rows; how many of the oldest had to be dropped for them."""
        if rows:
            self._slices.append(rows)
            self._length += len(rows)
        dropped = max(0, self._length - self._most)
        self._discard(dropped)
        return dropped

    def take(self, count: int) -> list[ScoredTransaction]:
        """The `count` oldest rows, or as many as there are."""
        taken: list[ScoredTransaction] = []
        while self._slices and len(taken) < count:
            rows = self._slices[0][self._taken : self._taken + count - len(taken)]
            taken += rows
            self._discard(len(rows))
        return taken

    def clear(self) -> None:
        """Drop all."""
        self._discard(self._length)

    def _discard(self, count: int) -> None:
        self._length -= count
        self._taken += count
        while self._slices and self._taken >= len(self._slices[0]):
            self._taken -= len(self._slices.popleft())


class Client:
    """One reader of the stream: its question, and the events that wait for it.

    `missed` counts all rows that it was too slow for.
    """

    def __init__(self, of: Of, filter: Filter, mark: Mark, encoded: Encoded) -> None:
        self.of = of
        self._encoded = encoded
        self.closed = False
        self.missed = 0
        self._filter = filter
        self._due = True
        self._allowance = Allowance(ROWS_A_SECOND, BURST_SECONDS)
        self._rows = Unsent(QUEUE_ROWS)
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

    def offer(
        self,
        rows: Sequence[ScoredTransaction],
        lost: int,
        mark: Mark,
        seconds: float = 0.0,
        rate: float = ROWS_A_SECOND,
    ) -> None:
        """Queue what matches of the rows up to `mark`, `seconds` after the rows before.

        `lost` more left the ring before anybody could look at them. The client gets `rate` rows a second.
        """
        if self.of == "anomalies":
            rows = [row for row in rows if row.flagged]
        if self._filter is not EVERYTHING:
            wants = self._filter.matches
            rows = [row for row in rows if wants(row)]
        dropped = self._rows.extend(rows)
        self._missed += lost + dropped
        self.missed += lost + dropped
        self._offered = self._offered._replace(rows=mark.rows)
        self._due = True
        self._allowance.rate = rate
        self._allowance.grow(seconds)
        if self._rows or self._missed:
            self._wake.set()

    def decided(self, lines: Sequence[Line], mark: Mark) -> None:
        """Queue decisions up to `mark`; a client that does not take them has to load everything again."""
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
        """Send a `reset`: what the client has cannot be continued, and what waits for it is dropped."""
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
        if self._due and (self._rows or self._missed) and self._allowance.left >= min(len(self._rows), WORTH_AN_EVENT):
            self._due = False
            return self._next_rows()
        if self._triage and (not self._rows or self._rows.oldest.sequence > self._triage[0].after):
            lines = [self._triage.popleft() for _ in range(min(len(self._triage), EVENT_ROWS))]
            self._read = self._read._replace(triage=lines[-1].sequence)
            return self._event("triage", b'{"changes":[', b",".join(line.json for line in lines), b"]}")
        if self._status:
            status, self._status = self._status, ""
            return self._event("status", status.encode())
        return b""

    def _next_rows(self) -> bytes:
        rows = self._rows.take(self._allowance.take(min(EVENT_ROWS, len(self._rows))))
        missed, self._missed = self._missed, 0
        if rows:
            self._read = self._read._replace(rows=rows[-1].sequence)
        notice = self._event("missed", b'{"count":%d}' % missed) if missed else b""
        if not rows:
            return notice
        several = b",".join(map(self._encoded.row, rows))
        return notice + self._event("rows", b'{"rows":[', several, b'],"missed":%d}' % missed)

    def _event(self, name: str, *data: bytes) -> bytes:
        if not self._rows:
            self._read = self._read._replace(rows=self._offered.rows)
        if not self._triage:
            self._read = self._read._replace(triage=self._offered.triage)
        return b"".join((f"event: {name}\nid: {self._read}\ndata: ".encode(), *data, b"\n\n"))
