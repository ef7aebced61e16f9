"""Records that are not keyed by user, on a real Apache Kafka."""

import asyncio
from collections.abc import Sequence

from confluent_kafka import Producer

from domain.transaction import Transaction
from services.records import wire
from services.store.store import Store
from tests.faults.topics import HEADERS, WITHIN, until_stored

PARTITIONS = 4
STORED_WITHIN = 60


async def write(
    bootstrap: str, topic: str, rows: Sequence[Transaction], *, key: bytes | None = None, timestamp: int = 0
) -> None:
    """Send each record into the next partition, keyed by nothing that is its user's."""

    def work() -> None:
        producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "log_level": 0})
        refused: list[object] = []

        def note(error: object, _: object) -> None:
            if error is not None:
                refused.append(error)

        for number, row in enumerate(rows):
            partition = number % PARTITIONS
            options = {"timestamp": timestamp} if timestamp else {}
            producer.produce(
                topic, wire.encode(row), key, partition=partition, headers=HEADERS, on_delivery=note, **options
            )
        assert producer.flush(WITHIN) == 0
        assert not refused, refused[:2]

    await asyncio.to_thread(work)


async def until_all_stored(store: Store, rows: Sequence[Transaction]) -> None:
    """Wait until exactly these are stored, each once."""
    await until_stored(store, len(rows), STORED_WITHIN)
    stored = [row[0] for row in await store.pool.fetch("SELECT transaction_id FROM transactions")]
    assert sorted(stored) == sorted(row.transaction_id for row in rows)
