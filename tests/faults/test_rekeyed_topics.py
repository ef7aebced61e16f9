"""A topic that is not keyed by user, on a real Apache Kafka: kills, takeovers, and what Kafka forgets."""

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer as Reader
from confluent_kafka import TopicPartition

from detectors.models import Models
from detectors.policy import USUAL_POLICY
from services.brokers.broker import Broker
from services.models import schedule
from services.pipeline import rekey
from services.sending.producer import Sender, outgoing
from services.store.rekeying import behind, by_user
from services.store.store import Store
from tests.consuming import Consumer, send, simulated
from tests.faults.daemon import QUICKLY_MISSED, Daemon, sabotage
from tests.faults.promises import broken_promises, wrong_profiles
from tests.faults.topics import Topics, until_stored
from tests.rekeying import RekeyingConsumer, Rows, send_anywhere
from tests.simulating import awake
from tests.waiting import until

FULL = os.environ.get("ANOMALY_TUI_FAULTS") == "full"
RECORDS = 200_000 if FULL else 6_000
USERS, PARTITIONS = 1_000, 8
STORED_WITHIN = 900 if FULL else 240
NEVER_FIT_AGAIN = 10_000_000

VERDICTS = """
SELECT transaction_id, detector, score, threshold, flagged, severity, status, model_version, reasons, error
FROM verdicts ORDER BY transaction_id, detector
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delete what is stored, and look at the topic, far more often than in use."""
    monkeypatch.setattr(rekey, "KEEP_EVERY", 0.3)
    monkeypatch.setattr(rekey, "LOOK_EVERY", 0.3)


@pytest.fixture(scope="module")
def fitted() -> Models:
    return schedule.fit([transaction for transaction, _ in simulated(1500, seed=9)], 1500, "both", USUAL_POLICY)


async def keep(store: Store, models: Models) -> None:
    """Let engines on this store use these models and fit no others."""
    assert models.basic is not None
    assert models.enhanced is not None
    for name, model in (("basic", models.basic), ("enhanced", models.enhanced)):
        await store.save_model(model.version, name, NEVER_FIT_AGAIN, model.to_bytes(), {})


async def verdicts(store: Store) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await store.pool.fetch(VERDICTS, timeout=STORED_WITHIN)]


