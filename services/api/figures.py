"""Figures over what is stored that are costly to count: counted when somebody asks, and not again too soon."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from domain.clock import LIVE, Clock
from services.store.pages import Category, Volume
from services.store.store import Store

_OLD_AFTER = 5.0
_SHARE = 0.05
"""Of PostgreSQL's time that counting may take: what took a second is not counted again within twenty."""
_Steps = tuple[Literal["minute", "hour"], timedelta, int]
_OF_LIVE: _Steps = "minute", timedelta(minutes=1), 60
_OF_FAST: _Steps = "hour", timedelta(hours=1), 48
"""Steps of the volume, and how many: the wall's minutes, or the hours of a stream whose clock runs faster."""
_CATEGORIES = 20


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """All that is stored; verdicts and flagged ones by detector."""

    transactions: int
    verdicts: dict[str, int]
    flagged: dict[str, int]
    dead_letters: int


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted at `at`; volume and categories are of events before `until` by the stream's clock.

    `step` is how many seconds each entry of `volume` spans.
    """

    at: datetime
    until: datetime
    step: int
    totals: Totals
    volume: tuple[Volume, ...]
    categories: tuple[Category, ...]


class Figures:
    """Counts once for all questions that come at the same time, by the stream's `clock`."""

    def __init__(self, store: Store, clock: Callable[[], Clock] = lambda: LIVE) -> None:
        self._store = store
        self._clock = clock
        self._counting = asyncio.Lock()
        self._counted: Counted | None = None
        self._due = 0.0

    async def counted(self) -> Counted:
        """The figures, a little old perhaps; while they are counted again others get the old ones.

        Raises: `faults` errors.
        """
        if self._counted is not None and (time.monotonic() < self._due or self._counting.locked()):
            return self._counted
        async with self._counting:
            if self._counted is None or time.monotonic() >= self._due:
                began = time.monotonic()
                self._counted = await self._count()
                took = time.monotonic() - began
                self._due = began + max(_OLD_AFTER, took / _SHARE)
            return self._counted

    async def _count(self) -> Counted:
        now = datetime.now(UTC)
        clock = self._clock()
        until = clock.now(now)
        unit, step, steps = _OF_LIVE if clock.at is None else _OF_FAST
        since = (until - steps * step).replace(second=0, microsecond=0)
        since = since.replace(minute=0) if step > _OF_LIVE[1] else since
        return Counted(
            at=now,
            until=until,
            step=int(step.total_seconds()),
            totals=Totals(**await self._store.totals()),
            volume=await self._store.pages.volume(since, unit),
            categories=await self._store.pages.categories(since, _CATEGORIES),
        )
