"""Records of other systems on a topic: what is skipped is counted, nothing ends the pipeline."""

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from detectors.models import Models
from detectors.policy import USUAL_POLICY
from services.brokers.broker import Broker
from services.models import schedule
from services.records.mapping import Mapping
from services.records.registry import SchemaRegistry
from services.sending.producer import Outgoing, Sender
from services.store.store import Store
from tests.consuming import Consumer, simulated
from tests.waiting import until


@pytest.fixture(scope="module")
def fitted() -> Models:
    return schedule.fit([transaction for transaction, _ in simulated(1500, seed=9)], 1500, "both", USUAL_POLICY)


def change(op: str, ident: int, amount: str) -> bytes:
    now = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    row: dict[str, Any] = {"transaction_id": ident, "user_id": 42, "amount": amount, "currency": "eur"}
    row["timestamp"] = int(now.timestamp()) * 1_000_000
    return json.dumps({"before": row, "after": None if op == "d" else row, "op": op}).encode()


async def test_a_table_of_debezium_is_followed_with_its_updates_deletions_and_tombstones(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    mapping = Mapping.from_dict({"preset": "debezium", "timestamp_format": "us"})
    values: list[Any] = [
        change("c", 1, "12.50"),
        change("u", 1, "13.00"),
        change("d", 1, "13.00"),
        None,
        change("u", 2, "7.00"),
    ]
    async with Consumer(broker, store, fitted, mapping=mapping) as consumer:
        for value in values:
            await sender.send(Outgoing(b"42", value, [("refused", None)]))  # type: ignore[list-item]
        await consumer.drained(sender)
    rows = await store.pool.fetch("SELECT transaction_id, amount::text FROM transactions ORDER BY 1")
    assert [tuple(row) for row in rows] == [("1", "12.50"), ("2", "7.00")]
    assert consumer.bus.skipped == Counter(updated=1, deleted=1, tombstone=1)
    assert (consumer.bus.dead_letters, consumer.bus.duplicates) == (0, 0)


async def test_while_the_schema_registry_is_away_it_is_named_and_waited_for(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    away = SchemaRegistry("http://127.0.0.1:1")
    mapping = Mapping().with_registry(away)
    with capture_logs() as logs:
        async with Consumer(broker, store, fitted, mapping=mapping) as consumer:
            await sender.send(Outgoing(b"42", b"\0\0\0\0\1" + change("c", 1, "12.50"), []))
            await sender.flush()
            await until(lambda: "the schema registry does not answer" in consumer.pipeline.detail)
            assert consumer.pipeline.degraded
    said = [line for line in logs if line["log_level"] == "warning"]
    assert {line["event"] for line in said} == {"the schema registry does not answer"}
    assert all("http://127.0.0.1:1" in line["error"] for line in said)
