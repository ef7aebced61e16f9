"""Clocks that are an hour off, records that come late and records that come twice: profiles equal a recount."""

import os
import random
from datetime import timedelta

import msgspec

from services.brokers.broker import Broker
from services.models import schedule
from services.sending.producer import Sender
from services.store.store import Store
from tests.consuming import Consumer, send, simulated
from tests.faults.promises import broken_promises

SEED = "ANOMALY_TUI_FAULTS_SEED"
HOUR = timedelta(hours=1)


async def test_19_late_and_repeated_records_and_clocks_that_are_off(
    broker: Broker, store: Store, sender: Sender
) -> None:
    seed = int(os.environ.get(SEED) or random.randrange(10_000))
    print(f"{SEED}={seed}")
    dice = random.Random(seed)
    rows = simulated(3_000, seed=seed)
    off = {transaction.user_id: dice.choice((-HOUR, timedelta(0), HOUR)) for transaction, _ in rows}
    rows = [
        (msgspec.structs.replace(transaction, timestamp=transaction.timestamp + off[transaction.user_id]), truth)
        for transaction, truth in rows
    ]
    order = list(range(len(rows)))
    for number in dice.sample(order, len(rows) // 20):
        order.append(order.pop(order.index(number)))
    again = dice.sample(order, len(rows) // 100)
    async with Consumer(broker, store, schedule.warming("both"), batch_size=100) as consumer:
        await send(sender, [rows[number] for number in order])
        await send(sender, [rows[number] for number in again])
        await consumer.drained(sender)
        assert consumer.bus.duplicates == len(again)
        assert consumer.bus.late > 0
    sent = [transaction.transaction_id for transaction, _ in rows]
    assert await broken_promises(store, sent=sent, poison=(), ends=sender.ends, cluster=broker.cluster_id) == []
