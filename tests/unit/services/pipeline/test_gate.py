"""What a backlog must wait for: records of all partitions go through in event order, up to the next fit."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from services.pipeline.catchup import CatchUp
from services.pipeline.gate import Gate
from services.pipeline.inbox import Inbox
from services.pipeline.scoring import Record
from tests.waiting import until


@dataclass
class Waiting:
    """A record of a backlog; its value is the time of its event."""

    offset: int
    value: bytes
    timestamp: int = 0
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass
class Task:
    """A partition whose owner stores what it is given at once."""

    inbox: Inbox
    stored: list[float] = field(default_factory=list)
    reached: int = 0

    @property
    def idle(self) -> bool:
        return not self.inbox.ready

    def store(self) -> int:
        taken = self.inbox.take(1_000)
        self.stored += [float(record.value or b"") for record in taken]
        self.reached += len(taken)
        return len(taken)


class Backlog:
    """Partitions of a topic, read `at_once` records at a time, and fits that are due at some counts."""

    def __init__(self, partitions: Mapping[int, Sequence[float]], fits: Sequence[int], at_once: int = 3) -> None:
        self.lines = partitions
        self.fits = [*fits, 1_000_000]
        self.at_once = at_once
        self.tasks = {number: Task(Inbox(100)) for number in partitions}
        for task in self.tasks.values():
            task.inbox.open(0)
        self.stored_before: list[list[float]] = []

    async def ends(self, numbers: Sequence[int]) -> dict[int, int]:
        return {number: len(self.lines[number]) for number in numbers}

    async def until_fit(self) -> int:
        stored = self.stored
        if stored == self.fits[0]:
            self.stored_before.append(sorted(time for task in self.tasks.values() for time in task.stored))
            self.fits.pop(0)
        return self.fits[0] - stored

    @property
    def stored(self) -> int:
        return sum(len(task.stored) for task in self.tasks.values())

    def read(self) -> None:
        for number, task in self.tasks.items():
            at = task.inbox.position
            times = self.lines[number][at : at + self.at_once]
            task.inbox.offer([Waiting(at + index, str(time).encode()) for index, time in enumerate(times)])

    async def times(self, records: Sequence[Record]) -> list[float]:
        return [float(record.value or b"") for record in records]

    async def run(self) -> None:
        gate = Gate(tasks=lambda: self.tasks, ends=self.ends, until_fit=self.until_fit, event_times=self.times)
        running = asyncio.create_task(gate.run())
        async with asyncio.timeout(20):
            while self.stored < sum(map(len, self.lines.values())):
                self.read()
                await asyncio.sleep(0)
                for task in self.tasks.values():
                    task.store()
            await running


async def test_before_a_fit_the_first_in_event_order_are_stored() -> None:
    times = [float(number) for number in range(60)]
    backlog = Backlog({0: times[0:60:3], 1: times[1:60:3], 2: times[2:60:3]}, fits=(10, 35))
    await backlog.run()
    assert backlog.stored_before == [times[:10], times[:35]]


async def test_a_partition_that_ends_early_does_not_hold_up_the_others() -> None:
    times = [float(number) for number in range(40)]
    backlog = Backlog({0: times[:2], 1: times[2:], 2: []}, fits=(20,))
    await backlog.run()
    assert backlog.stored_before == [times[:20]]


class Flowing(Backlog):
    """All of it has been read from Kafka by the time anybody knows the times of its first records."""

    async def times(self, records: Sequence[Record]) -> list[float]:
        self.at_once = 1_000
        self.read()
        return await super().times(records)


async def test_what_is_read_while_others_are_looked_at_is_not_overtaken() -> None:
    times = [float(number) for number in range(40)]
    backlog = Flowing({0: times[:20], 1: times[20:]}, fits=(20,))
    await backlog.run()
    assert backlog.stored_before == [times[:20]]


async def test_a_partition_that_is_behind_is_waited_for() -> None:
    early, late = [1.0, 2.0, 3.0, 4.0], [10.0, 11.0, 12.0, 13.0]
    backlog = Backlog({0: late, 1: early}, fits=(4,), at_once=1)
    backlog.tasks[0].inbox.offer([Waiting(index, str(time).encode()) for index, time in enumerate(late)])
    await backlog.run()
    assert backlog.stored_before == [early]


async def test_a_backlog_that_ends_before_the_next_fit_goes_through_in_any_order() -> None:
    backlog = Backlog({0: [1.0, 2.0], 1: [3.0]}, fits=(1_000,))
    await backlog.run()
    assert backlog.stored_before == []
    assert not any(task.inbox.held(0) for task in backlog.tasks.values())


async def test_an_inbox_that_was_closed_is_looked_at_again() -> None:
    times = [float(number) for number in range(20)]
    backlog = Backlog({0: times[::2], 1: times[1::2]}, fits=(10,))
    backlog.read()
    inbox = backlog.tasks[0].inbox
    inbox.hold()
    inbox.release(1)
    inbox.close()
    inbox.open(0)
    assert inbox.ready == 0
    await backlog.run()
    assert backlog.stored_before == [times[:10]]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_held_inbox_gives_only_what_was_released(count: int) -> None:
    inbox = Inbox(100)
    inbox.open(0)
    inbox.offer([Waiting(offset, b"1") for offset in range(5)])
    inbox.hold()
    inbox.release(count)
    assert [record.offset for record in inbox.take(100)] == list(range(count))
    inbox.let_go()
    assert [record.offset for record in inbox.take(100)] == list(range(count, 5))


async def test_a_few_records_are_said_to_wait_while_a_fit_holds_them_back() -> None:
    few = Backlog({0: [1.0, 2.0, 3.0]}, fits=[])
    fitted = asyncio.Event()

    async def until_fit() -> int:
        await fitted.wait()
        return 1_000

    async def event_times(records: Sequence[Record]) -> Sequence[float]:
        return [float(record.value or b"") for record in records]

    async def before_copy() -> None:
        return None

    catch_up = CatchUp(
        tasks=lambda: few.tasks, ends=few.ends, until_fit=until_fit, event_times=event_times, before_copy=before_copy
    )
    catch_up.begin()
    await until(lambda: catch_up.backlog is not None)
    assert catch_up.backlog is not None
    assert catch_up.backlog.sentence == "3 of 3 records left, waiting for models that are being fitted"
    fitted.set()
    await until(lambda: not catch_up.holding)
    assert catch_up.backlog is None
    await catch_up.stop()
