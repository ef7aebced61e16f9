"""How far a re-keyed topic and its copy have come, as PostgreSQL knows it: who copies and scores may be elsewhere."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from services.store.faults import Transient
from services.store.rekeying import behind
from services.store.store import Store

ASKED_EVERY = 0.2


class Hops:
    """Asks again and again, once started; what it knows is never ahead of what is stored."""

    def __init__(self, store: Store, cluster: str, topic: str) -> None:
        self._store = store
        self._at = (cluster, topic)
        self._rows: list[dict[str, Any]] = []
        self._asking: asyncio.Task[None] | None = None
        self._answered = asyncio.Event()

    async def known(self) -> None:
        """Wait for the first answer."""
        await self._answered.wait()

    def start(self) -> None:
        """Begin to ask, unless it has begun."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(), name="hops")

    async def stop(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
            self._asking = None

    def behind(self, ends: Mapping[int, int]) -> int:
        """How many records of the topic before these end offsets (by partition) are not stored yet."""
        return behind(self._rows, self._at[1], ends)

    async def _ask(self) -> None:
        # A task of its own, because the consumer must go on polling while PostgreSQL does not answer.
        while True:
            with contextlib.suppress(Transient):
                self._rows = await self._store.rekeying.hops(*self._at)
                self._answered.set()
            await asyncio.sleep(ASKED_EVERY)
