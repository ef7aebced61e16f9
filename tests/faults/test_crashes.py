"""A crash between the steps of a commit: nothing shows. And three ways to write a batch in which it would."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

import pytest

from services.brokers.broker import Broker
from services.models import schedule
from services.pipeline.batching import Batching, Brought
from services.pipeline.publishing import publish
from services.pipeline.scoring import ScoredBatch
from services.sending.producer import Sender
from services.store import committing
from services.store.batch import Prepared
from services.store.store import Store
from services.store.words import KnownKeys
from tests.consuming import Consumer, send, simulated
from tests.faults.figures import Figures
from tests.faults.promises import broken_promises
from tests.waiting import until

WARMING = schedule.warming("both")
BATCH = 20
CRASH_AT = 5
"""Batches that are written before the one at which the process ends."""

Fault = Literal["none", "profiles in a transaction of their own", "published before the commit"]
Write = Callable[[Any, Prepared, KnownKeys], Awaitable[None]]
BROKEN: dict[Fault, list[str]] = {
    "none": [],
    "profiles in a transaction of their own": ["profiles differ from a recount"],
    "published before the commit": ["published and not stored"],
}


class Crash:
    """Ends the process, as far as the store can tell, before the COMMIT of a batch."""

    def __init__(self) -> None:
        self.write: Write = committing._write
        self.reached = asyncio.Event()
        self._written = 0

    async def write_until_the_crash(self, connection: Any, prepared: Prepared, keys: KnownKeys) -> None:
        await self.write(connection, prepared, keys)
        self._written += 1
        if self._written > CRASH_AT:
            self.reached.set()
            await asyncio.Event().wait()


def profiles_apart(store: Store, write: Write) -> Write:
    """Stores profiles at once, and the rest of the batch with its commit."""

    async def apart(connection: Any, prepared: Prepared, keys: KnownKeys) -> None:
        batch = prepared.batch
        await committing.save_profiles(store.pool, batch)
        without = batch._replace(parts=tuple(part._replace(profiles={}) for part in batch.parts))
        await write(connection, prepared._replace(batch=without), keys)

    return apart


async def publish_and_commit(batching: Batching, scored: ScoredBatch, brought: Sequence[Brought]) -> None:
    """The wrong way round."""
    publish(batching._bus, scored, [each.owner.moved for each in brought])
    await batching._store.commit(scored.prepared)


@pytest.mark.parametrize("fault", BROKEN)
async def test_a_crash_before_a_commit(
    broker: Broker, store: Store, sender: Sender, monkeypatch: pytest.MonkeyPatch, fault: Fault, figures: Figures
) -> None:
    figures.control = fault != "none"
    figures.faults += 1
    crash = Crash()
    if fault == "profiles in a transaction of their own":
        crash.write = profiles_apart(store, crash.write)
    if fault == "published before the commit":
        monkeypatch.setattr(Batching, "commit", publish_and_commit)
    rows = simulated(800)
    with monkeypatch.context() as patch:
        patch.setattr(committing, "_write", crash.write_until_the_crash)
        async with Consumer(broker, store, WARMING, batch_size=BATCH) as consumer:
            await send(sender, rows)
            await asyncio.wait_for(crash.reached.wait(), 30)
            published = {row.transaction.transaction_id for row in consumer.bus.newest(0, len(rows)).rows}
            for each in consumer.pipeline._assigned._running.values():
                each.cancel()
    stored = {row[0] for row in await store.pool.fetch("SELECT transaction_id FROM transactions")}
    broken = [f"{len(published - stored)} published and not stored"] if published - stored else []
    async with Consumer(broker, store, WARMING, batch_size=BATCH) as consumer:
        await consumer.drained(sender)
    sent = [transaction.transaction_id for transaction, _ in rows]
    broken += await broken_promises(store, sent=sent, poison=(), ends=sender.ends, cluster=broker.cluster_id)
    assert [promise.split(" ", 1)[1] for promise in broken] == BROKEN[fault]


async def test_17_nothing_is_scored_before_the_profiles_are_those_of_the_store(
    broker: Broker, store: Store, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = simulated(400)
    async with Consumer(broker, store, WARMING, batch_size=BATCH) as consumer:
        await send(sender, rows[:200])
        await consumer.drained(sender)
    restored, open_term = asyncio.Event(), store.open_term

    async def open_slowly(*arguments: Any, **options: Any) -> Any:
        await restored.wait()
        return await open_term(*arguments, **options)

    monkeypatch.setattr(store, "open_term", open_slowly)
    async with Consumer(broker, store, WARMING, batch_size=BATCH) as consumer:
        await send(sender, rows[200:])
        await sender.flush()
        for _ in range(10):
            beat = consumer.pipeline.heartbeat_at
            await until(lambda beat=beat: consumer.pipeline.heartbeat_at != beat)
        assert {each.state for each in consumer.pipeline.partitions} == {"restoring"}
        assert (consumer.bus.transactions, await store.count(), consumer.pipeline.queued) == (0, 200, 0)
        restored.set()
        await consumer.drained(sender)
    sent = [transaction.transaction_id for transaction, _ in rows]
    assert await broken_promises(store, sent=sent, poison=(), ends=sender.ends, cluster=broker.cluster_id) == []
