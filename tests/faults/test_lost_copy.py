"""The copy of a re-keyed topic is deleted, or made again, with records in it that are not stored yet."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from detectors.models import Models
from domain.transaction import Transaction
from services.brokers.broker import Broker
from services.models import schedule
from services.pipeline import rekey
from services.pipeline import topic as topic_watch
from services.store.rekeying import by_user
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
    """Look at the topics far more often than in use."""
    monkeypatch.setattr(rekey, "LOOK_EVERY", 0.3)
    monkeypatch.setattr(topic_watch, "LOOK_EVERY", 0.3)


@pytest.fixture(scope="module")
def models() -> Models:
    return schedule.warming("both")


@pytest.fixture(scope="module")
def rows() -> list[Transaction]:
    return [transaction for transaction, _ in simulated(500, users=50)]


@pytest.mark.parametrize("made_again", [False, True], ids=["deleted", "made again"])
@pytest.mark.parametrize("running", [True, False], ids=["under a running engine", "while nothing runs"])
async def test_nothing_is_lost_with_the_copy(
    kafka: Broker,
    topics: Topics,
    topic: str,
    store: Store,
    models: Models,
    rows: list[Transaction],
    tmp_path: Path,
    database_url: str,
    running: bool,
    made_again: bool,
) -> None:
    await topics.make(topic, PARTITIONS)
    await write(kafka.bootstrap, topic, rows[:200])
    copy = by_user(topic)

    async def lose_copy() -> None:
        await topics.delete(copy)
        if made_again:
            await topics.make(copy, PARTITIONS)

    async def all_copied() -> bool:
        hops = await store.rekeying.hops(kafka.cluster_id, topic)
        return sum(row["next_offset"] for row in hops if row["topic"] == topic) == 400

    async with AsyncExitStack() as stack:
        consumer = await stack.enter_async_context(RekeyingConsumer(kafka, store, models, topic=topic))
        await until_all_stored(store, rows[:200])
        async with consumer.pipeline.quiet():
            await write(kafka.bootstrap, topic, rows[200:400])
            await until(all_copied, STORED_WITHIN)
            if not running:
                await stack.aclose()
            await lose_copy()
        assert await store.count() == 200
        if not running:
            consumer = await stack.enter_async_context(RekeyingConsumer(kafka, store, models, topic=topic))
        await write(kafka.bootstrap, topic, rows[400:])
        await until_all_stored(store, rows)
        await until(lambda: consumer.rekeyer is not None and consumer.rekeyer.figures.lag == 0)
    fates = await Reconcile(tmp_path, kafka.bootstrap, database_url).fates_of(topic)
    assert fates == {"stored": len(rows)}
    assert await wrong_profiles(store) == set()
