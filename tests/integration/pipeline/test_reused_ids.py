"""One id on several days: what the pipeline makes of it, however batches fall, is what `reconcile` finds."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from aiokafka import TopicPartition

from domain.transaction import Transaction
from services.brokers.broker import Broker
from services.brokers.log import LogReader
from services.models import schedule
from services.pipeline.reconciling import Fate, Position, Reconciler, kept_since
from services.sending.producer import Sender
from services.store.ledger import Placed
from services.store.store import Store
from tests.consuming import TOPIC, Consumer, send, simulated

MIDNIGHT = datetime(2026, 3, 5, tzinfo=UTC)
DAY = timedelta(days=1)


def of_one_id() -> list[tuple[Transaction, Fate]]:
    """Of one user, in the order in which they are sent, each with what must become of it."""
    one = msgspec.structs.replace(simulated(1)[0][0], timestamp=MIDNIGHT)
    replaced = msgspec.structs.replace
    later = replaced(one, timestamp=MIDNIGHT + DAY + timedelta(seconds=1), amount=one.amount + Decimal(1))
    earlier = replaced(one, timestamp=MIDNIGHT - 40 * DAY)
    return [
        (one, "stored"),
        (replaced(one, timestamp=MIDNIGHT - DAY), "dead letter"),
        (later, "stored"),
        (one, "resend"),
        (earlier, "stored"),
        (replaced(one, timestamp=MIDNIGHT + timedelta(seconds=1)), "dead letter"),
        (later, "resend"),
        (replaced(earlier, amount=one.amount + Decimal(1)), "dead letter"),
        (earlier, "resend"),
        (one, "resend"),
    ]


async def fates(broker: Broker, store: Store) -> dict[str, int]:
    found: dict[str, int] = {}
    rows = [row for row in await store.progress() if row["incarnation"]]
    async with LogReader(broker, "read_committed") as reader:
        days = await store.ledger.days()
        account = Reconciler(
            reader, store.ledger, None, broker.cluster_id, TOPIC, False, days, kept_since(90), lambda offsets: None
        ).account
        for row in rows:
            position = Position(row["incarnation"], row["first_offset"], row["next_offset"], row["begun_at"])
            what = await account(TopicPartition(TOPIC, row["partition"]), position)
            assert not what.first_unaccounted
            for fate, count in what.fates.items():
                found[fate] = found.get(fate, 0) + count
    return found


@pytest.mark.parametrize("batch_size", [1, 3, 200])
async def test_what_is_far_from_the_others_of_its_id_is_stored_and_accounted_for(
    broker: Broker, store: Store, sender: Sender, monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> None:
    sent = of_one_id()
    truth = simulated(1)[0][1]
    # A transaction far from all the others makes a batch span years.
    wide = msgspec.structs.replace(sent[0][0], transaction_id="wide", timestamp=MIDNIGHT - 800 * DAY)
    async with Consumer(broker, store, schedule.warming("both"), batch_size=batch_size) as consumer:
        await send(sender, [(sent[0][0], truth)])
        await consumer.drained(sender)
        await send(sender, [(wide, truth), *((row, truth) for row, _ in sent[1:])])
        await consumer.drained(sender)
    expected = {"stored": 4, "resend": 4, "dead letter": 3}
    rows = await store.progress()
    counted = {kind: sum(row[kind] for row in rows) for kind in ("stored", "resends", "dead")}
    assert counted == {"stored": 4, "resends": 4, "dead": 3}
    assert await store.count() == 4
    looked_up: list[int] = []
    placed = store.ledger.placed

    async def noted(ids: Sequence[str], first: datetime, last: datetime) -> dict[str, list[Placed]]:
        looked_up.append(len(ids))
        return await placed(ids, first, last)

    monkeypatch.setattr(store.ledger, "placed", noted)
    assert await fates(broker, store) == expected
    # Kafka has the first two, which were sent alone, in batches of their own.
    assert looked_up == [8], "of one partition, all at once"
