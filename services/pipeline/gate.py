"""Holds a backlog back at each fit that falls into it, so that it meets the models that `score FILE` would use."""

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from math import inf
from typing import Protocol

import msgspec

from services.pipeline import scoring
from services.pipeline.inbox import Inbox
from services.pipeline.scoring import Record
from services.records import mapping as mappings
from services.store.faults import Transient

LOOK_EVERY = 0.01


class Held(Protocol):
    """A partition whose records are held back."""

    inbox: Inbox

    @property
    def idle(self) -> bool:
        """Whether nothing that was let through is still to be stored."""
        ...

    @property
    def reached(self) -> int:
        """The offset up to which everything is stored, -1 before the start."""
        ...


class Gate:
    """Lets records through in event order, as many as may be stored before the next fit, then waits for that fit.

    A verdict depends on the user's own transactions and on the models only. So between two fits partitions may run
    side by side; what must be exact is which transactions are stored before a fit: the first in event order of all
    partitions, ties by partition. Where a backlog ends before the next fit is due, all of it may go through.

    `tasks` are the partitions by number. `ends` asks Kafka for end offsets. `until_fit` waits for a fit that is due and
    gives how many more transactions may be stored before the next. `event_times` reads when transactions happened.
    """

    def __init__(
        self,
        *,
        tasks: Callable[[], Mapping[int, Held]],
        ends: Callable[[Sequence[int]], Awaitable[Mapping[int, int]]],
        until_fit: Callable[[], Awaitable[int]],
        event_times: Callable[[Sequence[Record]], Awaitable[Sequence[float]]],
    ) -> None:
        self._tasks = tasks
        self._ends = ends
        self._until_fit = until_fit
        self._event_times = event_times
        self._lines: dict[int, _Line] = {}
        self.waiting_for_fit = False

    async def run(self) -> None:
        """Hold all inboxes until what is left of the backlog ends before the next fit, then let them go.

        They stay held where it is cancelled, or raises what `ends` raises.
        """
        try:
            room = 0
            while True:
                tasks = self._held()
                if not all(task.inbox.opened for task in tasks.values()):
                    await asyncio.sleep(LOOK_EVERY)
                    continue
                if room <= 0:
                    room = await self._room_before_the_next_fit()
                    if await self._left(tasks) < room:
                        break
                passed = await self._let_through(tasks, room)
                room -= passed
                if not passed:
                    await asyncio.sleep(LOOK_EVERY)
        finally:
            self._lines.clear()
        for task in self._tasks().values():
            task.inbox.let_go()

    def _held(self) -> dict[int, Held]:
        tasks = dict(self._tasks())
        for task in tasks.values():
            task.inbox.hold()
        return tasks

    async def _room_before_the_next_fit(self) -> int:
        """Exact, because nothing is in flight when it is asked for."""
        while not all(task.idle for task in self._held().values()):
            await asyncio.sleep(LOOK_EVERY)
        self.waiting_for_fit = True
        try:
            return await self._until_fit()
        finally:
            self.waiting_for_fit = False

    async def _left(self, tasks: Mapping[int, Held]) -> int:
        ends = await self._ends(list(tasks))
        return sum(max(0, ends[number] - task.reached) for number, task in tasks.items())

    async def _let_through(self, tasks: Mapping[int, Held], most: int) -> int:
        """Let through what is certain to come next, at most `most` records; returns how many."""
        positions = {}
        for number, task in tasks.items():
            # Before the times are read: what comes meanwhile is in the inbox, and not yet in its line.
            positions[number] = task.inbox.position
            await self._read_times(number, task.inbox)
        # Asked after the inboxes were looked at: where nothing more lay in Kafka then, nothing can come before these.
        ends = await self._ends(list(tasks))
        complete = {number for number in tasks if positions[number] >= ends[number]}
        if any(task.inbox.generation != self._lines[number].generation for number, task in tasks.items()):
            return 0
        if any(not self._lines[number].times and number not in complete for number in tasks):
            return 0
        lines = {number: iter(self._lines[number].times) for number in tasks}
        heads = [(next(line), number) for number, line in lines.items() if self._lines[number].times]
        heapq.heapify(heads)
        passed = dict.fromkeys(tasks, 0)
        while heads and most > 0:
            _, number = heads[0]
            passed[number] += 1
            most -= 1
            following = next(lines[number], None)
            if following is not None:
                heapq.heapreplace(heads, (following, number))
            elif number in complete:
                heapq.heappop(heads)
            else:
                break
        for number, count in passed.items():
            self._lines[number].drop(count)
            tasks[number].inbox.release(count)
        return sum(passed.values())

    async def _read_times(self, number: int, inbox: Inbox) -> None:
        line = self._lines.get(number)
        if line is None or line.generation != inbox.generation:
            line = self._lines[number] = _Line(inbox.generation)
        fresh = inbox.held(len(line.times))
        if fresh:
            line.times.extend(await self._event_times(fresh))


class _Line:
    """The event times of what one inbox holds back, in its order; of one generation of the inbox."""

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.times: deque[float] = deque()

    def drop(self, count: int) -> None:
        for _ in range(count):
            self.times.popleft()


class _Timed(msgspec.Struct, gc=False):
    timestamp: datetime


_timed = msgspec.json.Decoder(_Timed).decode


def event_times(records: Sequence[Record], mapping: mappings.Mapping | None) -> list[float]:
    """When each record's transaction happened, in seconds; minus infinity for what is no transaction."""
    if mapping is None:
        return [_event_time(record) for record in records]
    try:
        decoded = scoring.decode(records, mapping, datetime.now(UTC)).transactions
    except Transient:
        # The schema registry is away: the partition task that stores these records waits for it.
        decoded = []
    times = {record.offset: record.transaction.timestamp.timestamp() for record in decoded}
    return [times.get(record.offset, -inf) for record in records]


def _event_time(record: Record) -> float:
    try:
        return _timed(record.value or b"").timestamp.timestamp()
    except (ValueError, OverflowError, RecursionError):
        return -inf
