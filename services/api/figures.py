"""Figures over what is stored that are costly to count: counted when somebody asks, and not again too soon."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from services.store.pages import Category, Minute
from services.store.store import Store

_OLD_AFTER = 5.0
_SHARE = 0.05
"""Of PostgreSQL's time that counting may take: what took a second is not counted again within twenty."""
_SPAN = timedelta(hours=1)
_CATEGORIES = 20


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """All that is stored; verdicts and flagged ones by detector."""

    transactions: int
    verdicts: dict[str, int]
    flagged: dict[str, int]
    dead_letters: int


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted at `at`; minutes and categories are of events in the last hour of the stream's clock."""

    at: datetime
    totals: Totals
    volume: tuple[Minute, ...]
    categories: tuple[Category, ...]


class Figures:
    """Counts once for all questions that come at the same time; `now` is the stream's clock."""

    def __init__(self, store: Store, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._now = now
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
        since = (self._now() - _SPAN).replace(second=0, microsecond=0)
        return Counted(
            at=now,
            totals=Totals(**await self._store.totals()),
            volume=await self._store.pages.volume(since),
            categories=await self._store.pages.categories(since, _CATEGORIES),
        )
