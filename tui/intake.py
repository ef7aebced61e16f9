"""What the console pulls from the engine, once per interval."""

import msgspec

from domain.engine import Snapshot
from domain.triage import Triage
from domain.verdict import ScoredTransaction
from services.console.port import ConsolePort
from tui.lag import LagTrend
from tui.lists.window import CAPACITY, Ring, Window

PULL_LIMIT = 5_000
ROWS = 20
"""Rows of the feed that are wanted at a time where nobody has said how many fit."""
ANOMALIES_CAPACITY = 5_000
TRIAGE_CAPACITY = 20_000
TRIAGE_LIMIT = 500
"""Decisions taken over at one pull: each has to find its row in every window."""


class Intake:
    """The engine's newest snapshot, and windows on its two feeds: `triage` is another one on the anomalies, in which
    those that were stored before stand as well.

    `missed` counts transactions that left the engine's ring, exceeded `PULL_LIMIT`, or were more than an engine
    elsewhere sends for the `rows` that can be shown: stored, but never shown here. `missed_anomalies` are those of
    them that were flagged. `trouble` says why the engine is not heard from, `engines` counts those seen.
    """

    def __init__(self, port: ConsolePort, capacity: int = CAPACITY) -> None:
        self.port = port
        self.feed = Window(capacity)
        self.anomalies = Window(ANOMALIES_CAPACITY)
        self.triage = Window(TRIAGE_CAPACITY)
        self.snapshot: Snapshot = port.snapshot()
        self.missed = 0
        self.missed_anomalies = 0
        self.rows = ROWS
        self.trouble = ""
        self.engines = 1
        self.lag = LagTrend()
        self._feed_after = 0
        self._anomalies_after = 0
        self.triaged = 0

    def pull(self) -> None:
        """Take the snapshot and everything newer than the last pull."""
        self.port.watch(self.feed.filter, self.rows)
        self.trouble = self.port.trouble()
        self._take_snapshot(self.port.snapshot())
        feed = self.port.feed(self._feed_after, PULL_LIMIT)
        if feed.anew:
            self.feed.refill(feed.rows, feed.unmatched)
        else:
            if self._feed_after:
                self.missed += feed.missed
            self.feed.ring.extend(feed.rows)
            self.feed.elsewhere += feed.unmatched
        self._feed_after = feed.upto
        anomalies = self.port.anomalies(self._anomalies_after, PULL_LIMIT)
        for window in (self.anomalies, self.triage):
            if anomalies.anew:
                window.refill(anomalies.rows)
            else:
                window.ring.extend(anomalies.rows)
        if self._anomalies_after and not anomalies.anew:
            self.missed_anomalies += anomalies.missed
        self._anomalies_after = anomalies.upto
        events = self.port.triage_changes(self.triaged, TRIAGE_LIMIT)
        if events:
            self.triaged = events[-1].sequence
            self._decide({event.transaction_id: event.after for event in events})

    def _take_snapshot(self, snapshot: Snapshot) -> None:
        if snapshot.started_at != self.snapshot.started_at:
            self.engines += 1
            self.freeze(False)
            self.triaged = 0
            self.lag = LagTrend()
        self.snapshot = snapshot
        self.lag.add(snapshot)

    def _decide(self, decisions: dict[str, Triage | None]) -> None:
        """Put what was decided on the rows that are held."""
        anomalies: set[str] = set()
        for window in (self.anomalies, self.triage):
            for row in _decided(window.ring, decisions):
                window.replace(row)
                anomalies.add(row.transaction.transaction_id)
                # The feed is long: an anomaly is found there by its sequence.
                if self.feed.ring.holds(row.sequence):
                    self.feed.replace(row)
        others = {ident: triage for ident, triage in decisions.items() if ident not in anomalies}
        if others:
            for row in _decided(self.feed.ring, others):
                self.feed.replace(row)

    def step(self) -> bool:
        """Bring the windows up to date, one slice each; False when rows are left to test."""
        done = [window.step() for window in (self.feed, self.anomalies, self.triage)]
        return all(done)

    @property
    def frozen(self) -> bool:
        """Whether the feeds keep what they show."""
        return self.feed.frozen

    def freeze(self, frozen: bool) -> None:
        """Freeze the feeds, or let them move again; the engine is not touched."""
        for window in (self.feed, self.anomalies, self.triage):
            window.freeze(frozen)

    @property
    def warming(self) -> bool:
        """Whether the newest verdict was given by a detector that still learns."""
        ring = self.feed.ring
        verdict = ring[len(ring) - 1].verdict if len(ring) else None
        return verdict is not None and verdict.status == "warming"


def _decided(ring: Ring, decisions: dict[str, Triage | None]) -> list[ScoredTransaction]:
    """The rows of a ring that were decided on, with their decision."""
    return [
        msgspec.structs.replace(row, triage=decisions[row.transaction.transaction_id])
        for row in ring
        if row.transaction.transaction_id in decisions
    ]
