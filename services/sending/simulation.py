"""The simulator as a worker that sends: history first where nothing is stored, then at a rate."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import NamedTuple

import structlog

from domain.engine import History
from domain.transaction import GroundTruth, Transaction
from services.brokers.broker import Broker
from services.process.supervisor import Worker
from services.sending.producer import EMBEDDED_LAG_LIMIT, LAG_LIMIT, Sender, outgoing
from services.sending.world import UNSEEN_WHEN_LIVE, World, live_kinds, live_simulator
from services.settings import Settings

log = structlog.get_logger("producer")

_AT_ONCE = 100
"""Transactions of history between two turns of the event loop, which the pipeline of the same process needs too."""

_LOOK_EVERY = 0.02


class HistoryKeeper(NamedTuple):
    """What the simulation must know of an engine in the same process to lay down history for it.

    `stored` counts transactions, `newest` is the latest event time. While `held` is entered no model is fitted;
    `until_fit` waits for a fit that is due.
    """

    stored: Callable[[], Awaitable[int]]
    newest: Callable[[], Awaitable[datetime | None]]
    held: Callable[[], AbstractContextManager[None]]
    until_fit: Callable[[], Awaitable[int]]


class Simulation(Worker):
    """Sends simulated transactions at `settings.rate`, slowing down while the pipeline lags behind.

    `lag` returns how many records before given end offsets (by partition) are not stored yet. History is laid down only
    where an engine is `beside` that has nothing stored. `history` is how far that is, None when it is not going on.
    """

    name = "producer"

    def __init__(
        self,
        broker: Broker,
        settings: Settings,
        *,
        lag: Callable[[dict[int, int]], int],
        beside: HistoryKeeper | None = None,
    ) -> None:
        super().__init__()
        self._broker = broker
        self._settings = settings
        self._lag = lag
        self._lag_limit = LAG_LIMIT if broker.durable else EMBEDDED_LAG_LIMIT
        self._beside = beside
        self._sender = Sender(broker, settings.topic)
        self._acknowledged_before = 0
        self._world: World | None = None
        self.history: History | None = None

    @property
    def acknowledged(self) -> int:
        """How many transactions the broker has acknowledged, those before a restart of this worker included."""
        return self._acknowledged_before + self._sender.acknowledged

    async def startup(self) -> None:
        """Bring the world to where it stopped, and connect."""
        self._acknowledged_before = self.acknowledged
        self._sender = Sender(self._broker, self._settings.topic)
        await self._sender.start()
        if self._world is None and self._settings.pace == "human":
            newest = None if self._beside is None else await self._beside.newest()
            # Some thousands of people take a while, and the console is waiting.
            self._world = await asyncio.to_thread(World, self._settings, newest)

    async def main_loop(self) -> None:
        """History where there is none, then for ever what is due."""
        if self._world is None:
            people = live_simulator(self._settings)

            def by_the_wall() -> None:
                # What is due one spacing later happens within that spacing, so that nothing is sent before it happens.
                people.catch_up(datetime.now(UTC))

            await self._keep_rate(people.stream(), simulated=False, began=by_the_wall)
        else:
            if self._beside is not None:
                await self._lay_history(self._world, self._beside)
            await self._keep_rate(self._world.stream(), simulated=True)

    async def shutdown(self) -> None:
        """Disconnect, and write down where the world stopped."""
        self.history = None
        await self._sender.stop()
        if self._world is not None:
            self._world.stop()

    async def _lay_history(self, world: World, beside: HistoryKeeper) -> None:
        """Send it as fast as it is stored, have the models fitted on all of it, and wait for them."""
        total = world.history_left(first=await beside.stored() == 0)
        if not total:
            return
        log.info("laying down simulated history", transactions=total, begins=world.now.isoformat(timespec="minutes"))
        began = time.monotonic()
        stream = world.stream()
        with beside.held():
            for number in range(total):
                await self._sender.send(outgoing(*next(stream), simulated=True))
                if number % _AT_ONCE == 0:
                    await asyncio.sleep(0)
                    await self._stored_up_to(self._lag_limit, total)
            await self._sender.flush()
            await self._stored_up_to(0, total)
        await beside.until_fit()
        self.history = None
        seconds = round(time.monotonic() - began, 1)
        log.info("simulated history is stored", transactions=total, ends=f"{world.now:%Y-%m-%d %H:%M}", seconds=seconds)

    async def _stored_up_to(self, left: int, total: int) -> None:
        """Wait until at most so many records are left to store, and tell how many are stored."""
        while True:
            lag = self._lag(self._sender.ends)
            self.history = History(total, self._sender.acknowledged - lag)
            self.beat(self.history.sentence)
            if lag <= left:
                return
            await asyncio.sleep(_LOOK_EVERY)

    async def _keep_rate(
        self,
        stream: Iterator[tuple[Transaction, GroundTruth | None]],
        *,
        simulated: bool,
        began: Callable[[], None] = lambda: None,
    ) -> None:
        """Keep to the schedule: what is due by now goes out in one slice, then wait for the next.

        `began` is called when the schedule begins: at first, and again after each wait for the detectors.
        """
        rate, said = self._settings.rate, self._describe()
        began()
        since, sent = time.monotonic(), 0
        tick = min(0.1, max(0.02, 1 / rate))
        while True:
            if self._lag(self._sender.ends) > self._lag_limit:
                self.beat("waiting for the detectors to catch up")
                await asyncio.sleep(0.1)
                began()
                since, sent = time.monotonic(), 0
                continue
            due = int((time.monotonic() - since) * rate) - sent
            for transaction, truth in (next(stream) for _ in range(min(due, 1_000))):
                await self._sender.send(outgoing(transaction, truth, simulated=simulated))
                sent += 1
            self.beat(said)
            if due < 1_000:
                await asyncio.sleep(tick)

    def _describe(self) -> str:
        settings = self._settings
        if self._world is not None:
            return f"simulator, {settings.rate:g}/s, its clock x{self._world.speed:,.0f}"
        left_out = [kind for kind in UNSEEN_WHEN_LIVE if kind not in live_kinds(settings)]
        without = f", without {', '.join(left_out)}, which cannot show at this pace" if left_out else ""
        return f"simulator, {settings.rate:g}/s, wall time{without}"
