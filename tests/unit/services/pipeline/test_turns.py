"""Which batches may be in flight at once."""

import asyncio

from services.pipeline.turns import Turns


async def test_batches_that_want_to_be_alone_are_in_flight_one_after_another() -> None:
    turns = Turns()
    seen: list[str] = []

    async def alone(name: str) -> None:
        async with turns.alone():
            seen.append(name)
            await asyncio.sleep(0)
            seen.append(name)

    async with turns.turn(full=True):
        async with turns.turn(full=True):
            waiting = [asyncio.create_task(alone(name)) for name in "ab"]
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert seen == []
    async with asyncio.timeout(10):
        await asyncio.gather(*waiting)
    assert "".join(seen) in ("aabb", "bbaa")


async def test_small_batches_wait_for_each_other_and_full_ones_do_not() -> None:
    turns = Turns()
    begun: list[str] = []

    async def turn(name: str, *, full: bool) -> None:
        async with turns.turn(full=full):
            begun.append(name)

    async with turns.turn(full=False), turns.turn(full=False):
        small = asyncio.create_task(turn("small", full=False))
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await turn("full", full=True)
        assert begun == ["full"]
    async with asyncio.timeout(10):
        await small
