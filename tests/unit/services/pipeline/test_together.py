"""Who is stored together, and what becomes of the others when one of them fails or goes away."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from services.pipeline.batching import Brought
from services.pipeline.scoring import Move
from services.pipeline.together import AT_ONCE, MOST_BYTES, Together
from services.pipeline.turns import BATCHES_AT_ONCE, Turns
from services.store.batch import Term
from tests.waiting import until

MOST = 10


class Storing:
    """Keeps what it is asked to store until it is told how that ends."""

    def __init__(self) -> None:
        self.asked: list[set[int]] = []
        self.ends: list[asyncio.Future[None]] = []

    async def store(self, brought: Sequence[Brought]) -> None:
        self.asked.append({each.move.term.partition for each in brought})
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ends.append(end)
        await end


class Member:
    def __init__(self, partition: int, records: int = 1, *, ending: bool = False, size: int = 1) -> None:
        self.partition, self.records, self.ending, self.value = partition, records, ending, bytes(size)

    def take(self) -> Brought | None:
        owner: Any = self
        records: Any = [self] * self.records
        move = Move(Term("c", "t", self.partition, 1), 0, self.records)
        return None if self.ending else Brought(owner, move, records, None)


@pytest.fixture
def storing() -> Storing:
    return Storing()


@pytest.fixture
def together(storing: Storing) -> Together:
    batching: Any = storing
    return Together(Turns(), batching, MOST)


def waiting(together: Together, *members: Member) -> list[asyncio.Task[bool]]:
    return [asyncio.create_task(together.store(member)) for member in members]


async def answers(tasks: Sequence[asyncio.Task[bool]]) -> list[bool]:
    async with asyncio.timeout(10):
        return await asyncio.gather(*tasks)


async def test_those_that_wait_are_stored_together_and_each_hears_of_it(together: Together, storing: Storing) -> None:
    tasks = waiting(together, Member(0), Member(1), Member(2, ending=True))
    await until(lambda: storing.ends)
    later = waiting(together, Member(3))
    await until(lambda: len(storing.ends) > 1)
    assert storing.asked == [{0, 1}, {3}]
    for end in storing.ends:
        end.set_result(None)
    assert await answers(tasks) == [True, True, False]
    assert await answers(later) == [True]


async def test_where_it_fails_each_is_told_to_try_alone(together: Together, storing: Storing) -> None:
    tasks = waiting(together, Member(0), Member(1))
    await until(lambda: storing.ends)
    storing.ends[0].set_exception(ValueError("one of them"))
    assert await answers(tasks) == [False, False]


async def test_a_batch_ends_at_so_many_records(together: Together, storing: Storing) -> None:
    tasks = waiting(together, *(Member(partition, 4) for partition in range(5)))
    await until(lambda: len(storing.ends) == 2)
    assert storing.asked == [{0, 1, 2}, {3, 4}]
    for end in storing.ends:
        end.set_result(None)
    assert await answers(tasks) == [True] * 5


async def test_a_batch_ends_at_so_many_bytes(together: Together, storing: Storing) -> None:
    tasks = waiting(together, *(Member(partition, size=MOST_BYTES // 2) for partition in range(3)))
    await until(lambda: len(storing.ends) == 2)
    assert storing.asked == [{0, 1}, {2}]
    for end in storing.ends:
        end.set_result(None)
    assert await answers(tasks) == [True] * 3


async def test_who_goes_away_leaves_the_others_as_they_are(together: Together, storing: Storing) -> None:
    tasks = waiting(together, Member(0), Member(1))
    await until(lambda: storing.ends)
    tasks[0].cancel()
    await asyncio.wait(tasks[:1])
    storing.ends[0].set_result(None)
    assert await answers(tasks[1:]) == [True]


async def test_what_nobody_waits_for_any_longer_is_given_up(together: Together, storing: Storing) -> None:
    tasks = waiting(together, Member(0), Member(1))
    await until(lambda: storing.ends)
    others = waiting(together, Member(2))
    await until(lambda: len(storing.ends) == AT_ONCE)
    # Waits until one of the two is done.
    others += waiting(together, Member(3))
    for task in tasks:
        task.cancel()
    await until(lambda: storing.ends[0].cancelled())
    await until(lambda: len(storing.ends) == AT_ONCE + 1)
    for end in storing.ends[1:]:
        end.set_result(None)
    assert await answers(others) == [True] * len(others)


async def test_it_waits_for_a_turn(storing: Storing) -> None:
    turns, batching = Turns(), storing
    together = Together(turns, batching, MOST)  # type: ignore[arg-type]
    async with turns.alone():
        tasks = waiting(together, Member(0))
        await asyncio.sleep(0)
        # Who comes meanwhile is in the same batch.
        tasks += waiting(together, Member(1))
        await until(lambda: len(turns._slots._waiters or ()) == 1)
        assert not storing.asked
    assert BATCHES_AT_ONCE > 1
    await until(lambda: storing.ends)
    assert storing.asked == [{0, 1}]
    storing.ends[0].set_result(None)
    assert await answers(tasks) == [True, True]
