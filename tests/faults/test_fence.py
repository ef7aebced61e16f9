"""Several owners of every partition: the fence keeps profiles exact, and without it they are not."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from domain.transaction import GroundTruth, Transaction
from services.brokers.broker import Broker
from services.console.bus import Bus
from services.models import schedule
from services.pipeline.consumer import Pipeline
from services.sending.producer import Sender, outgoing
from services.store import statements
from services.store.store import Store
from tests.faults import figures
from tests.faults.promises import broken_promises
from tests.simulating import awake
from tests.waiting import until

TOPIC = "transactions"
UNFENCED = statements.MOVE_FENCES.replace(" AND p.next_offset = x.expected AND p.epoch = x.epoch", "").replace(
    "next_offset = x.following", "next_offset = greatest(p.next_offset, x.following)"
)


class Owner:
    """A pipeline that takes every partition, whoever else has it, and that can be frozen as by SIGSTOP."""

    def __init__(self, name: str, broker: Broker, store: Store) -> None:
        models = schedule.warming("both")
        self.pipeline = Pipeline(
            broker=broker,
            store=store,
            bus=Bus(),
            models=lambda: models,
            mapping=None,
            topic=TOPIC,
            group="tests",
            owner=name,
            batch_size=20,
        )
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Owner":
        await self.pipeline.startup()
        self.thaw()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.freeze()
        await self.pipeline.shutdown()

    def thaw(self) -> None:
        self._running = asyncio.create_task(self.pipeline.main_loop())

    async def freeze(self) -> None:
        assert self._running is not None
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def drained(self, sender: Sender) -> None:
        await until(lambda: not self.pipeline.behind(sender.ends), 60)


@pytest.fixture
def rows() -> list[tuple[Transaction, GroundTruth]]:
    start = datetime.now(UTC) - timedelta(minutes=5)
    return list(islice(awake(start, users=40, anomaly_rate=0.05, seed=5, rate=20.0), 1_500))


async def send(sender: Sender, rows: Sequence[tuple[Transaction, GroundTruth]]) -> None:
    for transaction, truth in rows:
        await sender.send(outgoing(transaction, truth, replay=True))
    await sender.flush()


async def verdict_of_the_oracle(
    store: Store, broker: Broker, sender: Sender, rows: Sequence[tuple[Transaction, GroundTruth]]
) -> list[str]:
    sent = [transaction.transaction_id for transaction, _ in rows]
    return await broken_promises(store, sent=sent, poison=(), ends=sender.ends, cluster=broker.cluster_id)


async def test_two_owners_that_fight_leave_everything_exact(
    store: Store, broker: Broker, sender: Sender, rows: list[tuple[Transaction, GroundTruth]]
) -> None:
    async with Owner("a", broker, store) as first, Owner("b", broker, store) as second:
        await send(sender, rows)
        finished = [asyncio.create_task(owner.drained(sender)) for owner in (first, second)]
        await asyncio.wait(finished, return_when=asyncio.FIRST_COMPLETED)
        for task in finished:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*finished)
    assert await verdict_of_the_oracle(store, broker, sender, rows) == []


@pytest.mark.parametrize("fenced", [True, False], ids=["fenced", "without the fence"])
async def test_an_owner_that_slept_through_a_takeover(
    store: Store,
    broker: Broker,
    sender: Sender,
    rows: list[tuple[Transaction, GroundTruth]],
    monkeypatch: pytest.MonkeyPatch,
    fenced: bool,
) -> None:
    figures.current.control = not fenced
    if not fenced:
        assert UNFENCED != statements.MOVE_FENCES
        monkeypatch.setattr(statements, "MOVE_FENCES", UNFENCED)
        monkeypatch.setattr(statements, "MOVE_FREE_FENCES", UNFENCED)
    async with Owner("a", broker, store) as sleeper:
        await send(sender, rows[:500])
        await sleeper.drained(sender)
        await sleeper.freeze()
        async with Owner("b", broker, store) as other:
            await send(sender, rows[500:1_000])
            await other.drained(sender)
        # It wakes with profiles in memory that know nothing of what the other learnt.
        figures.current.faults += 1
        sleeper.thaw()
        await send(sender, rows[1_000:])
        await sleeper.drained(sender)
    broken = await verdict_of_the_oracle(store, broker, sender, rows)
    if fenced:
        assert broken == []
    else:
        assert any("profiles differ" in promise for promise in broken)
