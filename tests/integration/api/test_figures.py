"""Costly figures are counted once for all who ask, and nobody waits for newer ones while there are old ones."""

import asyncio
from datetime import timedelta

import pytest

from domain.clock import Clock
from services.api import figures
from services.api.figures import Figures
from services.store.store import Store
from tests.storing import AT, committed, stored
from tests.waiting import until


class Counting(Store):
    """A store that tells how often it was asked to count, and waits to be let on."""

    asked = 0

    def hold(self) -> None:
        """From now on counting waits."""
        self.free = asyncio.Event()

    async def totals(self) -> dict:
        """As the store counts."""
        self.asked += 1
        await self.free.wait()
        return await super().totals()


@pytest.fixture
def counting(store: Store) -> Counting:
    found = Counting(store.pool, store.readers, store.keys)
    found.hold()
    return found


async def test_all_who_ask_first_wait_for_one_count(counting: Counting) -> None:
    asked = Figures(counting)
    waiting = [asyncio.create_task(asked.counted()) for _ in range(5)]
    await until(lambda: counting.asked)
    counting.free.set()
    first, *others = await asyncio.gather(*waiting)
    assert all(other is first for other in others)
    assert (first.totals.transactions, counting.asked) == (0, 1)
    assert await asked.counted() is first, "not again so soon"


async def test_while_it_is_counted_again_others_get_the_old_figures(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "_OLD_AFTER", 0)
    monkeypatch.setattr(figures, "_SHARE", 1e9)
    asked = Figures(counting)
    counting.free.set()
    old = await asked.counted()
    counting.hold()
    again = asyncio.create_task(asked.counted())
    await until(lambda: counting.asked >= 2)
    assert await asked.counted() is old
    counting.free.set()
    assert (await again).at > old.at


async def test_a_stream_whose_clock_runs_faster_is_counted_by_hour_up_to_its_own_time(counting: Counting) -> None:
    rows = tuple(stored(minutes, "u", enhanced=minutes == 90) for minutes in (1, 30, 90))
    await committed(counting, rows, {})
    counting.free.set()
    asked = Figures(counting, lambda: Clock("simulation", AT + timedelta(hours=3)))
    found = await asked.counted()
    assert (found.step, found.until) == (3_600, AT + timedelta(hours=3))
    told = [(volume.at, volume.transactions, volume.flagged) for volume in found.volume]
    assert told == [(AT, 2, 0), (AT + timedelta(hours=1), 1, 1)]
    assert sum(category.transactions for category in found.categories) == 3
