"""What the console pulls from the engine, once per interval."""

from services.console_port import ConsolePort, Snapshot
from tui.lag import LagTrend
from tui.rows import CAPACITY, Window

PULL_LIMIT = 5_000
ANOMALIES_CAPACITY = 5_000


class Intake:
    """The engine's newest snapshot, and windows on its two feeds.

    `missed` counts transactions that left the engine's ring, or exceeded `PULL_LIMIT`, before they were
    pulled: stored, but never shown here.
    """

    def __init__(self, port: ConsolePort, capacity: int = CAPACITY) -> None:
        self.port = port
        self.feed = Window(capacity)
        self.anomalies = Window(ANOMALIES_CAPACITY)
        self.snapshot: Snapshot = port.snapshot()
        self.missed = 0
        self.lag = LagTrend()
        self._feed_after = 0
        self._anomalies_after = 0

    def pull(self) -> None:
        """Take the snapshot and everything newer than the last pull."""
        self.snapshot = self.port.snapshot()
        self.lag.add(self.snapshot)
        feed = self.port.feed(self._feed_after, PULL_LIMIT)
        if feed.rows:
            if self._feed_after:
                self.missed += feed.missed
            self.feed.ring.extend(feed.rows)
            self._feed_after = feed.rows[-1].sequence
        anomalies = self.port.anomalies(self._anomalies_after, PULL_LIMIT)
        if anomalies.rows:
            self.anomalies.ring.extend(anomalies.rows)
            self._anomalies_after = anomalies.rows[-1].sequence

    def step(self) -> bool:
        """Bring both windows up to date, one slice each; False when rows are left to test."""
        feed_done = self.feed.step()
        return self.anomalies.step() and feed_done

    @property
    def frozen(self) -> bool:
        """Whether the feeds keep what they show."""
        return self.feed.frozen

    def freeze(self, frozen: bool) -> None:
        """Freeze both feeds, or let them move again; the engine is not touched."""
        self.feed.freeze(frozen)
        self.anomalies.freeze(frozen)

    @property
    def warming(self) -> bool:
        """Whether the newest verdict was given by a detector that still learns."""
        ring = self.feed.ring
        verdict = ring[len(ring) - 1].verdict if len(ring) else None
        return verdict is not None and verdict.status == "warming"
