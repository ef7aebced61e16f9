"""What one console has been sent of an engine, and what is still to be sent."""

import asyncio
from collections.abc import Sequence

import msgspec

from domain.engine import FeedSlice, LogLine
from domain.filters import EVERYTHING, Filter
from domain.verdict import ScoredTransaction
from services.attach.protocol import FeedPart, Update, Watch, encode
from services.console.port import ConsolePort
from services.console.reader import Allowance, Mark, engine_of

BACKLOG = 2_000
"""Rows of each feed that a console gets when it comes, and of the transactions when it watches another filter."""
TESTED_AT_ONCE = 5_000
"""New rows that are tested against a filter for one update; any more came too fast for this console."""
USUAL_HZ = 4.0
"""Updates a second that the numbers of rows are meant for; with fewer or more, each has room for more or fewer."""
ANOMALIES_AT_ONCE = 50
"""Two hundred a second, which nobody can follow; those that do not go are counted."""
SAVED_UPDATES = 4
"""Updates whose unused allowance of rows is kept for a burst."""
_EVENTS_AT_ONCE = 500
_LOGS_AT_ONCE = 500
_RING = 20_000
_SLICE = 250
DEFAULT_ROWS = 20
MOST_ROWS = 500


class Subscription:
    """One console's view of `port`, which it has read up to `after`; without one it gets what is in the rings.

    It takes an update every `interval`, `hz` times a second as a rule.

    Nothing is queued for a console. Whenever it can take an update, that is made from the newest state, and what
    has left the rings, or is more than fits, is counted: a slow console costs no memory and holds up nobody.
    """

    def __init__(self, port: ConsolePort, after: Mark | None, hz: float = USUAL_HZ) -> None:
        self._port = port
        self._hz = hz
        self._behind = False
        self._snapshot: dict[str, object] = {}
        self._filter: Filter = EVERYTHING
        self._rows = DEFAULT_ROWS
        self._allowance = self._allowance_of(DEFAULT_ROWS)
        self._anomalies_allowance = self._allowance_of(ANOMALIES_AT_ONCE)
        self._last_log: LogLine | None = None
        self._refill_feed = self._refill_anomalies = after is None or after.engine != engine_of(port.snapshot())
        if after is None or self._refill_feed:
            # Rows carry the decisions on them, so only what is decided from now on has to be sent.
            recent = port.triage_changes(0, _RING)
            self._read, self._triaged = 0, recent[-1].sequence if recent else 0
        else:
            self._read, self._triaged = after.rows, after.triage

    def _allowance_of(self, rows: int) -> Allowance:
        return Allowance(rows * USUAL_HZ, SAVED_UPDATES / self._hz)

    def watch(self, watched: Watch) -> None:
        """Send rows that match this filter, from now on and those that the ring still holds."""
        rows = max(1, min(watched.rows, MOST_ROWS))
        if rows != self._rows:
            self._rows, self._allowance = rows, self._allowance_of(rows)
        if watched.filter.text != self._filter.text:
            self._filter = watched.filter
            self._refill_feed = True

    @property
    def interval(self) -> float:
        """Seconds from one update to the next: twice as many while the engine is behind, which has better to do."""
        return (2 if self._behind else 1) / self._hz

    async def update(self) -> Update:
        """What the console does not know yet."""
        self._allowance.grow(1 / self._hz)
        self._anomalies_allowance.grow(1 / self._hz)
        newer, anomalies = self._newest_of_both()
        feed = await self._refilled(newer) if self._refill_feed else self._newer(newer)
        self._refill_feed = False
        found = self._newer_anomalies(anomalies, feed.rows)
        self._refill_anomalies = False
        events = self._port.triage_changes(self._triaged, _EVENTS_AT_ONCE)
        if events:
            self._triaged = events[-1].sequence
        return Update(self._changes(), feed, found, events, self._newer_logs())

    def _changes(self) -> dict[str, msgspec.Raw]:
        now = self._port.snapshot()
        self._behind = now.behind
        snapshot = msgspec.structs.asdict(now)
        changed = {name: value for name, value in snapshot.items() if self._snapshot.get(name, _UNKNOWN) != value}
        self._snapshot = snapshot
        return {name: msgspec.Raw(encode(value)) for name, value in changed.items()}

    def _newest_of_both(self) -> tuple[FeedSlice, FeedSlice]:
        """What is new of the feed and of the anomalies, both up to the same row."""
        if self._refill_feed:
            after, limit = 0, _RING
        else:
            # Where every row matches, only those that can be sent have to be read.
            after, limit = self._read, self._allowance.left if self._filter is EVERYTHING else TESTED_AT_ONCE
        newer = self._port.feed(after, limit)
        anomalies = self._port.anomalies(self._read, BACKLOG if self._refill_anomalies else TESTED_AT_ONCE)
        self._read = newer.upto
        return newer, anomalies

    async def _refilled(self, found: FeedSlice) -> FeedPart:
        """The newest rows that match; `unmatched` are those between them."""
        matching: list[ScoredTransaction] = []
        unmatched = 0
        for number, row in enumerate(reversed(found.rows), start=1):
            if self._filter.matches(row):
                matching.append(row)
                if len(matching) == BACKLOG:
                    break
            else:
                unmatched += 1
            if number % _SLICE == 0:
                await asyncio.sleep(0)
        return FeedPart(found.upto, tuple(reversed(matching)), unmatched=unmatched, refill=True)

    def _newer(self, found: FeedSlice) -> FeedPart:
        everything = self._filter is EVERYTHING
        matching = found.rows if everything else [*filter(self._filter.matches, found.rows)]
        rows = _newest(matching, self._allowance.take(len(matching)))
        missed = found.missed + len(matching) - len(rows)
        return FeedPart(found.upto, rows, missed, unmatched=len(found.rows) - len(matching))

    def _newer_anomalies(self, found: FeedSlice, sent: Sequence[ScoredTransaction]) -> FeedPart:
        """Those that are not among the rows that are sent anyway."""
        if self._refill_anomalies:
            return FeedPart(self._read, found.rows, refill=True)
        known = {row.sequence for row in sent if row.flagged}
        others = [row for row in found.rows if row.sequence not in known]
        rows = _newest(others, self._anomalies_allowance.take(len(others)))
        return FeedPart(self._read, rows, found.missed + len(others) - len(rows))

    def _newer_logs(self) -> tuple[LogLine, ...]:
        newer: list[LogLine] = []
        for line in reversed(self._port.logs(_LOGS_AT_ONCE)):
            if line is self._last_log:
                break
            newer.append(line)
        if newer:
            self._last_log = newer[0]
        return tuple(reversed(newer))


_UNKNOWN = object()


def _newest(rows: Sequence[ScoredTransaction], count: int) -> tuple[ScoredTransaction, ...]:
    return tuple(rows[len(rows) - count :])
