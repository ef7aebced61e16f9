"""What time it is for a stream: the wall's time, or its own."""

from datetime import datetime
from typing import Literal

import msgspec

ClockKind = Literal["live", "replay", "simulation"]

MOVING = 1.05
"""A stream's clock at up to this many times the wall's pace is not said to run faster."""


class Clock(msgspec.Struct, frozen=True):
    """The clock of what is being read: the wall's on a `live` topic, else the stream's own, which stands at `at`.

    `speed` is seconds of the stream in one of the wall, lately; None while it stands still or is not known.
    """

    kind: ClockKind = "live"
    at: datetime | None = None
    speed: float | None = None

    def now(self, wall: datetime) -> datetime:
        """What time it is for the stream when it is `wall` on the wall."""
        return wall if self.at is None else self.at

    @property
    def sentence(self) -> str:
        """For people; empty on a live topic."""
        if self.at is None:
            return ""
        name = "sim" if self.kind == "simulation" else self.kind
        speed = "" if self.speed is None or self.speed < MOVING else f" x{_rounded(self.speed)}"
        return f"{name} {self.at:%Y-%m-%d %H:%M}{speed}"


LIVE = Clock()


def _rounded(speed: float) -> str:
    """Two digits that count: it is measured."""
    if speed < 10:
        return f"{speed:.1f}".removesuffix(".0")
    size = 10 ** (len(str(int(speed))) - 2)
    return str(round(speed / size) * size)
