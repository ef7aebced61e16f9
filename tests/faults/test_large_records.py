"""Records far larger than a transaction may be, through a daemon and a real Apache Kafka."""

import asyncio
import random
import signal
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Producer

from services.brokers.broker import Broker
from services.records import wire
from services.store.store import Store
from tests.faults.daemon import Daemon
from tests.faults.topics import HEADERS, WITHIN, Topics
from tests.simulating import awake
from tests.waiting import until

MIB = 1024 * 1024
LARGE = 10 * MIB
HOW_MANY = 40
STORED_WITHIN = 300
MOST_MEMORY = 700 * MIB


@pytest.mark.timeout(900)
async def test_records_of_ten_megabytes_are_dead_letters_and_the_others_are_stored(
    kafka: Broker, topics: Topics, topic: str, store: Store, database_url: str, tmp_path: Path
) -> None:
    await topics.make(topic, 1, {"max.message.bytes": str(LARGE + MIB)})
    start = datetime.now(UTC) - timedelta(hours=1)
    rows = [row for row, _ in islice(awake(start, users=10, anomaly_rate=0.0, seed=2, rate=1), 200)]

    def send() -> None:
        producer = Producer({"bootstrap.servers": kafka.bootstrap, "message.max.bytes": LARGE + MIB, "log_level": 0})
        noise = random.Random(1).randbytes(LARGE - 1_000)
        letters = wire.encode(rows[0]).replace(rows[0].transaction_id.encode(), b"x" * (LARGE - 1_000))
        for number, row in enumerate(rows):
            if number % (len(rows) // HOW_MANY) == 0:
                large = (noise, letters)[number % 2]
                producer.produce(topic, large, b"k", partition=0, headers=HEADERS)
                assert producer.flush(WITHIN) == 0
            producer.produce(topic, wire.encode(row), row.user_id.encode(), partition=0, headers=HEADERS)
        assert producer.flush(WITHIN) == 0

    await asyncio.to_thread(send)
    daemon = Daemon(tmp_path, kafka.bootstrap, database_url, "--topic", topic)
    await daemon.start()
    assert daemon.process is not None
    process, most = psutil.Process(daemon.process.pid), 0

    async def all_stored() -> bool:
        nonlocal most
        most = max(most, process.memory_info().rss)
        return await store.count() == len(rows)

    await until(all_stored, STORED_WITHIN)
    assert most < MOST_MEMORY
    dead = await store.pool.fetch("SELECT length(payload) AS size, reason FROM dead_letters")
    assert len(dead) == HOW_MANY
    # Whole, so that it can be read again once somebody knows what it is.
    assert all(letter["size"] > 9 * MIB for letter in dead), dead
    assert await daemon.end(signal.SIGTERM) == 0, daemon.log.read_text()[-4000:]
    print(f"most memory {most / MIB:.0f} MiB")
