"""`reconcile` against the producers' own ledgers, on a real Apache Kafka."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.transaction import Transaction
from services.brokers.broker import Broker
from services.models import schedule
from services.pipeline import topic as topic_watch
from services.records import wire
from services.store.rekeying import behind
from services.store.store import Store
from tests.consuming import Consumer, simulated
from tests.faults.daemon import Daemon
from tests.faults.ledger import CODECS, Ledger
from tests.faults.reconcile import Reconcile
from tests.faults.topics import Topics
from tests.odd_headers import send_oddly
from tests.rekeying import RekeyingConsumer
from tests.waiting import until

WARMING = schedule.warming("both")
STORED_WITHIN = 120.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_watch, "LOOK_EVERY", 0.3)


@pytest.fixture
def rows() -> list[Transaction]:
    return [transaction for transaction, _ in simulated(400)]


@pytest.fixture
def reconcile(tmp_path: Path, apache_kafka: str, database_url: str) -> Reconcile:
    return Reconcile(tmp_path, apache_kafka, database_url)


async def read(kafka: Broker, store: Store, topic: str, **options: Any) -> None:
    """Let a pipeline store everything that is there, markers behind the last record included."""
    async with Consumer(kafka, store, WARMING, topic=topic, keyed="user", **options) as consumer:
        await until(lambda: [each.state for each in consumer.pipeline.partitions] == ["running"])
        await until(lambda: consumer.pipeline.lag == 0)
        found = await consumer.pipeline._consumer.end_offsets([*consumer.pipeline._tasks])

        async def stored() -> bool:
            rows = [row for row in await store.progress() if row["topic"] == topic]
            return [row["next_offset"] for row in rows] == [*found.values()]

        await until(stored)


@pytest.mark.timeout(600)
async def test_every_offset_of_every_kind_of_producer_is_accounted_for(
    kafka: Broker,
    store: Store,
    topics: Topics,
    topic: str,
    rows: list[Transaction],
    reconcile: Reconcile,
    apache_kafka: str,
    cache_dir: Path,
) -> None:
    await topics.make(topic)
    ledger = Ledger(apache_kafka, topic)
    for number, codec in enumerate(CODECS):
        await ledger.transactions(rows[number * 20 : number * 20 + 20], codec=codec)
    await ledger.transactions(rows[100:110], idempotent=False, keyed=False)
    await ledger.in_transaction(rows[110:120], commit=True)
    await ledger.in_transaction(rows[120:130], commit=False)
    await ledger.transactions(rows[:7], fate="resend", codec="zstd")
    await ledger.send([None, None, None])
    ledger.fates["skipped"] += 3
    await ledger.send([b"{", b"[]", b"\x00", msgspec.json.encode({"user_id": "\u0000"})], codec="gzip")
    changed = msgspec.structs.replace(rows[0], user_id="somebody else")
    await ledger.send([wire.encode(changed)])
    ledger.fates["dead letter"] += 5
    await ledger.from_java(cache_dir, rows[130:140])
    await send_oddly(apache_kafka, topic, [(wire.encode(row), n % 3 == 0) for n, row in enumerate(rows[140:150])])
    ledger.fates["stored"] += 10
    await read(kafka, store, topic)
    assert await reconcile.totals(topic) == ledger.fates

    # What comes later waits, and is no error.
    await ledger.transactions(rows[150:160], fate="waiting")
    assert await reconcile.totals(topic) == ledger.fates
    code, said = await reconcile.said(topic)
    assert code == 0
    assert f"{ledger.fates.total()} offsets of 1 partition: all accounted for. 10 wait to be stored" in said
    assert "no engine runs, start one" in said

    # Gone from the database behind its back.
    await store.pool.execute("DELETE FROM transactions WHERE transaction_id = $1", rows[25].transaction_id)
    await store.pool.execute("DELETE FROM dead_letters WHERE payload = $1", b"[]")
    code, said = await reconcile.said(topic)
    assert code == 1
    assert f"{topic} partition 0 at offset 25: transaction '{rows[25].transaction_id}' is not stored" in said
    assert "is no transaction and no dead letter" in said
    assert "2 not accounted for" in said


async def test_what_expired_unread_is_told_and_a_topic_made_again_has_an_account_of_its_own(
    kafka: Broker, store: Store, topics: Topics, topic: str, rows: list[Transaction], reconcile: Reconcile
) -> None:
    await topics.make(topic)
    await topics.write(topic, rows[:20])
    await read(kafka, store, topic)
    await topics.write(topic, rows[20:50])
    await topics.delete_records_before(topic, 30)
    assert await reconcile.totals(topic) == {"expired unread": 10, "waiting": 20}
    await read(kafka, store, topic)
    assert await reconcile.totals(topic) == {"expired unread": 10, "stored": 20}
    await topics.delete(topic)
    await topics.make(topic)
    await topics.write(topic, rows[:15])
    assert await reconcile.totals(topic) == {"waiting": 15}
    await read(kafka, store, topic)
    # They lie where they lay before: only the time tells that they were stored from another log.
    assert await reconcile.totals(topic) == {"resend": 15}


async def test_compacted_offsets_are_accounted_for(
    kafka: Broker, store: Store, topics: Topics, topic: str, rows: list[Transaction], reconcile: Reconcile
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
    await read(kafka, store, topic)
    totals = await reconcile.totals(topic)
    assert totals["compacted"] >= 40
    assert totals["stored"] + totals["compacted"] + totals.get("resend", 0) == sum(totals.values())


async def test_days_that_retention_dropped_and_what_was_not_asked_for_are_accounted_for(
    kafka: Broker, store: Store, topics: Topics, topic: str, rows: list[Transaction], reconcile: Reconcile
) -> None:
    old = [msgspec.structs.replace(row, timestamp=row.timestamp.replace(year=2020)) for row in rows[:5]]
    await topics.make(topic)
    await topics.write(topic, rows[5:8])
    async with Consumer(kafka, store, WARMING, topic=topic, keyed="user", start_from="latest") as consumer:
        await until(lambda: [each.state for each in consumer.pipeline.partitions] == ["running"])
        await topics.write(topic, [*old, *rows[8:10]])
        await until(lambda: consumer.bus.transactions == 7)
    assert await reconcile.totals(topic) == {"not asked for": 3, "stored": 7}
    await store.pool.execute("UPDATE days SET stored_at = now() - interval '1 year' WHERE day < '2021-01-01'")
    assert len(await store.days.drop_expired(90)) == 1
    assert await reconcile.totals(topic) == {"not asked for": 3, "dropped by retention": 5, "stored": 2}


async def test_both_topics_of_one_that_is_re_keyed_are_accounted_for(
    kafka: Broker, store: Store, topics: Topics, topic: str, rows: list[Transaction], reconcile: Reconcile
) -> None:
    await topics.make(topic, partitions=2)
    ledger = Ledger(kafka.bootstrap, topic)
    await ledger.transactions(rows[:50], keyed=False)
    await ledger.transactions(rows[:5], fate="resend")
    await ledger.send([b"{", b"[]", None])
    await ledger.in_transaction(rows[50:60], commit=False)
    await ledger.in_transaction(rows[60:70], commit=True)
    ledger.fates.update({"dead letter": 2, "skipped": 1})
    async with RekeyingConsumer(kafka, store, WARMING, topic=topic, keyed="rekey") as consumer:
        await until(lambda: consumer.bus.transactions == 60)
        await until(lambda: consumer.rekeyer is not None and consumer.rekeyer.figures.lag == 0)
        await until(lambda: consumer.pipeline.lag == 0)
    both = await reconcile.totals(topic)
    assert both == {fate: count * (1 if fate in ("marker", "aborted") else 2) for fate, count in ledger.fates.items()}
    await store.pool.execute("DELETE FROM transactions WHERE transaction_id = $1", rows[25].transaction_id)
    code, said = await reconcile.said(topic)
    assert (code, "2 not accounted for" in said) == (1, True)
    assert f"{topic} partition 0 at offset 25" in said
    assert f"{topic}-by-user partition " in said
    assert "What was re-keyed is counted in the topic and in its copy." in said


@pytest.mark.timeout(900)
async def test_after_all_of_it_was_done_to_one_topic_the_account_is_what_the_ledger_says(
    kafka: Broker,
    store: Store,
    topics: Topics,
    topic: str,
    rows: list[Transaction],
    reconcile: Reconcile,
    database_url: str,
    cache_dir: Path,
    tmp_path: Path,
) -> None:
    """Without keys, aborted, empty, dead, sent again, expired, dropped by retention, from five clients; three kills."""
    await topics.make(topic, partitions=4)
    ledger = Ledger(kafka.bootstrap, topic)
    daemon = Daemon(tmp_path, kafka.bootstrap, database_url, "--topic", topic)

    async def accounted() -> bool:
        hops = await store.rekeying.hops(kafka.cluster_id, topic)
        _, end = (await topics.marks(topic, 1))[0]
        return bool(hops) and behind(hops, topic, {0: end}) == 0

    await daemon.start()
    await ledger.transactions(rows[:20], keyed=False)
    await until(accounted, STORED_WITHIN)
    await daemon.end(signal.SIGKILL)
    # Ten of these, and what is stored of before, are gone before the daemon comes back.
    await ledger.transactions(rows[20:40], keyed=False)
    await topics.delete_records_before(topic, 30)
    ledger.fates.update({"stored": -30, "expired unread": 10})

    await daemon.start()
    for number, codec in enumerate(CODECS):
        first = 40 + number * 20
        await ledger.transactions(rows[first : first + 20], codec=codec, keyed=number % 2 == 0)
    await ledger.in_transaction(rows[140:150], commit=False)
    await until(lambda: store_has(store, rows[60]), STORED_WITHIN)
    await daemon.end(signal.SIGKILL)
    await ledger.in_transaction(rows[150:160], commit=True)
    await ledger.transactions(rows[30:37], fate="resend", codec="zstd")
    await ledger.send([None, None, None], keyed=False)
    await ledger.send([b"{", b"[]", b"\x00", wire.encode(msgspec.structs.replace(rows[35], user_id="another"))])
    ledger.fates.update({"skipped": 3, "dead letter": 4})
    old = [msgspec.structs.replace(row, timestamp=row.timestamp.replace(year=2020)) for row in rows[160:165]]
    await ledger.transactions(old, fate="dropped by retention", keyed=False)
    await daemon.start()
    await ledger.from_java(cache_dir, rows[170:180])
    await send_oddly(kafka.bootstrap, topic, [(wire.encode(row), n % 3 == 0) for n, row in enumerate(rows[180:190])])
    ledger.fates["stored"] += 10
    await until(lambda: daemon.log.read_text().count("engine started") == 3)
    await daemon.end(signal.SIGKILL)
    await daemon.start()
    await until(accounted, STORED_WITHIN)
    # Whoever is told to end before it has begun need not do so in good order.
    await until(lambda: daemon.log.read_text().count("engine started") == 4)
    assert await daemon.end(signal.SIGTERM) == 0, daemon.log.read_text()[-4000:]

    await store.pool.execute("UPDATE days SET stored_at = now() - interval '1 year' WHERE day < '2021-01-01'")
    await store.days.drop_expired(90)
    assert await reconcile.fates_of(topic) == ledger.fates
    assert await store.count() == ledger.fates["stored"] + 20


async def store_has(store: Store, row: Transaction) -> bool:
    found = await store.pool.fetchval("SELECT 1 FROM transactions WHERE transaction_id = $1", row.transaction_id)
    return found is not None


async def test_a_topic_that_is_not_there_is_said(reconcile: Reconcile, store: Store) -> None:
    code, said = await reconcile.said("elsewhere")
    assert code == 1
    assert "There is no topic elsewhere at Kafka at " in said