@pytest.mark.timeout(2_400)
async def test_records_without_a_key_are_judged_as_if_they_had_one_whatever_is_killed(
    kafka: Broker,
    topics: Topics,
    topic: str,
    store: Store,
    other_store: Store,
    database_url: str,
    fitted: Models,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = datetime.now(UTC) - timedelta(hours=1)
    stream = awake(start, users=USERS, anomaly_rate=0.05, seed=11, rate=RECORDS / 3_000)
    rows: Rows = [*islice(stream, RECORDS)]
    keyed_topic = f"{topic}-keyed"
    await topics.make(topic, PARTITIONS)
    await topics.make(keyed_topic, PARTITIONS)
    keyless, keyed = Sender(kafka, topic), Sender(kafka, keyed_topic)
    for sender in (keyless, keyed):
        await sender.start()
    await send_anywhere(keyless, rows, partitions=PARTITIONS)
    await send(keyed, rows)
    for sender in (keyless, keyed):
        await sender.flush()
        await sender.stop()
    await keep(store, fitted)

    if not FULL:
        sabotage(tmp_path, monkeypatch, QUICKLY_MISSED)
    daemon = Daemon(tmp_path, kafka.bootstrap, database_url, "--topic", topic)
    for part in (1, 2):
        await daemon.start()
        async with asyncio.timeout(STORED_WITHIN):
            while await store.count() < part * RECORDS // 3:
                await asyncio.sleep(0.05)
        assert await daemon.end(signal.SIGKILL) == -signal.SIGKILL
    await daemon.start()
    async with asyncio.timeout(STORED_WITHIN):
        while behind(await store.rekeying.hops(kafka.cluster_id, topic), topic, keyless.ends):
            await asyncio.sleep(0.1)
    # All may have been stored before the last kill.
    await daemon.started(STORED_WITHIN)
    assert await daemon.end(signal.SIGTERM) == 0, daemon.log.read_text()[-4000:]

    sent = [transaction.transaction_id for transaction, _ in rows]
    broken = await broken_promises(
        store, sent=sent, poison=(), ends=keyless.ends, cluster=kafka.cluster_id, topic=topic
    )
    assert broken == [], daemon.log.read_text()[-4000:]
    async with Consumer(kafka, other_store, fitted, topic=keyed_topic, batch_size=1_000) as consumer:
        await consumer.drained(keyed, STORED_WITHIN)
    assert await verdicts(store) == await verdicts(other_store)


async def test_a_re_keyer_that_stands_by_takes_over(
    kafka: Broker, topics: Topics, topic: str, store: Store, fitted: Models
) -> None:
    await topics.make(topic, 4)
    await keep(store, fitted)
    rows = simulated(600)
    sender = Sender(kafka, topic)
    await sender.start()
    async with (
        RekeyingConsumer(kafka, store, fitted, owner="a", topic=topic, keyed="rekey") as first,
        RekeyingConsumer(kafka, store, fitted, owner="b", topic=topic) as second,
    ):
        await send_anywhere(sender, rows[:300])
        await first.drained(sender)
        assert first.rekeyer is not None
        assert first.rekeyer.figures.active
        assert second.rekeyer is not None
        assert not second.rekeyer.figures.active
        await first.kill_rekeyer()
        await send_anywhere(sender, rows[300:])
        await second.drained(sender)
        assert second.rekeyer.figures.active
    await sender.stop()
    assert await store.count() == len(rows)
    assert await wrong_profiles(store) == set()


async def test_records_of_the_copy_are_deleted_once_they_are_stored(
    kafka: Broker, topics: Topics, topic: str, store: Store, fitted: Models
) -> None:
    await topics.make(topic, 2)
    sender = Sender(kafka, topic)
    await sender.start()
    reader = Reader({"bootstrap.servers": kafka.bootstrap, "group.id": topic, "log_level": 0})

    def kept() -> int:
        marks = (reader.get_watermark_offsets(TopicPartition(by_user(topic), partition), 5) for partition in range(2))
        return sum(high - low for low, high in marks)

    async with RekeyingConsumer(kafka, store, fitted, topic=topic, keyed="rekey") as consumer:
        await send(sender, simulated(200))
        await consumer.drained(sender)
        await until(lambda: kept() == 0)
        assert sum(sender.ends.values()) == 200
    reader.close()
    await sender.stop()


async def test_a_topic_made_again_is_re_keyed_from_its_beginning(
    kafka: Broker, topics: Topics, topic: str, store: Store, fitted: Models
) -> None:
    rows = simulated(300)
    await keep(store, fitted)
    async with asyncio.timeout(60):
        await topics.make(topic, 2)
        async with RekeyingConsumer(kafka, store, fitted, topic=topic, keyed="rekey") as consumer:
            await topics.write(topic, [transaction for transaction, _ in rows[:100]])
            await until_stored(store, 100, STORED_WITHIN)
            await topics.delete(topic)
            await topics.make(topic, 2)
            # More than before, so that the old offset is one that the new topic has.
            await topics.write(topic, [transaction for transaction, _ in rows[100:]])
            await until_stored(store, 300, STORED_WITHIN)
            assert consumer.bus.topic_resets > 0
    assert await wrong_profiles(store) == set()


async def test_a_topic_of_one_partition_is_never_re_keyed(
    kafka: Broker, topics: Topics, topic: str, store: Store, fitted: Models
) -> None:
    await topics.make(topic, 1)
    sender = Sender(kafka, topic)
    await sender.start()
    async with RekeyingConsumer(kafka, store, fitted, topic=topic, keyed="rekey") as consumer:
        for transaction, truth in simulated(50):
            await sender.send(outgoing(transaction, truth, replay=True)._replace(key=None))
        await consumer.drained(sender)
    await sender.stop()
    assert consumer.rekeyer is None
    assert await store.count() == 50
