"""A topic that is not keyed by user, and a pipeline with its re-keyer to read it."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from detectors.models import Models
from domain.transaction import Transaction
from services.brokers.broker import Broker
from services.pipeline.keying import Keying
from services.pipeline.rekey import Rekeyer
from services.sending.producer import Sender, outgoing
from services.store.store import Store
from tests.consuming import Consumer, Rows


class RekeyingConsumer(Consumer):
    """A pipeline that starts a re-keyer once it needs one, as an engine does."""

    def __init__(self, broker: Broker, store: Store, models: Models, owner: str = "a", **options: Any) -> None:
        super().__init__(broker, store, models, owner=owner, on_rekeyed=self._on_rekeyed, **options)
        self._make = lambda keying: Rekeyer(
            broker=broker,
            store=store,
            bus=self.bus,
            keying=keying,
            mapping=None,
            group=options.get("group", "tests"),
            owner=owner,
            until_fit=options.get("until_fit"),
        )
        self.rekeyer: Rekeyer | None = None
        self._rekeying: asyncio.Task[None] | None = None

    def _on_rekeyed(self, keying: Keying) -> None:
        if self.rekeyer is None:
            self.rekeyer = self._make(keying)
            self.thaw_rekeyer()

    def thaw_rekeyer(self) -> None:
        assert self.rekeyer is not None
        self._rekeying = asyncio.create_task(self.rekeyer.main_loop())

    async def kill_rekeyer(self) -> None:
        if self._rekeying is not None:
            self._rekeying.cancel()
            await asyncio.gather(self._rekeying, return_exceptions=True)

    async def __aexit__(self, *failure: object) -> None:
        await self.kill_rekeyer()
        await super().__aexit__(*failure)

    @property
    def failure(self) -> BaseException | None:
        """What ended the pipeline."""
        assert self._task is not None
        return self._task.exception() if self._task.done() else None


async def send_anywhere(
    sender: Sender,
    rows: Rows,
    key: Callable[[Transaction], bytes | None] = lambda transaction: None,
    seed: int = 3,
    partitions: int = 4,
) -> None:
    """Send with a key that is not the user's id, each record into a partition of its own."""
    dice = random.Random(seed)
    for transaction, truth in rows:
        record = outgoing(transaction, truth, replay=True)
        await sender.send(record._replace(key=key(transaction)), partition=dice.randrange(partitions))
