"""What the console pulls from the engine, once per interval."""

import msgspec

from domain.engine import Snapshot
from domain.triage import Triage
from domain.verdict import ScoredTransaction
from services.console.port import ConsolePort
from tui.lag import LagTrend
from tui.lists.buffer import CAPACITY, RowBuffer
from tui.lists.window import Window

PULL_LIMIT = 5_000
ROWS_ON_SCREEN = 20
"""Rows of the feed to ask for before the size of the screen is known."""
ANOMALIES_CAPACITY = 5_000
TRIAGE_CAPACITY = 20_000
TRIAGE_LIMIT = 500
"""Triage events taken at one pull. Each has to find its row in every window, which takes time."""


class Intake:
    """The engine's newest snapshot, and three windows on what it committed.

    `feed` has every transaction and `anomalies` the flagged ones. `triage_queue` has the flagged ones too, together
    with older ones from the database.

    `missed` counts transactions that are stored but were never shown here: the console pulled too late or more than
    `PULL_LIMIT`, or an engine in another process sent no more than `rows_on_screen`. While the engine catches up nobody
    expects to see them all, and none is counted. `missed_anomalies` counts the flagged ones among them. `trouble` says
    why the engine does not answer and is empty while it does. `engines` counts the engines seen, `triage_sequence` is
    the number of the newest triage event.
    """

    def __init__(self, port: ConsolePort, capacity: int = CAPACITY) -> None:
        self.port = port
        self.feed = Window(capacity)
        self.anomalies = Window(ANOMALIES_CAPACITY)
        self.triage_queue = Window(TRIAGE_CAPACITY)
        self.snapshot: Snapshot = port.snapshot()
        self.missed = 0
        self.missed_anomalies = 0
        self.rows_on_screen = ROWS_ON_SCREEN
        self.trouble = ""
        self.engines = 1
        self.lag = LagTrend()
        self._feed_after = 0
        self._anomalies_after = 0
        self.triage_sequence = 0

    def pull(self) -> None:
        """Take the newest snapshot, and every row and triage event since the last pull."""
        self.port.watch(self.feed.filter, self.rows_on_screen)
        self.trouble = self.port.trouble()
        caught_up = not self.snapshot.catching_up
        self._take_snapshot(self.port.snapshot())
        feed = self.port.feed(self._feed_after, PULL_LIMIT)
        if feed.refill:
            self.feed.refill(feed.rows, feed.unmatched)
        else:
            if self._feed_after and caught_up:
                self.missed += feed.missed
            self.feed.buffer.extend(feed.rows)
            self.feed.unmatched += feed.unmatched
        self._feed_after = feed.upto
        anomalies = self.port.anomalies(self._anomalies_after, PULL_LIMIT)
        for window in (self.anomalies, self.triage_queue):
            if anomalies.refill:
                window.refill(anomalies.rows)
            else:
                window.buffer.extend(anomalies.rows)
        if self._anomalies_after and not anomalies.refill:
            self.missed_anomalies += anomalies.missed
        self._anomalies_after = anomalies.upto
        events = self.port.triage_changes(self.triage_sequence, TRIAGE_LIMIT)
        if events:
            self.triage_sequence = events[-1].sequence
            self._decide({event.transaction_id: event.after for event in events})

    def _take_snapshot(self, snapshot: Snapshot) -> None:
        if snapshot.started_at != self.snapshot.started_at:
            self.engines += 1
            self.freeze(False)
            self.triage_sequence = 0
            self.lag = LagTrend()
        self.snapshot = snapshot
        self.lag.add(snapshot)

    def _decide(self, decisions: dict[str, Triage | None]) -> None:
        """Update the rows that were decided on."""
        anomalies: set[str] = set()
        for window in (self.anomalies, self.triage_queue):
            for row in _decided(window.buffer, decisions):
                window.replace(row)
                anomalies.add(row.transaction.transaction_id)
                # The feed is long: an anomaly is found there by its sequence.
                if self.feed.buffer.holds(row.sequence):
                    self.feed.replace(row)
        others = {ident: triage for ident, triage in decisions.items() if ident not in anomalies}
        if others:
            for row in _decided(self.feed.buffer, others):
                self.feed.replace(row)

    def step(self) -> bool:
        """Test new rows, one slice for each window; False when some are still untested."""
        done = [window.step() for window in (self.feed, self.anomalies, self.triage_queue)]
        return all(done)

    @property
    def frozen(self) -> bool:
        """Whether the lists hold still."""
        return self.feed.frozen

    def freeze(self, frozen: bool) -> None:
        """Hold the lists still, or let them move again. The engine goes on either way."""
        for window in (self.feed, self.anomalies, self.triage_queue):
            window.freeze(frozen)

    @property
    def warming(self) -> bool:
        """Whether the newest verdict came from a detector that is warming up."""
        buffer = self.feed.buffer
        verdict = buffer[len(buffer) - 1].verdict if len(buffer) else None
        return verdict is not None and verdict.status == "warming"


def _decided(buffer: RowBuffer, decisions: dict[str, Triage | None]) -> list[ScoredTransaction]:
    """The rows that were decided on, with their decision."""
    return [
        msgspec.structs.replace(row, triage=decisions[row.transaction.transaction_id])
        for row in buffer
        if row.transaction.transaction_id in decisions
    ]
