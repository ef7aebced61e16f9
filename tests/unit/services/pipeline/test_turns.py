"""Which batches may be in flight at once."""

import asyncio

from services.pipeline.turns import Turns


async def test_batches_that_want_to_be_alone_are_in_flight_one_after_another() -> None:
    order = Turns()
    seen: list[str] = []

    async def alone(name: str) -> None:
        async with order.alone():
            seen.append(name)
            await asyncio.sleep(0)
            seen.append(name)

    async with order.turn():
        async with order.turn():
            waiting = [asyncio.create_task(alone(name)) for name in "ab"]
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert seen == []
    async with asyncio.timeout(10):
        await asyncio.gather(*waiting)
    assert "".join(seen) in ("aabb", "bbaa")
