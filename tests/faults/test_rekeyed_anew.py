"""Re-keying on a real Apache Kafka where something was there before: another topic, another copy, another reader."""

import asyncio
import random
import time
from contextlib import AsyncExitStack, nullcontext
from pathlib import Path

import pytest

from detectors.models import Models
from domain.transaction import Transaction
from services.brokers.broker import Broker
from services.models import schedule
from services.pipeline import rekey
from services.pipeline import topic as topic_watch
from services.store.rekeying import Sources, by_user
from services.store.store import Store
from tests.consuming import simulated
from tests.faults.keyless import PARTITIONS, STORED_WITHIN, until_all_stored, write
from tests.faults.promises import wrong_profiles
from tests.faults.reconcile import Reconcile
from tests.faults.topics import Topics
from tests.rekeying import RekeyingConsumer
from tests.waiting import until


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delete what is stored, and look at the topics, far more often than in use."""
    monkeypatch.setattr(rekey, "KEEP_EVERY", 0.3)
    monkeypatch.setattr(rekey, "LOOK_EVERY", 0.3)
    monkeypatch.setattr(topic_watch, "LOOK_EVERY", 0.3)


@pytest.fixture(scope="module")
def models() -> Models:
    return schedule.warming("both")


@pytest.fixture(scope="module")
def rows() -> list[Transaction]:
    return [transaction for transaction, _ in simulated(1_000, users=50)]


async def until_forgotten(topics: Topics, copy: str) -> None:
    """Wait until Kafka has deleted everything in the copy."""
    async with asyncio.timeout(STORED_WITHIN):
        while any(low < high or not high for low, high in await topics.marks(copy, PARTITIONS)):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("running", [True, False], ids=["under a running engine", "while nothing runs"])
async def test_a_topic_made_again_once_its_copy_was_emptied_is_re_keyed_from_its_beginning(
    kafka: Broker, topics: Topics, topic: str, store: Store, models: Models, rows: list[Transaction], running: bool
) -> None:
    await topics.make(topic, PARTITIONS)
    await write(kafka.bootstrap, topic, rows[:200])

    async def make_again() -> None:
        await topics.delete(topic)
        await topics.make(topic, PARTITIONS)
        await write(kafka.bootstrap, topic, rows[200:])

    async with RekeyingConsumer(kafka, store, models, topic=topic):
        await until_all_stored(store, rows[:200])
        await until_forgotten(topics, by_user(topic))
        if running:
            await make_again()
            await until_all_stored(store, rows)
    if not running:
        await make_again()
        async with RekeyingConsumer(kafka, store, models, topic=topic):
            await until_all_stored(store, rows)
    assert await wrong_profiles(store) == set()


async def test_after_a_reset_the_whole_topic_is_re_keyed_again(
    kafka: Broker, topics: Topics, topic: str, store: Store, models: Models, rows: list[Transaction]
) -> None:
    await topics.make(topic, PARTITIONS)
    await write(kafka.bootstrap, topic, rows[:300])
    async with RekeyingConsumer(kafka, store, models, topic=topic):
        await until_all_stored(store, rows[:300])
        await until_forgotten(topics, by_user(topic))
    await store.reset()
    await write(kafka.bootstrap, topic, rows[300:600])
    async with RekeyingConsumer(kafka, store, models, topic=topic):
        await until_all_stored(store, rows[:600])
    assert await store.rekeying.copy_of(kafka.cluster_id, topic) != by_user(topic)
    assert await wrong_profiles(store) == set()


async def test_two_databases_read_one_re_keyed_topic_each_in_full(
    kafka: Broker,
    topics: Topics,
    topic: str,
    store: Store,
    other_store: Store,
    models: Models,
    rows: list[Transaction],
) -> None:
    await topics.make(topic, PARTITIONS)
    await write(kafka.bootstrap, topic, rows[:300])
    async with RekeyingConsumer(kafka, store, models, topic=topic, group="one"):
        await until_all_stored(store, rows[:300])
        await until_forgotten(topics, by_user(topic))
        async with RekeyingConsumer(kafka, other_store, models, topic=topic, group="two"):
            await write(kafka.bootstrap, topic, rows[300:])
            await asyncio.gather(until_all_stored(store, rows), until_all_stored(other_store, rows))
    copies = [await each.rekeying.copy_of(kafka.cluster_id, topic) for each in (store, other_store)]
    assert copies[0] == by_user(topic)
    assert copies[1] is not None
    assert copies[1].startswith(f"{by_user(topic)}-")
    for each in (store, other_store):
        assert await wrong_profiles(each) == set()


async def test_a_strangers_topic_of_the_name_of_the_copy_is_left_alone(
    kafka: Broker, topics: Topics, topic: str, store: Store, models: Models, rows: list[Transaction]
) -> None:
    for name in (topic, by_user(topic)):
        await topics.make(name, PARTITIONS)
    await write(kafka.bootstrap, by_user(topic), rows[900:])
    await write(kafka.bootstrap, topic, rows[:300])
    async with RekeyingConsumer(kafka, store, models, topic=topic):
        await until_all_stored(store, rows[:300])
        copy = await store.rekeying.copy_of(kafka.cluster_id, topic)
        assert copy is not None
        await until_forgotten(topics, copy)
    async with RekeyingConsumer(kafka, store, models, topic=topic):
        await write(kafka.bootstrap, topic, rows[300:600])
        await until_all_stored(store, rows[:600])
    # The name that was chosen is kept, and nothing of the stranger's is gone.
    assert await store.rekeying.copy_of(kafka.cluster_id, topic) == copy
    assert await topics.marks(by_user(topic), PARTITIONS) == [(0, 25)] * PARTITIONS


async def test_a_record_dated_far_ahead_is_copied(
    kafka: Broker, topics: Topics, topic: str, store: Store, models: Models, rows: list[Transaction]
) -> None:
    await topics.make(topic, PARTITIONS, {"message.timestamp.after.max.ms": str(365 * 86_400_000)})
    ahead = int((time.time() + 30 * 86_400) * 1000)
    async with RekeyingConsumer(kafka, store, models, topic=topic):
        await write(kafka.bootstrap, topic, rows[:100])
        await write(kafka.bootstrap, topic, rows[100:110], timestamp=ahead)
        await write(kafka.bootstrap, topic, rows[110:200])
        await until_all_stored(store, rows[:200])
    assert await wrong_profiles(store) == set()


async def test_records_larger_than_a_copy_takes_by_default_are_copied(
    kafka: Broker, topics: Topics, topic: str, store: Store, models: Models, rows: list[Transaction]
) -> None:
    await topics.make(topic, PARTITIONS, {"max.message.bytes": str(12 * 1024 * 1024)})
    await write(kafka.bootstrap, topic, rows[:100])
    await topics.write_raw(topic, random.Random(1).randbytes(10 * 1024 * 1024))
    await write(kafka.bootstrap, topic, rows[100:200])
    async with RekeyingConsumer(kafka, store, models, topic=topic):
        await until_all_stored(store, rows[:200])
        async with asyncio.timeout(STORED_WITHIN):
            while not await store.dead_letters(5):
                await asyncio.sleep(0.05)


async def test_a_record_that_the_copy_does_not_take_is_told_and_waited_for_without_a_word_on_stderr(
    kafka: Broker,
    topics: Topics,
    topic: str,
    store: Store,
    models: Models,
    rows: list[Transaction],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(rekey, "widen", lambda *_: None)
    await topics.make(topic, PARTITIONS, {"max.message.bytes": str(12 * 1024 * 1024)})
    async with RekeyingConsumer(kafka, store, models, topic=topic) as consumer:
        await write(kafka.bootstrap, topic, rows[:100])
        await until_all_stored(store, rows[:100])
        capfd.readouterr()
        await topics.write_raw(topic, random.Random(1).randbytes(10 * 1024 * 1024))
        await write(kafka.bootstrap, topic, rows[100:])
        rekeyer = consumer.rekeyer
        assert rekeyer is not None
        await until(lambda: f"Raise max.message.bytes of {by_user(topic)}" in rekeyer.detail)
        assert rekeyer.degraded
        monkeypatch.undo()
        await until_all_stored(store, rows)
    assert "FATAL" not in capfd.readouterr().err
    assert await wrong_profiles(store) == set()


async def test_a_compacted_topic_is_re_keyed(
    kafka: Broker, topics: Topics, topic: str, store: Store, models: Models, rows: list[Transaction]
) -> None:
    await topics.compact_at_once()
    compacting = {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.01",
        "segment.bytes": "1048576",
        "segment.ms": "100",
        "min.compaction.lag.ms": "0",
        "max.compaction.lag.ms": "100",
    }
    await topics.make(topic, PARTITIONS, compacting)
    for first in range(0, 200, 40):
        await write(kafka.bootstrap, topic, rows[first : first + 40], key=b"the same")
    async with asyncio.timeout(60):
        while await topics.records_in(topic) > 25:
            await topics.write(topic, rows[200:201], key=b"the same")
    async with RekeyingConsumer(kafka, store, models, topic=topic, keyed="rekey") as consumer:
        await write(kafka.bootstrap, topic, rows[300:400], key=b"the same")
        async with asyncio.timeout(STORED_WITHIN):
            while consumer.rekeyer is None or consumer.rekeyer.figures.lag or consumer.pipeline.lag:
                await asyncio.sleep(0.05)
            while await store.pool.fetchval("SELECT count(*) FROM transactions") < 100:
                await asyncio.sleep(0.05)
    stored = {row[0] for row in await store.pool.fetch("SELECT transaction_id FROM transactions")}
    assert {row.transaction_id for row in rows[300:400]} <= stored
    assert consumer.bus.offset_gaps == 0
    assert await wrong_profiles(store) == set()


async def test_records_deleted_before_they_were_re_keyed_are_said_to_be_lost(
    kafka: Broker, topics: Topics, topic: str, store: Store, models: Models, rows: list[Transaction]
) -> None:
    await topics.make(topic, PARTITIONS)
    await write(kafka.bootstrap, topic, rows[:200])
    async with RekeyingConsumer(kafka, store, models, topic=topic) as consumer:
        await until_all_stored(store, rows[:200])
        await until(lambda: consumer.rekeyer is not None and consumer.rekeyer.figures.lag == 0)
    await write(kafka.bootstrap, topic, rows[200:400])
    await topics.delete_records_before(topic, 80)
    lost = {row.transaction_id for row in rows[200:400:PARTITIONS][:30]}
    async with RekeyingConsumer(kafka, store, models, topic=topic) as consumer:
        await until_all_stored(store, [row for row in rows[:400] if row.transaction_id not in lost])
        assert consumer.bus.offset_gaps == 1
        await until(lambda: consumer.rekeyer is not None and consumer.rekeyer.figures.lag == 0)
    sums = {row["partition"]: row["lost"] for row in await store.progress() if row["topic"] == topic}
    assert sums == {0: 30, 1: 0, 2: 0, 3: 0}


@pytest.mark.parametrize("scored", [True, False], ids=["and scored", "and not scored yet"])
async def test_records_that_were_copied_before_they_expired_are_not_said_to_be_lost(
    kafka: Broker,
    topics: Topics,
    topic: str,
    store: Store,
    models: Models,
    rows: list[Transaction],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    database_url: str,
    scored: bool,
) -> None:
    """The re-keyer is killed after its copies are acknowledged, and before it has stored so."""
    await topics.make(topic, PARTITIONS)
    await write(kafka.bootstrap, topic, rows[:200])

    async def is_never_stored(*_: object) -> None:
        pass

    async def all_copied() -> bool:
        return sum(end for _, end in await topics.marks(by_user(topic), PARTITIONS)) == 400

    with monkeypatch.context() as patch:
        async with AsyncExitStack() as running:
            consumer = await running.enter_async_context(RekeyingConsumer(kafka, store, models, topic=topic))
            await until_all_stored(store, rows[:200])
            await until(lambda: consumer.rekeyer is not None and consumer.rekeyer.figures.lag == 0)
            patch.setattr(Sources, "move", is_never_stored)
            # It never deletes what it has not stored to be copied.
            patch.setattr(rekey, "KEEP_EVERY", 3_600)
            async with consumer.pipeline.quiet() if not scored else nullcontext():
                await write(kafka.bootstrap, topic, rows[200:400])
                await until(all_copied, STORED_WITHIN)
                if scored:
                    await until_all_stored(store, rows[:400])
                await running.aclose()
        assert await store.count() == (400 if scored else 200)
    # Fifty of those that were copied, and ten that were not.
    await write(kafka.bootstrap, topic, rows[400:600])
    await topics.delete_records_before(topic, 110)
    lost = {row.transaction_id for row in rows[400:600:PARTITIONS][:10]}
    reconcile = Reconcile(tmp_path, kafka.bootstrap, database_url)
    assert (await reconcile.fates_of(topic))["expired unread"] == 10
    async with RekeyingConsumer(kafka, store, models, topic=topic) as consumer:
        await until_all_stored(store, [row for row in rows[:600] if row.transaction_id not in lost])
        await until(lambda: consumer.rekeyer is not None and consumer.rekeyer.figures.lag == 0)
    sums = {row["partition"]: row["lost"] for row in await store.progress() if row["topic"] == topic}
    assert sums == {0: 10, 1: 0, 2: 0, 3: 0}
    assert (await reconcile.fates_of(topic))["expired unread"] == 10
    assert await wrong_profiles(store) == set()


async def test_records_deleted_while_they_are_re_keyed_do_not_stop_the_others(
    kafka: Broker, topics: Topics, topic: str, store: Store, models: Models, rows: list[Transaction]
) -> None:
    await topics.make(topic, PARTITIONS)
    await write(kafka.bootstrap, topic, rows[:200])
    async with RekeyingConsumer(kafka, store, models, topic=topic):
        await until_all_stored(store, rows[:200])
        await topics.delete_records_before(topic, 50)
        await write(kafka.bootstrap, topic, rows[200:400])
        await until_all_stored(store, rows[:400])
    assert await wrong_profiles(store) == set()
