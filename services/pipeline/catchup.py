"""Catching up with a backlog: what waited when partitions were assigned, and how far that has come."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
from aiokafka.errors import KafkaError

from domain.engine import Backlog
from services.pipeline.gate import Gate, Held
from services.pipeline.scoring import Record

log = structlog.get_logger("pipeline")

TOLD_EVERY = 10.0
AGAIN_AFTER = 1.0
WORTH_SHOWING = 1_000
"""Records; fewer are stored before anybody has read of them."""


class CatchUp:
    """Runs the gate whenever partitions come, and knows what is left of what waited then.

    Of a topic that is read through a copy, `before_copy` gives what is left of what waited in the topic itself, to be
    asked again and again; None of one that is read as it is.
    """

    def __init__(
        self,
        *,
        tasks: Callable[[], Mapping[int, Held]],
        ends: Callable[[Sequence[int]], Awaitable[Mapping[int, int]]],
        until_fit: Callable[[], Awaitable[int]],
        event_times: Callable[[Sequence[Record]], Awaitable[Sequence[float]]],
        before_copy: Callable[[], Awaitable[Callable[[], int] | None]],
    ) -> None:
        self._tasks = tasks
        self._before_copy = before_copy
        self._left_of_both: Callable[[], int] | None = None
        self._ask_ends = ends
        self._gate = Gate(tasks=tasks, ends=ends, until_fit=until_fit, event_times=event_times)
        self._running: asyncio.Task[None] | None = None
        self._ends: Mapping[int, int] = {}
        self._total = 0
        self._began = self._told_at = 0.0

    @property
    def holding(self) -> bool:
        """Whether records are held back, or may be soon."""
        return self._running is not None and not self._running.done()

    def begin(self) -> None:
        """Hold back what comes, until it is known whether a fit falls into the backlog; at work already it goes on."""
        for task in self._tasks().values():
            task.inbox.hold()
        if not self.holding:
            self._running = asyncio.create_task(self._run(), name="catching up")

    async def stop(self) -> None:
        """End with what is held back still held, so that nothing of it is stored out of turn."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None

    def check(self) -> None:
        """Log how far it is, now and then. Raises what stopped the gate."""
        if self._running is not None and self._running.done() and not self._running.cancelled():
            self._running.result()
        backlog = self.backlog
        if backlog is not None and time.monotonic() - self._told_at > TOLD_EVERY:
            self._told_at = time.monotonic()
            log.info(f"catching up: {backlog.sentence}")

    @property
    def backlog(self) -> Backlog | None:
        """What is left of what waited; None once all of it is stored, or where little did and no fit holds it back."""
        left, waiting = self._left(), self._gate.waiting_for_fit
        if not left or (self._total < WORTH_SHOWING and not waiting):
            return None
        seconds = time.monotonic() - self._began
        return Backlog(
            total=self._total,
            left=left,
            rate=max(0, self._total - left) / seconds if seconds > 0 else 0.0,
            waiting_for_fit=waiting,
        )

    def _left(self) -> int:
        if self._left_of_both is not None:
            return self._left_of_both()
        tasks = self._tasks()
        return sum(max(0, end - max(0, tasks[number].reached)) for number, end in self._ends.items() if number in tasks)

    async def _run(self) -> None:
        while True:
            # A broker that is away for a moment: what is held back is looked at again.
            with contextlib.suppress(KafkaError, TimeoutError):
                await self._measure()
                await self._gate.run()
                return
            await asyncio.sleep(AGAIN_AFTER)

    async def _measure(self) -> None:
        while not all(task.inbox.opened for task in self._tasks().values()):
            await asyncio.sleep(0.01)
        self._ends = await self._ask_ends(list(self._tasks()))
        self._left_of_both = await self._before_copy()
        self._total = self._left()
        self._began = self._told_at = time.monotonic()
        if self._total >= WORTH_SHOWING:
            log.info("a backlog waits", records=self._total)
