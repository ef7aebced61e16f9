"""Fault 25: three brokers that keep each record three times; one after another is killed, and leaders move."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.brokers.external import ExternalBroker
from services.brokers.security import Security
from services.sending.producer import Sender
from services.store.store import Store
from tests.consuming import send, simulated
from tests.faults.daemon import Daemon
from tests.faults.figures import Figures
from tests.faults.promises import broken_promises
from tests.faults.three_brokers import BROKERS, ThreeBrokers
from tests.waiting import until

FULL = os.environ.get("ANOMALY_TUI_FAULTS") == "full"
KILLS = 2 * BROKERS if FULL else 1
ROWS = 300
PARTITIONS = 4
STORED_WITHIN = 120


@pytest.fixture
async def cluster(tmp_path: Path, cache_dir: Path) -> AsyncIterator[ThreeBrokers]:
    made = ThreeBrokers(tmp_path / "brokers", cache_dir)
    try:
        await made.start()
        await made.until_all_answer()
        yield made
    finally:
        await made.stop()


@pytest.mark.timeout(1_800)
async def test_25_brokers_killed_one_after_another_cost_no_record_and_no_restart(
    cluster: ThreeBrokers, topic: str, store: Store, database_url: str, tmp_path: Path, figures: Figures
) -> None:
    broker = ExternalBroker(cluster.bootstrap, Security())
    await broker.start(lambda line: None)
    await broker.ensure_topic(topic, PARTITIONS)
    await cluster.until_in_sync(topic)
    daemon = Daemon(tmp_path, cluster.bootstrap, database_url, "--topic", topic)
    sender = Sender(broker, topic)
    await sender.start()
    rows = simulated((KILLS + 1) * ROWS)
    await daemon.start()

    async def all_stored() -> bool:
        reached = {row["partition"]: row["next_offset"] for row in await store.progress()}
        return all(reached.get(partition, 0) >= end for partition, end in sender.ends.items())

    await send(sender, rows[:ROWS])
    await sender.flush()
    await until(all_stored, STORED_WITHIN)
    for number in range(KILLS):
        sending = asyncio.create_task(send(sender, rows[(number + 1) * ROWS : (number + 2) * ROWS]))
        leader = await cluster.leader_of(topic, number % PARTITIONS)
        await cluster.kill(leader)
        figures.faults += 1
        with figures.recovering():
            await sending
            await sender.flush()
            # While it is away: the others have all that was acknowledged.
            await until(all_stored, STORED_WITHIN)
        if number + 1 < KILLS:
            await cluster.start_one(leader)
            await cluster.until_in_sync(topic)
    (engine,) = await store.live_engines()
    assert {worker["name"]: worker["restarts"] for worker in engine["workers"] if worker["restarts"]} == {}
    assert await daemon.end(signal.SIGTERM) == 0, daemon.log.read_text()[-4000:]
    await sender.stop()
    await broker.stop()
    sent = [transaction.transaction_id for transaction, _ in rows]
    broken = await broken_promises(
        store, sent=sent, poison=(), ends=sender.ends, cluster=broker.cluster_id, topic=topic
    )
    assert broken == [], daemon.log.read_text()[-4000:]
