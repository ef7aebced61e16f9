"""How far one reader of the live feed has read, and how much it may be sent: an attached console, a client of the API.

Nothing is queued without a bound for a reader, and nothing waits for it: rows that it is too slow for are counted as
`missed`, and one that comes back with a `Mark` of the same engine goes on behind it.
"""

from typing import NamedTuple

from domain.engine import Snapshot


class Mark(NamedTuple):
    """How far a reader has read: of which engine, the sequence of its newest row, the newest line of the triage log.

    Rows of the feed and anomalies are numbered alike, so one number serves both. As text it is an event's id.
    """

    engine: str
    rows: int
    triage: int

    def __str__(self) -> str:
        return f"{self.engine}.{self.rows}.{self.triage}"


def mark_of(text: str) -> Mark:
    """The mark that is written so. Raises ValueError."""
    engine, rows, triage = text.split(".")
    if not engine.isalnum():
        raise ValueError("no engine has that name")
    return Mark(engine, int(rows), int(triage))


def engine_of(snapshot: Snapshot) -> str:
    """Which start of an engine it is from, in letters and digits."""
    return f"{snapshot.started_at:%Y%m%dT%H%M%S%f}"


class Allowance:
    """How many rows a reader may be sent: `rate` a second in the long run, and what it left unused of `burst` seconds.

    Source: the token bucket (Turner, "New directions in communications", IEEE Communications Magazine, 1986).
    """

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self._burst = burst
        self._left = rate * burst

    @property
    def left(self) -> int:
        """Rows that may go now."""
        return int(self._left)

    def grow(self, seconds: float) -> None:
        """Add what this much time allows, up to the burst."""
        self._left = min(self.rate * self._burst, self._left + self.rate * seconds)

    def take(self, wanted: int) -> int:
        """How many of `wanted` rows may go; they count as sent."""
        taken = min(wanted, self.left)
        self._left -= taken
        return taken
