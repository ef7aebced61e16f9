"""COMMITs whose answer is lost: a batch is stored once, and published exactly if it is stored."""

import os
import random
from collections.abc import AsyncIterator, Sequence

import pytest

from services.brokers.broker import Broker
from services.models import schedule
from services.pipeline import partition
from services.sending.producer import Sender
from services.store.store import Store
from tests.consuming import Consumer, send, simulated
from tests.faults.figures import Figures
from tests.faults.promises import broken_promises
from tests.faults.proxy import Connection, Fate, FaultProxy, socket_of, through
from tests.waiting import until

FULL = os.environ.get("ANOMALY_TUI_FAULTS") == "full"
CUTS = 99 if FULL else 12
SEED = "ANOMALY_TUI_FAULTS_SEED"
BEGIN, COMMIT = b"BEGIN;", b"COMMIT;"
COPY = b'COPY "transactions"('


class Batches:
    """Which COMMITs store a batch: those of transactions that copied rows. Others make a day or open a term."""

    def __init__(self) -> None:
        self._copied: set[Connection] = set()

    def commits(self, piece: bytes, connection: Connection) -> bool:
        """Whether this piece, each of which must be shown, is a batch's COMMIT."""
        if BEGIN in piece:
            self._copied.discard(connection)
        if COPY in piece:
            self._copied.add(connection)
        if COMMIT not in piece or connection not in self._copied:
            return False
        self._copied.discard(connection)
        return True


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(socket_of(database_url)) as opened:
        yield opened


@pytest.fixture
async def proxied(store: Store, proxy: FaultProxy, database_url: str) -> AsyncIterator[Store]:
    """The same database, through the proxy."""
    opened = await Store.open(through(proxy, database_url))
    yield opened
    await opened.close()


@pytest.mark.timeout(600)
async def test_8_connections_cut_at_commit_store_each_batch_once_and_publish_what_is_stored(
    broker: Broker, store: Store, proxied: Store, proxy: FaultProxy, sender: Sender, figures: Figures
) -> None:
    seed = int(os.environ.get(SEED) or random.randrange(10_000))
    print(f"{SEED}={seed}")
    dice = random.Random(seed)
    rows = simulated(CUTS * 40, seed=seed)
    batches = Batches()
    # Of the COMMITs as many of each, in any order.
    fates: list[Fate] = ["cut before", "cut after", "pass"] * (CUTS // 3)
    dice.shuffle(fates)
    cuts = 0

    def judge(piece: bytes, connection: Connection) -> Fate:
        """Cut at COMMITs of batches, and at some of all else, such as what asks how they went."""
        nonlocal cuts
        if batches.commits(piece, connection):
            return fates.pop() if fates else "pass"
        if cuts >= CUTS or dice.random() > 0.02:
            return "pass"
        cuts += 1
        return dice.choice(("cut before", "cut after", "pass"))

    async with Consumer(broker, proxied, schedule.warming("both"), batch_size=20) as consumer:
        await until(lambda: [each.state for each in consumer.pipeline.partitions] == ["running"] * 4)
        epochs = [each.epoch for each in consumer.pipeline.partitions]
        proxy.judge = judge
        await send(sender, rows)
        await consumer.drained(sender, 120)
        assert [each.epoch for each in consumer.pipeline.partitions] == epochs
    assert not fates
    figures.faults = proxy.cuts
    sent = [transaction.transaction_id for transaction, _ in rows]
    assert await broken_promises(store, sent=sent, poison=(), ends=sender.ends, cluster=broker.cluster_id) == []
    published = [row.transaction.transaction_id for row in consumer.bus.newest(0, len(rows) + 1).rows]
    assert sorted(published) == sorted(sent)


async def test_a_pipeline_that_does_not_ask_whether_it_was_stored_misses_batches(
    broker: Broker, proxied: Store, proxy: FaultProxy, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A control: what the test before checks can be seen to fail."""

    async def never(transactions: Sequence[str]) -> bool:
        return False

    monkeypatch.setattr(proxied, "any_committed", never)
    monkeypatch.setattr(partition, "FENCED_PAUSE", 0.1)
    rows = simulated(200)
    batches = Batches()
    cuts = 0

    def judge(piece: bytes, connection: Connection) -> Fate:
        nonlocal cuts
        if cuts or not batches.commits(piece, connection):
            return "pass"
        cuts += 1
        return "cut after"

    async with Consumer(broker, proxied, schedule.warming("both"), batch_size=20) as consumer:
        await until(lambda: [each.state for each in consumer.pipeline.partitions] == ["running"] * 4)
        proxy.judge = judge
        await send(sender, rows)
        await consumer.drained(sender)
        assert cuts == 1
        assert 0 < consumer.bus.transactions < await proxied.count() == len(rows)
