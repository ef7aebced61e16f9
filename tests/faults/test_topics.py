"""Transactions, compaction, retention, and topics that are made again: on a real Apache Kafka."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from domain.accounting import Account
from domain.transaction import Transaction
from services.brokers.broker import Broker
from services.brokers.external import ExternalBroker
from services.brokers.security import Security
from services.commands.data import accounts_of
from services.models import schedule
from services.pipeline import consumer as consumers
from services.pipeline import ends
from services.pipeline import topic as topic_watch
from services.sending.producer import Sender, outgoing
from services.store.batch import Term
from services.store.store import Store
from tests.consuming import Consumer, simulated
from tests.faults.promises import wrong_profiles
from tests.faults.topics import Topics, until_stored
from tests.waiting import until

WARMING = schedule.warming("both")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the topic and the end offsets far more often than in use."""
    monkeypatch.setattr(consumers, "PROBE_EVERY", 0.3)
    monkeypatch.setattr(consumers, "REJOIN_AFTER", 1.0)
    monkeypatch.setattr(topic_watch, "LOOK_EVERY", 0.3)
    monkeypatch.setattr(ends, "OPEN_TRANSACTION_AFTER", 0.5)


@pytest.fixture
def rows() -> list[Transaction]:
    return [transaction for transaction, _ in simulated(200)]


async def until_reached(store: Store, offset: int) -> None:
    async with asyncio.timeout(30):
        while [row["next_offset"] for row in await store.progress()] != [offset]:
            await asyncio.sleep(0.02)


def errors(logs: list[Any]) -> list[str]:
    return [line["event"] for line in logs if line["log_level"] == "error"]


async def test_aborted_records_and_markers_are_neither_stored_nor_lost_nor_lag(
    kafka: Broker, store: Store, topics: Topics, topic: str, rows: list[Transaction]
) -> None:
    await topics.make(topic)
    with capture_logs() as logs:
        async with Consumer(kafka, store, WARMING, topic=topic) as consumer:
            for first in range(0, 60, 20):
                async with topics.transaction(topic) as aborted:
                    await aborted.write(rows[first : first + 10])
                async with topics.transaction(topic) as committed:
                    await committed.write(rows[first + 10 : first + 20])
                    await committed.commit()
            async with topics.transaction(topic) as aborted:
                await aborted.write(rows[100:110])
            await until_stored(store, 30)
            # 70 records and the markers of 7 transactions.
            await until(lambda: [status.lag for status in consumer.pipeline.partitions] == [0])
            await until_reached(store, 77)
    assert accounts_of(await store.progress()) == {topic: Account(stored=30, without_record=47)}
    assert consumer.bus.offset_gaps == 0
    assert [line["event"] for line in logs if line["log_level"] in ("warning", "error")] == []
    stored = {row[0] for row in await store.pool.fetch("SELECT transaction_id FROM transactions")}
    assert stored == {row.transaction_id for first in (10, 30, 50) for row in rows[first : first + 10]}


async def test_records_of_aborted_transactions_are_stored_where_that_is_asked_for(
    kafka: Broker, store: Store, topics: Topics, topic: str, rows: list[Transaction]
) -> None:
    await topics.make(topic)
    async with topics.transaction(topic) as aborted:
        await aborted.write(rows[:10])
    async with Consumer(kafka, store, WARMING, topic=topic, isolation="read_uncommitted") as consumer:
        await until_stored(store, 10)
        await until(lambda: consumer.pipeline.lag == 0)


async def test_a_transaction_left_open_is_named_with_its_age(
    kafka: Broker, store: Store, topics: Topics, topic: str, rows: list[Transaction]
) -> None:
    await topics.make(topic)
    await topics.write(topic, rows[:3])
    with capture_logs() as logs:
        async with Consumer(kafka, store, WARMING, topic=topic) as consumer, topics.transaction(topic) as opened:
            await opened.write(rows[3:8])
            await topics.write(topic, rows[8:10])
            await until(lambda: (consumer.pipeline.partitions[0].held_for or 0) > 0.6)
            await until(lambda: "a transaction is open for" in consumer.pipeline.detail)
            assert consumer.pipeline.degraded
            assert consumer.pipeline.lag == 0
            assert await store.count() == 3
            await opened.commit()
            await until_stored(store, 10)
            await until(lambda: consumer.pipeline.partitions[0].held_for is None)
            await until(lambda: not consumer.pipeline.degraded)
    said = [line["event"] for line in logs if "transaction" in line["event"]]
    assert said == ["a transaction left open keeps records back", "the open transaction has ended"]


