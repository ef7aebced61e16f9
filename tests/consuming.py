"""A pipeline to test: started on demand, with what goes in and what must come out."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from detectors.enhanced import EnhancedModel
from detectors.formats import STATE_VERSION
from detectors.models import Models
from detectors.state import UserState
from domain.transaction import GroundTruth, Transaction
from services.brokers.broker import Broker
from services.console.bus import Bus
from services.pipeline.consumer import Pipeline
from services.records.mapping import Mapping
from services.sending.producer import Sender, outgoing
from services.store.store import Store
from tests.simulating import awake
from tests.waiting import until

TOPIC = "transactions"
Rows = Sequence[tuple[Transaction, GroundTruth]]


class Consumer:
    """A pipeline with its bus, started on demand; `options` are the pipeline's own."""

    def __init__(
        self,
        broker: Broker,
        store: Store,
        models: Models,
        owner: str = "a",
        batch_size: int = 200,
        topic: str = TOPIC,
        mapping: Mapping | None = None,
        group: str = "tests",
        **options: Any,
    ) -> None:
        self.bus = Bus()
        self.models = models
        self.pipeline = Pipeline(
            broker=broker,
            store=store,
            bus=self.bus,
            models=lambda: self.models,
            mapping=mapping,
            topic=topic,
            group=group,
            owner=owner,
            batch_size=batch_size,
            **options,
        )
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Consumer":
        await self.pipeline.startup()
        self._task = asyncio.create_task(self.pipeline.main_loop())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.pipeline.shutdown()

    async def drained(self, sender: Sender, seconds: float = 30) -> None:
        await sender.flush()
        await until(lambda: self.pipeline.behind(sender.ends) == 0, seconds)


def simulated(count: int, seed: int = 1, users: int = 20) -> list[tuple[Transaction, GroundTruth]]:
    """The first transactions of users, from five minutes ago on."""
    start = datetime.now(UTC) - timedelta(minutes=5)
    return list(islice(awake(start, users=users, anomaly_rate=0.05, seed=seed, rate=50.0), count))


async def send(sender: Sender, rows: Sequence[tuple[Transaction, GroundTruth]]) -> None:
    for transaction, truth in rows:
        await sender.send(outgoing(transaction, truth, replay=True))


async def profiles_equal_a_recount(store: Store, model: EnhancedModel) -> bool:
    states: dict[str, UserState] = {}
    model.score([transaction async for transaction, _, _ in store.in_stored_order()], states)
    stored = await store.profiles(sorted(states), STATE_VERSION)
    return stored == {user: state.to_bytes() for user, state in states.items()}
