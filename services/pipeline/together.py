"""Small batches of several partitions that are stored as one.

A batch costs some milliseconds beside what its transactions cost: for a statement PostgreSQL is asked again, whatever
is in it, and so is every function of a detector. Partitions that each have a few transactions would pay that each.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import structlog

from services.pipeline.batching import Batching, Brought
from services.pipeline.turns import Turns

log = structlog.get_logger("pipeline")

AT_ONCE = 2
"""While PostgreSQL commits one the next is scored."""
PACE = 0.02
"""Seconds from the beginning of one to that of the next: what comes meanwhile shares its costs."""


MOST_BYTES = 8 << 20


class Member(Protocol):
    """Who has records of a partition."""

    def take(self) -> Brought | None:
        """What it brings; None where it is to end."""
        ...


class _Place(NamedTuple):
    member: Member
    stored: "asyncio.Future[bool]"


class Together:
    """Stores what some partitions have, which are scored at one desk, in batches of `most` records or `MOST_BYTES`.

    The last partition that is taken may make it more.
    """

    def __init__(self, turns: Turns, batching: Batching, most: int) -> None:
        self._turns = turns
        self.batching = batching
        self._most = most
        self._waiting: deque[_Place] = deque()
        self._collecting: asyncio.Task[None] | None = None
        self._storing = 0
        self._began = -PACE

    async def store(self, member: Member) -> bool:
        """Have what `member` takes stored with what others take; False where it has to try alone, or took nothing."""
        place = _Place(member, asyncio.get_running_loop().create_future())
        self._waiting.append(place)
        self._begin()
        return await place.stored

    def _begin(self) -> None:
        if self._waiting and self._collecting is None and self._storing < AT_ONCE:
            self._collecting = asyncio.create_task(self._batch(), name="together")

    async def _batch(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._began + PACE - loop.time()))
        async with self._turns.turn():
            self._began = loop.time()
            places, brought = self._take()
            self._collecting = None
            self._storing += 1
            self._begin()
            stored = False
            try:
                stored = await self._stored(places, brought)
            finally:
                self._storing -= 1
                for place in places:
                    if not place.stored.done():
                        place.stored.set_result(stored)
                self._begin()

    async def _stored(self, places: Sequence[_Place], brought: Sequence[Brought]) -> bool:
        """Whether it could be stored; given up once nobody waits for it any longer."""
        task = asyncio.current_task()
        assert task is not None

        def forsaken(_: object) -> None:
            if all(place.stored.cancelled() for place in places):
                task.cancel()

        for place in places:
            place.stored.add_done_callback(forsaken)
        try:
            if brought:
                await self.batching.store(brought)
        except Exception as error:
            # Whose fault it is shows when each tries alone.
            log.debug("batches are stored one by one", partitions=len(places), error=repr(error))
            return False
        return True

    def _take(self) -> tuple[list[_Place], list[Brought]]:
        places: list[_Place] = []
        brought: list[Brought] = []
        taken = size = 0
        while self._waiting and taken < self._most and size < MOST_BYTES:
            place = self._waiting.popleft()
            if place.stored.done():
                continue
            try:
                each = place.member.take()
                size += 0 if each is None else each.size
            except Exception:
                # Alone it raises again, and is told apart.
                each = None
            if each is None:
                place.stored.set_result(False)
                continue
            places.append(place)
            brought.append(each)
            taken += len(each.records)
        return places, brought