async def test_24_a_transaction_that_its_producer_never_ends_holds_up_and_loses_nothing(
    kafka: Broker, store: Store, topics: Topics, topic: str, rows: list[Transaction]
) -> None:
    await topics.make(topic)
    await topics.write(topic, rows[:3])
    async with Consumer(kafka, store, WARMING, topic=topic) as consumer:
        await until_stored(store, 3)
        await topics.abandon_transaction(topic, rows[3:8], within_ms=2_000)
        await topics.write(topic, rows[8:20])
        await until(lambda: "a transaction is open for" in consumer.pipeline.detail)
        assert (consumer.pipeline.degraded, await store.count()) == (True, 3)
        # Kafka looks for such transactions every 10 s.
        await until_stored(store, 15)
        await until(lambda: not consumer.pipeline.degraded and consumer.pipeline.lag == 0)
        await until_reached(store, 21)
    assert accounts_of(await store.progress()) == {topic: Account(stored=15, without_record=6)}
    assert consumer.bus.offset_gaps == 0
    assert await wrong_profiles(store) == set()


async def test_compacted_offsets_are_no_loss(
    kafka: Broker, store: Store, topics: Topics, topic: str, rows: list[Transaction]
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
    await topics.make(topic, config=compacting)
    for first in range(0, 80, 20):
        await topics.write(topic, rows[first : first + 20], key=b"the same")
    async with asyncio.timeout(60):
        while await topics.records_in(topic) > 40:
            # A segment that is written to is never compacted; a record after its time begins the next one.
            await topics.write(topic, rows[80:81], key=b"the same")
    with capture_logs() as logs:
        async with Consumer(kafka, store, WARMING, topic=topic) as consumer:
            await until(lambda: consumer.pipeline.lag == 0 and consumer.bus.transactions > 0)
    assert 0 < await store.count() < 60
    assert consumer.bus.offset_gaps == 0
    assert errors(logs) == []


async def test_records_that_expired_unread_are_said_to_be_lost(
    kafka: Broker, store: Store, topics: Topics, topic: str, rows: list[Transaction]
) -> None:
    await topics.make(topic)
    await topics.write(topic, rows[:20])
    async with Consumer(kafka, store, WARMING, topic=topic):
        await until_stored(store, 20)
    await topics.write(topic, rows[20:50])
    await topics.delete_records_before(topic, 30)
    with capture_logs() as logs:
        async with Consumer(kafka, store, WARMING, topic=topic) as consumer:
            await until_stored(store, 40)
    assert consumer.bus.offset_gaps == 1
    (lost,) = [line for line in logs if line["log_level"] == "error"]
    assert lost["event"] == "Kafka dropped records before they were read"
    assert (lost["topic"], lost["lost"]) == (topic, 10)
    assert accounts_of(await store.progress()) == {topic: Account(stored=40, lost=10)}


async def test_a_topic_made_again_while_nothing_runs_is_read_from_its_beginning(
    kafka: Broker, store: Store, topics: Topics, topic: str, rows: list[Transaction]
) -> None:
    await topics.make(topic)
    await topics.write_raw(topic, b"{")
    await topics.write(topic, rows[:60])
    async with Consumer(kafka, store, WARMING, topic=topic):
        await until_stored(store, 60)
    await topics.delete(topic)
    await topics.make(topic)
    await topics.write_raw(topic, b"[]")
    await topics.write(topic, [*rows[:3], *rows[60:68]])
    with capture_logs() as logs:
        async with Consumer(kafka, store, WARMING, topic=topic) as consumer:
            await until_stored(store, 68)
            await until(lambda: consumer.pipeline.lag == 0)
            await until(lambda: "made again" in consumer.pipeline.detail)
    assert (consumer.bus.topic_resets, consumer.bus.offset_gaps, consumer.bus.duplicates) == (1, 0, 3)
    assert errors(logs) == ["the topic was deleted and made again: reading it from its beginning"]
    letters = await store.dead_letters(5)
    assert sorted((letter.offset, letter.excerpt) for letter in letters) == [(0, "[]"), (0, "{")]
    assert [row["incarnation"] for row in await store.progress()] == [2]


@pytest.mark.parametrize("count", [8, 100], ids=["shorter than before", "longer than before"])
async def test_a_topic_made_again_under_a_running_engine_is_read_from_its_beginning(
    kafka: Broker, store: Store, topics: Topics, topic: str, rows: list[Transaction], count: int
) -> None:
    await topics.make(topic)
    await topics.write(topic, rows[:60])
    with capture_logs() as logs:
        async with Consumer(kafka, store, WARMING, topic=topic) as consumer:
            await until_stored(store, 60)
            await topics.delete(topic)
            await topics.make(topic)
            await topics.write(topic, rows[60 : 60 + count])
            await until_stored(store, 60 + count)
            await until(lambda: consumer.pipeline.lag == 0)
            await topics.write(topic, rows[60 + count : 65 + count])
            await until_stored(store, 65 + count)
    assert (consumer.bus.topic_resets, consumer.bus.offset_gaps) == (1, 0)
    assert any("made again" in error for error in errors(logs))


async def test_the_ends_that_a_sender_knows_are_those_of_the_topic_that_is_there(
    kafka: Broker, topics: Topics, topic: str, rows: list[Transaction]
) -> None:
    sender = Sender(kafka, topic)
    await topics.make(topic)
    await sender.start()
    for row in rows[:20]:
        await sender.send(outgoing(row, None, replay=True))
    await sender.flush()
    assert sender.ends == {0: 20}
    await topics.delete(topic)
    await topics.make(topic)
    for row in rows[20:23]:
        await sender.send(outgoing(row, None, replay=True))
    await sender.flush()
    assert sender.ends == {0: 3}
    await sender.stop()


async def test_a_topic_that_is_gone_is_waited_for(
    kafka: Broker, store: Store, topics: Topics, topic: str, rows: list[Transaction]
) -> None:
    await topics.make(topic)
    await topics.write(topic, rows[:10])
    async with Consumer(kafka, store, WARMING, topic=topic) as consumer:
        await until_stored(store, 10)
        await topics.delete(topic)
        await until(lambda: "there is no topic" in consumer.pipeline.detail)
        assert consumer.pipeline.degraded
        await topics.make(topic)
        await topics.write(topic, rows[10:20])
        await until_stored(store, 20)
        await until(lambda: not consumer.pipeline.degraded)


class WithoutIds(ExternalBroker):
    """A cluster from before topics had ids."""

    async def topic_id(self, topic: str) -> str | None:
        return ""


async def test_a_topic_shorter_than_what_was_read_is_read_from_its_beginning_where_topics_have_no_ids(
    apache_kafka: str, store: Store, topics: Topics, topic: str, rows: list[Transaction]
) -> None:
    old = WithoutIds(apache_kafka, Security())
    await old.start(lambda line: None)
    await topics.make(topic)
    await topics.write(topic, rows[:60])
    async with Consumer(old, store, WARMING, topic=topic):
        await until_stored(store, 60)
    await topics.delete(topic)
    await topics.make(topic)
    await topics.write(topic, rows[60:68])
    with capture_logs() as logs:
        async with Consumer(old, store, WARMING, topic=topic) as consumer:
            await until_stored(store, 68)
    assert consumer.bus.topic_resets == 1
    assert errors(logs) == ["the topic was made again or shortened: reading it from its beginning"]


async def test_a_first_start_begins_where_it_is_told_to(
    kafka: Broker, store: Store, topics: Topics, topic: str, rows: list[Transaction]
) -> None:
    await topics.make(topic)
    await topics.write(topic, rows[:10])
    async with Consumer(kafka, store, WARMING, topic=topic, start_from="latest") as consumer:
        await until(lambda: [status.state for status in consumer.pipeline.partitions] == ["running"])
        await topics.write(topic, rows[10:15])
        await until_stored(store, 5)
    assert consumer.bus.offset_gaps == 0
    # What is stored counts from now on.
    await topics.write(topic, rows[15:20])
    async with Consumer(kafka, store, WARMING, topic=topic, start_from="latest"):
        await until_stored(store, 10)


@pytest.mark.parametrize("ahead", [False, True], ids=["between records", "after all records"])
async def test_a_first_start_begins_at_a_time(
    kafka: Broker, store: Store, topics: Topics, topic: str, rows: list[Transaction], ahead: bool
) -> None:
    await topics.make(topic)
    await topics.write(topic, rows[:10])
    between = datetime.now(UTC)
    await topics.write(topic, rows[10:15])
    start = between + timedelta(days=1) if ahead else between
    async with Consumer(kafka, store, WARMING, topic=topic, start_from=start) as consumer:
        await until(lambda: [status.state for status in consumer.pipeline.partitions] == ["running"])
        await topics.write(topic, rows[15:20])
        await until_stored(store, 5 if ahead else 10)


async def test_a_record_the_process_dies_of_is_buried_also_where_aborted_ones_lie_before_it(
    kafka: Broker, store: Store, topics: Topics, topic: str, rows: list[Transaction]
) -> None:
    await topics.make(topic)
    await topics.write(topic, rows[:3])
    async with Consumer(kafka, store, WARMING, topic=topic):
        await until_stored(store, 3)
    async with topics.transaction(topic) as aborted:
        await aborted.write(rows[3:8])
    await topics.write(topic, rows[8:10])
    for _ in range(2):
        # As an owner leaves it that dies while it scores one record.
        opening = await store.open_term(kafka.cluster_id, topic, 0, "dying")
        await store.mark_attempt(Term(kafka.cluster_id, topic, 0, opening.epoch), 1)
    async with Consumer(kafka, store, WARMING, topic=topic):
        await until_stored(store, 4)
        await until_reached(store, 11)
    (letter,) = await store.dead_letters(5)
    assert (letter.offset, letter.topic) == (9, topic)
