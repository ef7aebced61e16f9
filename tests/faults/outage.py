"""A pipeline through an outage, and what must be so after it."""

import asyncio
import os
from collections.abc import Awaitable, Callable

import psutil

from services.brokers.broker import Broker
from services.pipeline.inbox import HIGH_WATER_BATCHES
from services.sending.producer import Sender
from services.store.store import Store
from tests.consuming import Consumer, Rows, send
from tests.faults import figures
from tests.faults.promises import broken_promises
from tests.waiting import until

AWAY_SECONDS = 180 if os.environ.get("ANOMALY_TUI_FAULTS") == "full" else 2
BATCH = 50
MOST_QUEUED = 4 * (HIGH_WATER_BATCHES * BATCH + 4_000)
"""Records: each of four partitions is paused at so many batches, and what one fetch brought is kept."""

MOST_GROWTH = 100 * 1024 * 1024


async def is_kept(store: Store, broker: Broker, sender: Sender, rows: Rows) -> None:
    """Fails with every promise that is broken; no record may be a dead letter."""
    sent = [transaction.transaction_id for transaction, _ in rows]
    assert await broken_promises(store, sent=sent, poison=(), ends=sender.ends, cluster=broker.cluster_id) == []


async def through_an_outage(
    consumer: Consumer,
    sender: Sender,
    rows: Rows,
    begin: Callable[[], Awaitable[None]],
    end: Callable[[], Awaitable[None]],
    said: str = "PostgreSQL does not answer",
) -> None:
    """Send before, during and after; during it the pipeline says what it waits for, and holds its queues bounded."""
    third = len(rows) // 3
    pipeline = consumer.pipeline
    memory = psutil.Process()
    await send(sender, rows[:third])
    await consumer.drained(sender)
    await begin()
    before = memory.memory_info().rss
    await send(sender, rows[third : 2 * third])
    await until(lambda: pipeline.degraded and said in pipeline.detail, 60)
    ends = asyncio.get_running_loop().time() + AWAY_SECONDS
    while asyncio.get_running_loop().time() < ends:
        assert pipeline.queued <= MOST_QUEUED
        await asyncio.sleep(0.1)
    assert memory.memory_info().rss - before < MOST_GROWTH
    await end()
    figures.current.faults += 1
    with figures.current.recovering():
        await send(sender, rows[2 * third :])
        await consumer.drained(sender, 60)
        await until(lambda: not pipeline.degraded)
