"""Which batches are in flight at once: the one place that decides."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

BATCHES_AT_ONCE = 4
"""Fewer would leave PostgreSQL idle; more would share the same cores, so that each takes as long as all."""


class Turns:
    """The turns of all batches of a process."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(BATCHES_AT_ONCE)
        self._collecting = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold one of the places."""
        async with self._slots:
            yield

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Hold all of the places, so that no batch is in flight meanwhile."""
        # Two that each held some of them would wait for each other.
        async with self._collecting, AsyncExitStack() as held:
            for _ in range(BATCHES_AT_ONCE):
                await held.enter_async_context(self._slots)
            yield
