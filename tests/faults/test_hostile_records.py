"""Hostile records through a running daemon and a real Apache Kafka: none ends a worker, none is unaccounted for."""

import asyncio
import os
import random
import signal
import sys
from itertools import islice
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer

from services.brokers.broker import Broker
from services.commands.data import accounts_of
from services.store.rekeying import behind
from services.store.store import Store
from tests.faults.daemon import Daemon
from tests.faults.topics import WITHIN, Topics
from tests.fuzzing import hostile
from tests.waiting import until

FULL = os.environ.get("ANOMALY_TUI_FAULTS") == "full"
RECORDS = 500_000 if FULL else 4_000
STORED_WITHIN = 3_600 if FULL else 240
CHUNK = 1_000
SEED = "ANOMALY_TUI_FAULTS_SEED"


def send(bootstrap: str, topic: str, partitions: int, dice: random.Random) -> dict[int, int]:
    """Send them all, each into any partition; gives where each partition ends."""
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "log_level": 0})
    ends = dict.fromkeys(range(partitions), 0)
    for number, record in enumerate(islice(hostile(dice), RECORDS)):
        partition = dice.randrange(partitions)
        producer.produce(topic, record.value, record.key, partition=partition, headers=record.headers)
        ends[partition] += 1
        if number % CHUNK == 0:
            producer.flush(WITHIN)
    assert producer.flush(WITHIN) == 0
    return ends


@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("partitions", [1, 4], ids=["read as it is", "re-keyed"])
async def test_no_worker_restarts_and_stored_dead_and_skipped_are_what_was_sent(
    kafka: Broker, topic: str, store: Store, database_url: str, tmp_path: Path, partitions: int
) -> None:
    seed = int(os.environ.get(SEED) or random.randrange(10_000))
    print(f"{SEED}={seed}")
    await Topics(kafka.bootstrap).make(topic, partitions)
    ends = await asyncio.to_thread(send, kafka.bootstrap, topic, partitions, random.Random(seed))
    assert sum(ends.values()) == RECORDS
    daemon = Daemon(tmp_path, kafka.bootstrap, database_url, "--topic", topic)
    await daemon.start()

    async def all_stored() -> bool:
        hops = await store.rekeying.hops(kafka.cluster_id, topic)
        return bool(hops) and behind(hops, topic, ends) == 0

    await until(all_stored, STORED_WITHIN)
    (engine,) = await store.live_engines()
    assert {worker["name"]: worker["restarts"] for worker in engine["workers"] if worker["restarts"]} == {}
    assert await daemon.end(signal.SIGTERM) == 0, daemon.log.read_text()[-4000:]

    copy = await store.rekeying.copy_of(kafka.cluster_id, topic)
    assert (copy is not None) == (partitions > 1)
    accounts = accounts_of(await store.progress())
    account = accounts[copy or topic]
    if copy is not None:
        # What was stored before the first record without its user's key was met.
        account = account + accounts[topic]
        assert accounts[topic].copied == RECORDS - accounts[topic].stored - accounts[topic].resends - (
            accounts[topic].dead + accounts[topic].skipped
        )
    assert account.stored + account.resends + account.dead + account.skipped == RECORDS
    assert account.stored == await store.count()
    assert account.dead == await store.pool.fetchval("SELECT count(*) FROM dead_letters")
    unexpected = await store.pool.fetchval("SELECT count(*) FROM dead_letters WHERE reason LIKE '%please report%'")
    assert unexpected == 0

    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("anomaly-tui")), "reconcile", "--json", "--kafka", kafka.bootstrap),
        *("--topic", topic, "--database", database_url, "--data-dir", str(tmp_path / "other")),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert msgspec.json.decode(output)["accounted"], output.decode()[-2000:]
    assert process.returncode == 0
