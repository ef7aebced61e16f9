"""Taking turns by a lock file."""

import asyncio
from pathlib import Path

import pytest

from services.errors import UserError
from services.process.claim import claim


async def test_one_at_a_time_has_it_and_the_others_are_told_that_they_wait(tmp_path: Path) -> None:
    inside = most = 0
    waited: list[float] = []

    async def work() -> None:
        nonlocal inside, most
        with await claim(tmp_path / "lock", waited.append):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    with await claim(tmp_path / "lock", waited.append):
        working = [asyncio.create_task(work()) for _ in range(5)]
        while len(waited) < 5:
            await asyncio.sleep(0)
    await asyncio.gather(*working)
    assert most == 1


async def test_who_waits_may_give_up(tmp_path: Path) -> None:
    def give_up(seconds: float) -> None:
        raise UserError("enough")

    with await claim(tmp_path / "lock", give_up), pytest.raises(UserError, match="enough"):
        await claim(tmp_path / "lock", give_up)
    (await claim(tmp_path / "lock", give_up)).close()
