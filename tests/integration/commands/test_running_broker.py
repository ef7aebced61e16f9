"""The broker of an engine that runs, starts, or has ended, for commands beside it."""

import asyncio
from pathlib import Path

import pytest

from services.brokers.external import ExternalBroker
from services.brokers.security import Security
from services.commands.broker import running_broker
from services.commands.replay import StoredConsumer
from services.errors import UserError
from services.process.lock import EngineLock
from services.settings import load
from services.store.store import Store


async def test_the_broker_of_an_engine_that_starts_is_waited_for(tmp_path: Path) -> None:
    lock = EngineLock(tmp_path)
    lock.acquire()
    asking = asyncio.create_task(running_broker(load({"data_dir": tmp_path}).settings))
    done, _ = await asyncio.wait({asking}, timeout=0.3)
    assert not done
    lock.describe(broker="embedded", bootstrap="127.0.0.1:5", cluster="embedded-1")
    found = await asyncio.wait_for(asking, 10)
    assert (found.bootstrap, found.cluster_id) == ("127.0.0.1:5", "embedded-1")
    lock.release()


async def test_beside_a_reset_nothing_is_sent(tmp_path: Path) -> None:
    lock = EngineLock(tmp_path, "reset")
    lock.acquire()
    with pytest.raises(UserError, match="`anomaly-tui reset` is at work"):
        await running_broker(load({"data_dir": tmp_path}).settings)
    lock.release()


async def test_what_an_engine_that_ended_has_not_stored_is_not_waited_for(tmp_path: Path, store: Store) -> None:
    broker = ExternalBroker("127.0.0.1:5", Security(), durable=False, cluster_id="embedded-1")
    lock = EngineLock(tmp_path)
    lock.acquire()
    lock.describe(cluster="embedded-1")
    consumer = StoredConsumer(
        store, broker, "transactions", await store.outcomes.now(), EngineLock(tmp_path), by_id=False
    )
    assert await consumer.lag({0: 3}) == 3
    lock.release()
    assert await consumer.lag({0: 0}) == 0
    with pytest.raises(UserError, match="The engine ended before"):
        await consumer.lag({0: 3})
