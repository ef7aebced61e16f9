"""Partitions that each have a little: their batches are stored as one, and none of them waits for another's lock."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from services.brokers.broker import Broker
from services.models import schedule
from services.pipeline.batching import Batching
from services.sending.producer import Sender
from services.store.batch import Prepared
from services.store.faults import Transient
from services.store.store import Store
from tests.consuming import Consumer, Rows, send, simulated
from tests.faults.promises import broken_promises
from tests.waiting import until

WARMING = schedule.warming("both")


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of how many partitions each batch is that is tried."""
    seen: list[int] = []
    store = Batching.store

    async def noted(self: Batching, brought: Any) -> None:
        seen.append(len(brought))
        await store(self, brought)

    monkeypatch.setattr(Batching, "store", noted)
    return seen


async def waiting(consumer: Consumer, sender: Sender, rows: Rows) -> None:
    """Have these wait in all their partitions before any of them is stored."""
    async with consumer.pipeline.quiet():
        await send(sender, rows)
        await sender.flush()
        await until(lambda: consumer.pipeline.queued == len(rows))


async def test_batches_of_several_partitions_keep_every_promise(
    broker: Broker, store: Store, sender: Sender, parts: list[int]
) -> None:
    rows = simulated(600)
    async with Consumer(broker, store, WARMING, batch_size=1_000) as consumer:
        for start in range(0, len(rows), 50):
            await waiting(consumer, sender, rows[start : start + 50])
            await consumer.drained(sender)
        shown = {row.transaction.transaction_id for row in consumer.bus.newest(0, len(rows)).rows}
    assert max(parts) > 1
    sent = [transaction.transaction_id for transaction, _ in rows]
    assert shown == set(sent)
    assert await broken_promises(store, sent=sent, poison=(), ends=sender.ends, cluster=broker.cluster_id) == []


async def others_go_on(
    broker: Broker, store: Store, sender: Sender, lock: str, meanwhile: Callable[[], None] = lambda: None
) -> None:
    """Whoever takes the `lock` on what belongs to a partition keeps that one back, and no other."""
    rows = simulated(600)
    async with Consumer(broker, store, WARMING, batch_size=1_000) as consumer:
        await send(sender, rows[:300])
        await consumer.drained(sender)
        held = max(sender.ends, key=lambda partition: sender.ends[partition])
        meanwhile()
        async with store.pool.acquire() as connection, connection.transaction():
            await connection.execute(lock, held)
            await waiting(consumer, sender, rows[300:])
            others = {partition: end for partition, end in sender.ends.items() if partition != held}
            await until(lambda: not consumer.pipeline.behind(others), 30)
            assert consumer.pipeline.behind(sender.ends)
        await consumer.drained(sender)
    sent = [transaction.transaction_id for transaction, _ in rows]
    assert await broken_promises(store, sent=sent, poison=(), ends=sender.ends, cluster=broker.cluster_id) == []


FENCE = "SELECT FROM progress WHERE partition = $1 FOR UPDATE"
PROFILE = "SELECT FROM profiles WHERE kafka_partition = $1 FOR UPDATE"


@pytest.mark.parametrize("lock", [FENCE, PROFILE], ids=["fence", "profile"])
async def test_what_somebody_holds_of_one_partition_keeps_none_of_the_others_back(
    broker: Broker, store: Store, sender: Sender, parts: list[int], lock: str
) -> None:
    await others_go_on(broker, store, sender, lock)
    assert max(parts) > 1


async def test_after_a_failure_of_the_server_each_partition_waits_for_its_own_fence_only(
    broker: Broker, store: Store, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, failed = store.commit, asyncio.Event()

    async def fail_once(prepared: Prepared, *, waits: bool = True) -> None:
        if len(prepared.batch.parts) > 1 and not failed.is_set():
            failed.set()
            raise Transient("the server went away before it had anything")
        await commit(prepared, waits=waits)

    await others_go_on(broker, store, sender, FENCE, lambda: monkeypatch.setattr(store, "commit", fail_once))
    assert failed.is_set()
