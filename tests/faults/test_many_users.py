"""Far more users than the cache of profiles holds: every profile is what the user's transactions add up to."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import msgspec
import pytest

from domain.transaction import GroundTruth, Transaction
from services.brokers.broker import Broker
from services.models import schedule
from services.sending.producer import Sender, outgoing
from services.store.store import Store
from tests.consuming import Consumer
from tests.faults.promises import broken_promises
from tests.simulating import awake

FULL = os.environ.get("ANOMALY_TUI_FAULTS") == "full"
USERS, CACHE_BYTES = (200_000, 16 * 1024 * 1024) if FULL else (8_000, 640 * 1024)
PASSES = 2


def twice_each() -> Iterator[tuple[Transaction, GroundTruth]]:
    """One transaction of every user, then another of each in the same order: the worst there is for such a cache."""
    start = datetime.now(UTC) - timedelta(hours=1)
    habits = awake(start, users=100, anomaly_rate=0.05, seed=3, rate=USERS * PASSES / 3_000)
    for number, (transaction, truth) in enumerate(islice(habits, USERS * PASSES)):
        yield msgspec.structs.replace(transaction, user_id=f"user-{number % USERS}"), truth


@pytest.mark.timeout(1_800)
async def test_profiles_of_many_users_equal_a_recount(broker: Broker, store: Store, sender: Sender) -> None:
    sent = []
    async with Consumer(broker, store, schedule.warming("both"), batch_size=1_000, cache_bytes=CACHE_BYTES) as consumer:
        for number, (transaction, truth) in enumerate(twice_each()):
            await sender.send(outgoing(transaction, truth, replay=True))
            sent.append(transaction.transaction_id)
            if number % 5_000 == 0:
                # The embedded broker forgets what is read too late.
                await consumer.drained(sender, 60)
        await consumer.drained(sender, 600)
    assert await broken_promises(store, sent=sent, poison=(), ends=sender.ends, cluster=broker.cluster_id) == []
