"""Which batches may be in flight at once."""

import asyncio

import pytest

from services.pipeline import turns
from services.pipeline.turns import Turns


async def test_batches_that_want_to_be_alone_are_in_flight_one_after_another() -> None:
    order = Turns()
    seen: list[str] = []

    async def alone(name: str) -> None:
        async with order.alone():
            seen.append(name)
            await asyncio.sleep(0)
            seen.append(name)

    async with order.turn(full=True):
        async with order.turn(full=True):
            waiting = [asyncio.create_task(alone(name)) for name in "ab"]
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert seen == []
    async with asyncio.timeout(10):
        await asyncio.gather(*waiting)
    assert "".join(seen) in ("aabb", "bbaa")


async def test_small_batches_wait_for_each_other_and_full_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 60.0)
    order = Turns()
    begun: list[str] = []

    async def turn(name: str, *, full: bool) -> None:
        async with order.turn(full=full):
            begun.append(name)

    async with order.turn(full=False), order.turn(full=False):
        small = asyncio.create_task(turn("small", full=False))
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await turn("full", full=True)
        assert begun == ["full"]
    async with asyncio.timeout(10):
        await small


async def test_small_batches_that_are_stuck_hold_others_up_for_a_moment_only() -> None:
    order = Turns()
    async with order.turn(full=False), order.turn(full=False), asyncio.timeout(10):
        for _ in range(3):
            async with order.turn(full=False):
                pass
