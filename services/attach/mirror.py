"""A console's copy of what its engine said."""

from collections import deque
from typing import Any, get_type_hints

import msgspec

from domain.engine import FeedSlice, LogLine, Snapshot
from services.attach.protocol import FeedPart, Update, decoder
from services.console.reader import Mark, engine_of
from services.console.recent import RecentEvents
from services.process.logs import RING_SIZE

MOST_ROWS = 20_000
MOST_PARTS = 2_000

_FIELDS: dict[str, "msgspec.msgpack.Decoder[Any]"] = {
    name: decoder(hint) for name, hint in get_type_hints(Snapshot).items()
}


class FeedParts:
    """The newest parts of a feed, numbered as they came. A place in it, as in `FeedSlice.upto`, is such a number."""

    def __init__(self) -> None:
        self._parts: deque[FeedPart] = deque()
        self._newest = 0
        self._rows = 0

    @property
    def upto(self) -> int:
        """The highest sequence number that the engine has announced."""
        return self._parts[-1].upto if self._parts else 0

    def add(self, part: FeedPart) -> None:
        """What came next."""
        if part.refill:
            self._parts.clear()
            self._rows = 0
        self._parts.append(part)
        self._newest += 1
        self._rows += len(part.rows)
        while len(self._parts) > MOST_PARTS or (self._rows > MOST_ROWS and len(self._parts) > 1):
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        oldest = self._parts.popleft()
        following = self._parts[0]
        self._rows -= len(oldest.rows)
        self._parts[0] = msgspec.structs.replace(
            following,
            missed=oldest.missed + len(oldest.rows) + following.missed,
            unmatched=oldest.unmatched + following.unmatched,
            refill=oldest.refill,
        )

    def since(self, after: int, limit: int) -> FeedSlice:
        """What came after the place `after`, the newest `limit` rows of it."""
        count = min(len(self._parts), max(0, self._newest - after))
        parts = [self._parts[len(self._parts) - number] for number in range(count, 0, -1)]
        rows = [row for part in parts for row in part.rows]
        missed = sum(part.missed for part in parts) + max(0, len(rows) - limit)
        unmatched = sum(part.unmatched for part in parts)
        refill = bool(parts) and parts[0].refill
        return FeedSlice(tuple(rows[max(0, len(rows) - limit) :]), missed, self._newest, unmatched, refill)


class Mirror:
    """Everything of an engine that a console reads without asking, as of the last update."""

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}
        self._snapshot: Snapshot | None = None
        self.feed = FeedParts()
        self.anomalies = FeedParts()
        self.events = RecentEvents()
        self.logs: deque[LogLine] = deque(maxlen=RING_SIZE)
        self._triaged = 0

    @property
    def snapshot(self) -> Snapshot:
        """The engine as it said it was; only after the first update."""
        assert self._snapshot is not None
        return self._snapshot

    @property
    def mark(self) -> Mark | None:
        """How far it goes, None before the first update."""
        if self._snapshot is None:
            return None
        return Mark(engine_of(self._snapshot), self.feed.upto, self._triaged)

    def apply(self, update: Update) -> None:
        """Take over what changed. Raises msgspec.MsgspecError."""
        self._fields |= {name: _FIELDS[name].decode(raw) for name, raw in update.snapshot.items() if name in _FIELDS}
        self._snapshot = Snapshot(**self._fields)
        self.feed.add(update.feed)
        self.anomalies.add(self._all_anomalies(update))
        self.events.add(update.events)
        if update.events:
            self._triaged = update.events[-1].sequence
        self.logs.extend(update.logs)

    def _all_anomalies(self, update: Update) -> FeedPart:
        part, known = update.anomalies, self.anomalies.upto
        if part.refill:
            return part
        rows = [*part.rows, *(row for row in update.feed.rows if row.flagged and row.sequence > known)]
        return msgspec.structs.replace(part, rows=tuple(sorted(rows, key=lambda row: row.sequence)))
