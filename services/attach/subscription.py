"""What one console has been sent of an engine, and what is still to be sent."""

import asyncio
from collections.abc import Sequence
from math import ceil

import msgspec

from domain.engine import LogLine
from domain.filters import EVERYTHING, Filter
from domain.verdict import ScoredTransaction
from services.attach.protocol import FeedPart, Place, Update, Watch, encode
from services.console.port import ConsolePort

BACKLOG = 2_000
"""Rows of each feed that a console gets when it comes, and of the transactions when it watches another filter."""
TESTED_AT_ONCE = 5_000
"""New rows that are held against a filter for one update; what is more came too fast for this console."""
USUAL_HZ = 4.0
"""Updates a second that the numbers of rows are meant for; with fewer or more, each has room for more or fewer."""
ANOMALIES_AT_ONCE = 50
"""Two hundred a second, which nobody can follow; those that do not go are counted."""
SAVED_UPDATES = 4
"""Updates whose unused room for rows is kept for a burst."""
_EVENTS_AT_ONCE = 500
_LOGS_AT_ONCE = 500
_RING = 20_000
_SLICE = 250
DEFAULT_ROWS = 20
MOST_ROWS = 500


class Allowance:
    """How many rows go into an update: `rows` at the usual pace, and what the last ones left unused.

    `left` is how many may go into the next one.
    """

    def __init__(self, rows: int, hz: float) -> None:
        self._rows = ceil(rows * USUAL_HZ / hz)
        self.left = self._rows * SAVED_UPDATES

    def take(self, wanted: int) -> int:
        """How many of `wanted` may go."""
        taken = min(wanted, self.left)
        self.left = min(self.left - taken + self._rows, self._rows * SAVED_UPDATES)
        return taken


class Subscription:
    """One console's view of `port`, which it has read up to `place`; without one it gets what is in the rings.

    It takes an update every `interval`, `hz` times a second as a rule.

    Nothing is queued for a console. Whenever it can take an update, that is made from the newest state, and what
    has left the rings, or is more than fits, is counted: a slow console costs no memory and holds up nobody.
    """

    def __init__(self, port: ConsolePort, place: Place | None, hz: float = USUAL_HZ) -> None:
        self._port = port
        self._hz = hz
        self._behind = False
        self._snapshot: dict[str, object] = {}
        self._filter: Filter = EVERYTHING
        self._allowance = Allowance(DEFAULT_ROWS, hz)
        self._rows = DEFAULT_ROWS
        self._anomalies_allowance = Allowance(ANOMALIES_AT_ONCE, hz)
        self._last_log: LogLine | None = None
        known = place is not None and place.started_at == port.snapshot().started_at
        self._feed_anew = self._anomalies_anew = not known
        if place is not None and known:
            self._feed, self._anomalies, self._triaged = place.feed, place.anomalies, place.triage
        else:
            self._feed = self._anomalies = 0
            # Rows carry the decisions on them, so only what is decided from now on has to be sent.
            recent = port.triage_changes(0, _RING)
            self._triaged = recent[-1].sequence if recent else 0

    def watch(self, watched: Watch) -> None:
        """Send rows that match this filter, from now on and those that the ring still holds."""
        rows = max(1, min(watched.rows, MOST_ROWS))
        if rows != self._rows:
            self._rows, self._allowance = rows, Allowance(rows, self._hz)
        if watched.filter.text != self._filter.text:
            self._filter = watched.filter
            self._feed_anew = True

    @property
    def interval(self) -> float:
        """Seconds from one update to the next: twice as many while the engine is behind, which has better to do."""
        return (2 if self._behind else 1) / self._hz

    async def update(self) -> Update:
        """What the console does not know yet."""
        feed = await self._refilled() if self._feed_anew else self._newer()
        anomalies = self._newer_anomalies(feed.rows)
        events = self._port.triage_changes(self._triaged, _EVENTS_AT_ONCE)
        if events:
            self._triaged = events[-1].sequence
        return Update(self._changes(), feed, anomalies, events, self._newer_logs())

    def _changes(self) -> dict[str, msgspec.Raw]:
        now = self._port.snapshot()
        self._behind = now.behind
        snapshot = msgspec.structs.asdict(now)
        changed = {name: value for name, value in snapshot.items() if self._snapshot.get(name, _UNKNOWN) != value}
        self._snapshot = snapshot
        return {name: msgspec.Raw(encode(value)) for name, value in changed.items()}

    async def _refilled(self) -> FeedPart:
        """The newest rows that match; `unmatched` are those between them."""
        self._feed_anew = False
        found = self._port.feed(0, _RING)
        self._feed = found.upto
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
        return FeedPart(self._feed, tuple(reversed(matching)), unmatched=unmatched, anew=True)

    def _newer(self) -> FeedPart:
        # Where all match, those that cannot be sent need no look.
        everything = self._filter is EVERYTHING
        found = self._port.feed(self._feed, self._allowance.left if everything else TESTED_AT_ONCE)
        self._feed = found.upto
        matching = found.rows if everything else [*filter(self._filter.matches, found.rows)]
        rows = _newest(matching, self._allowance.take(len(matching)))
        missed = found.missed + len(matching) - len(rows)
        return FeedPart(self._feed, rows, missed, unmatched=len(found.rows) - len(matching))

    def _newer_anomalies(self, sent: Sequence[ScoredTransaction]) -> FeedPart:
        """Those that are not among the rows that are sent anyway."""
        anew, self._anomalies_anew = self._anomalies_anew, False
        found = self._port.anomalies(self._anomalies, BACKLOG if anew else TESTED_AT_ONCE)
        self._anomalies = found.upto
        if anew:
            return FeedPart(self._anomalies, found.rows, anew=True)
        known = {row.sequence for row in sent if row.flagged}
        others = [row for row in found.rows if row.sequence not in known]
        rows = _newest(others, self._anomalies_allowance.take(len(others)))
        return FeedPart(self._anomalies, rows, found.missed + len(others) - len(rows))

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
