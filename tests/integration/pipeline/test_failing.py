"""A record that nothing can be made of: it is named, what lies before it is stored, and in the end it is buried."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from detectors.basic import BasicModel
from detectors.policy import USUAL_POLICY
from domain.transaction import Transaction
from domain.verdict import Verdict
from services.brokers.broker import Broker
from services.console.bus import Bus
from services.models import schedule
from services.pipeline.consumer import Pipeline
from services.pipeline.scoring import Models
from services.process.supervisor import Supervisor
from services.sending.producer import Sender, outgoing
from services.store.store import Store
from tests.consuming import TOPIC, simulated, until


class Forgetful(BasicModel):
    """A detector with a bug: of one transaction it gives no verdict."""

    victim = ""

    def score(self, transactions: Sequence[Transaction], **more: Any) -> list[Verdict]:
        verdicts = super().score(transactions, **more)
        return [
            verdict
            for transaction, verdict in zip(transactions, verdicts, strict=True)
            if transaction.transaction_id != self.victim
        ]


@pytest.fixture(scope="module")
def forgetful() -> Models:
    fitted = schedule.fit([transaction for transaction, _ in simulated(1500, seed=9)], 1500, "both", USUAL_POLICY)
    assert fitted.basic is not None
    broken = Forgetful.__new__(Forgetful)
    broken.__dict__.update(fitted.basic.__dict__)
    return fitted._replace(basic=broken)


async def test_a_worker_that_fails_for_good_names_the_record_which_is_buried_at_a_later_start(
    broker: Broker, store: Store, sender: Sender, forgetful: Models
) -> None:
    rows = simulated(120)
    places = {}
    for transaction, truth in rows:
        sent = await (await sender.send(outgoing(transaction, truth, replay=True)))
        places[transaction.transaction_id] = sent.partition, sent.offset
    # In the middle of its partition, so that others are before and after it.
    victim = max(places, key=lambda ident: (places[ident][1] < 15, places[ident][1]))
    partition, offset = places[victim]
    forgetful.basic.victim = victim  # type: ignore[union-attr]
    pipeline = Pipeline(
        broker=broker,
        store=store,
        bus=Bus(),
        models=lambda: forgetful,
        mapping=None,
        topic=TOPIC,
        group="tests",
        owner="a",
        batch_size=200,
    )
    supervisor = Supervisor(jitter=lambda: 0.0)
    supervisor.add(pipeline)
    await supervisor.start()
    await until(lambda: supervisor.statuses[0].last_error is not None)
    error = supervisor.statuses[0].last_error
    assert error is not None
    assert f"{TOPIC} partition {partition} at offset {offset}: ValueError" in error
    async with asyncio.timeout(60):
        while await store.count() < 119:
            await asyncio.sleep(0.02)
    await until(lambda: pipeline.lag == 0)
    await supervisor.stop()
    (letter,) = await store.dead_letters(5)
    assert (letter.partition, letter.offset) == (partition, offset)
    assert "more than once" in letter.reason
