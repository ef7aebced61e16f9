"""Ways to take transactions from Kafka to PostgreSQL: ours, and those that it is measured against.

Each reads `count` records from the beginning of a topic into a database of its own and returns when all are committed.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from operator import attrgetter
from typing import Any

import asyncpg
import numpy as np
from _pipeline import pipeline_of
from aiokafka import AIOKafkaConsumer
from sklearn.ensemble import IsolationForest

from detectors.formats import STATE_VERSION
from detectors.inputs import inputs_of
from detectors.models import Models
from detectors.state import UserState
from domain.transaction import COLUMNS, Transaction
from services.brokers.broker import Broker
from services.console.bus import Bus
from services.process.supervisor import Supervisor
from services.records import wire
from services.store.batch import Batch, Part, StoredRow, Term, prepare
from services.store.committing import commit
from services.store.store import Store

Design = Callable[[Broker, Store, str, int, Models], Awaitable[None]]

BATCH = 1_000
PLAIN = (
    "transaction_id text, user_id text, amount numeric, currency text, event_time timestamptz, country text, city text,"
    " latitude double precision, longitude double precision, transaction_type text, merchant_id text,"
    " merchant_name text, merchant_category text, payment_method text, device_id text, device_type text, device_ip text"
)
"""The columns of a transaction, for a table without any index."""

_values = attrgetter(*(column.path for column in COLUMNS))


async def pipeline(broker: Broker, store: Store, topic: str, count: int, models: Models) -> None:
    """Ours, from joining the group to the last commit."""
    bus, supervisor = Bus(), Supervisor()
    supervisor.add(pipeline_of(broker, store, bus, topic, models))
    await supervisor.start()
    while bus.transactions < count:
        await asyncio.sleep(0.01)
    await supervisor.stop()


async def ceiling(broker: Broker, store: Store, topic: str, count: int, models: Models) -> None:
    """Decode and COPY, nothing else: no scores, profiles, duplicates, indexes or fence."""
    await _batches(broker, store, topic, count, lambda rows: [()] * len(rows), "")


async def forest(broker: Broker, store: Store, topic: str, count: int, models: Models) -> None:
    """An isolation forest a batch and its scores stored: no profiles, reasons, duplicates or fence."""
    basic = models.basic
    assert basic is not None
    assert basic.fitted is not None
    assert basic.forest is not None
    fitted, trees = basic.fitted, basic.forest

    def scored(rows: list[Transaction]) -> list[tuple[float, ...]]:
        return [(score,) for score in basic.scores(fitted, trees, inputs_of(rows))[2]]

    await _batches(broker, store, topic, count, scored, ", score double precision")


async def river(broker: Broker, store: Store, topic: str, count: int, models: Models) -> None:
    """River's half-space trees, which learn from each transaction after scoring it; stored a batch."""
    from river.anomaly import HalfSpaceTrees

    trees = HalfSpaceTrees(seed=1, limits={"amount": (0, 8), "hour": (0, 24), "weekday": (0, 7)})

    def scored(rows: list[Transaction]) -> list[tuple[float, ...]]:
        scores = []
        for row in rows:
            x = {
                "amount": float(np.log10(float(row.amount) + 1)),
                "hour": row.timestamp.hour,
                "weekday": row.timestamp.weekday(),
            }
            scores.append((float(trees.score_one(x)),))
            trees.learn_one(x)
        return scores

    await _batches(broker, store, topic, count, scored, ", score double precision")


async def tutorial(broker: Broker, store: Store, topic: str, count: int, models: Models) -> None:
    """As most tutorials have it: a message, scikit-learn for one row, an INSERT, two commits."""
    draw = np.random.default_rng(0)
    model = IsolationForest(random_state=0).fit(draw.normal(size=(5_000, 3)))
    async with _reading(broker, topic) as consumer, _table(store, ", score double precision") as connection:
        for _ in range(count):
            record: Any = await consumer.getone()
            row = json.loads(record.value)
            amount = float(row["amount"])
            score = float(model.score_samples([[np.log10(amount + 1), len(row["user_id"]), 0.0]])[0])
            await connection.execute(
                "INSERT INTO bench (transaction_id, user_id, amount, currency, event_time, score)"
                " VALUES ($1, $2, $3::text::numeric, $4, $5::text::timestamptz, $6)",
                *(row["transaction_id"], row["user_id"], str(row["amount"]), row["currency"], row["timestamp"], score),
            )
            await consumer.commit()


async def one_by_one(broker: Broker, store: Store, topic: str, count: int, models: Models) -> None:
    """Both detectors, profiles and offsets as exact as ours, each message for itself."""
    assert models.basic is not None
    assert models.enhanced is not None
    terms: dict[int, tuple[Term, int]] = {}
    async with _reading(broker, topic) as consumer, store.pool.acquire() as connection:
        for _ in range(count):
            record: Any = await consumer.getone()
            if record.partition not in terms:
                opening = await store.open_term("single", topic, record.partition, "bench")
                terms[record.partition] = Term("single", topic, record.partition, opening.epoch), opening.next_offset
            term, expected = terms[record.partition]
            transaction = wire.decode(record.value)
            encoded = await store.profiles([transaction.user_id], STATE_VERSION)
            states = {user: UserState.from_bytes(state) for user, state in encoded.items()}
            verdicts = (models.basic.score([transaction])[0], models.enhanced.score([transaction], states)[0])
            profiles = {user: state.to_bytes() for user, state in states.items()}
            row = StoredRow(record.offset, transaction, verdicts, None)
            part = Part(term, expected, record.offset + 1, 1, (), profiles)
            batch = Batch((part,), (row,), STATE_VERSION, "bench")
            await store.days.ensure(batch.days)
            await commit(connection, prepare(batch), store.keys)
            terms[record.partition] = term, record.offset + 1


DESIGNS: dict[str, Design] = {
    "anomaly-tui": pipeline,
    "ceiling: decode and COPY": ceiling,
    "forest a batch, no profiles": forest,
    "River, half-space trees": river,
    "ours, one by one": one_by_one,
    "tutorial loop": tutorial,
}
SINGLE = ("ours, one by one", "tutorial loop")
"""Those that take each message for itself, and are given fewer."""


@asynccontextmanager
async def _reading(broker: Broker, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=broker.bootstrap,
        group_id=f"{topic}-bench",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_bytes=8 << 20,
        max_partition_fetch_bytes=2 << 20,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


@asynccontextmanager
async def _table(store: Store, more: str) -> AsyncIterator[asyncpg.Connection]:
    async with store.pool.acquire() as connection:
        await connection.execute(f"CREATE TABLE bench ({PLAIN}{more})")
        yield connection


async def _batches(
    broker: Broker,
    store: Store,
    topic: str,
    count: int,
    scored: Callable[[list[Transaction]], list[tuple[float, ...]]],
    more: str,
) -> None:
    async with _reading(broker, topic) as consumer, _table(store, more) as connection:
        left = count
        while left:
            got = await consumer.getmany(timeout_ms=1_000, max_records=BATCH)
            rows = [wire.decode(record.value) for records in got.values() for record in records]
            if rows:
                values = [(*_values(row), *score) for row, score in zip(rows, scored(rows), strict=True)]
                await connection.copy_records_to_table("bench", records=values)
                await consumer.commit()
            left -= len(rows)
