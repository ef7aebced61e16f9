"""Whose turn it is to score and commit: the one place that decides when a partition's next batch begins."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

BATCHES_AT_ONCE = 4
PACE_PER_PARTITION = 0.008
"""Fewer batches at once would leave PostgreSQL idle; more, or more of them a second, would be small ones. A commit
costs about what scoring a hundred transactions does, so that many small batches starve whatever else runs."""
SMALL_AT_ONCE = 2
PATIENCE = 0.2
"""Of batches that are not full: more of them beside each other share the same cores, so that each takes as long as all,
and those that wait grow meanwhile. After so many seconds they go all the same: the others may be stuck."""


class Turns:
    """The turns of all partitions of a process: `partitions` is how many there are."""

    def __init__(self) -> None:
        self.partitions = 0
        self._slots = asyncio.Semaphore(BATCHES_AT_ONCE)
        self._small = asyncio.Semaphore(SMALL_AT_ONCE)
        self._collecting = asyncio.Lock()

    def early(self, began: float) -> float:
        """Seconds that a batch which is not full yet should grow, when the one before began at `began`."""
        return began + PACE_PER_PARTITION * self.partitions - time.monotonic()

    @asynccontextmanager
    async def turn(self, *, full: bool) -> AsyncIterator[float]:
        """Hold one of the places, for a batch that is `full` or not; gives the time at which it was taken."""
        holding = not full and await self._one_of_few()
        try:
            async with self._slots:
                yield time.monotonic()
        finally:
            if holding:
                self._small.release()

    async def _one_of_few(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._small.acquire()
        except TimeoutError:
            return False

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[float]:
        """Hold all of the places, so that no batch is in flight meanwhile; gives the time at which they were taken."""
        # Two that each held some of them would wait for each other.
        async with self._collecting, AsyncExitStack() as held:
            for _ in range(BATCHES_AT_ONCE):
                await held.enter_async_context(self._slots)
            yield time.monotonic()
