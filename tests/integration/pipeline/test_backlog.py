"""A topic with a past: what waits gets the scores that the same records get from a file."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from detectors.policy import Policy
from domain.transaction import Transaction
from domain.verdict import Verdict
from services.brokers.broker import Broker
from services.console.bus import Bus
from services.models.keeper import ModelKeeper
from services.models.offline import OfflineScorer
from services.pipeline.consumer import Pipeline
from services.sending.producer import Sender
from services.store.store import Store
from tests.consuming import TOPIC, send, simulated
from tests.faults.promises import wrong_profiles
from tests.waiting import until

POLICY = Policy()

Said = dict[tuple[str, str], tuple[float, float, bool]]


@contextlib.asynccontextmanager
async def engine(broker: Broker, store: Store, dsn: str, workers: int = 0) -> AsyncIterator[Pipeline]:
    """A pipeline, with so many processes that score, and the keeper of its models."""
    bus = Bus()
    pipeline = Pipeline(
        broker=broker,
        store=store,
        bus=bus,
        models=lambda: keeper.current,
        mapping=None,
        topic=TOPIC,
        group="tests",
        owner="a",
        batch_size=200,
        workers=workers,
        full=0,
        until_fit=lambda: keeper.until_fit(),
    )
    keeper = ModelKeeper(store, dsn, bus, "both", POLICY, {}, owner="a", quiet=pipeline.quiet)
    await keeper.startup()
    await pipeline.startup()
    running = [asyncio.create_task(worker.main_loop()) for worker in (keeper, pipeline)]
    try:
        yield pipeline
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await pipeline.shutdown()
        await keeper.shutdown()


def from_a_file(transactions: Sequence[Transaction]) -> Said:
    scorer = OfflineScorer("both", POLICY)
    judged = [*scorer.score(list(transactions)), *scorer.finish()]
    return {
        (transaction.transaction_id, verdict.detector): _said(verdict)
        for transaction, verdicts in judged
        for verdict in verdicts
    }


def _said(verdict: Verdict) -> tuple[float, float, bool]:
    """As it is stored, in billionths."""
    return round(verdict.score, 9), round(verdict.threshold, 9), verdict.flagged


async def stored(store: Store) -> Said:
    rows = await store.pool.fetch("SELECT * FROM verdicts")
    return {(row["transaction_id"], row["detector"]): (row["score"], row["threshold"], row["flagged"]) for row in rows}


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
async def test_a_backlog_gets_the_verdicts_of_the_same_file(
    broker: Broker, sender: Sender, store: Store, database_url: str, workers: int
) -> None:
    rows = simulated(2_600)
    await send(sender, rows)
    await sender.flush()
    async with engine(broker, store, database_url, workers) as pipeline:
        await until(lambda: pipeline.backlog is not None, 30)
        await until(lambda: pipeline.behind(sender.ends) == 0, 120)
        assert len(pipeline.scorers) == workers
    assert await wrong_profiles(store) == set()
    assert await stored(store) == from_a_file([transaction for transaction, _ in rows])
    assert not await store.backfill.waiting(("basic", "enhanced"))
    assert pipeline.backlog is None


async def test_an_engine_that_stops_before_a_fit_goes_on_where_it_was(
    broker: Broker, sender: Sender, store: Store, database_url: str
) -> None:
    rows = simulated(1_300, seed=2)
    await send(sender, rows)
    await sender.flush()
    async with engine(broker, store, database_url) as pipeline:
        await until(lambda: pipeline.behind(sender.ends) < 1_100, 60)
    async with engine(broker, store, database_url) as pipeline:
        await until(lambda: pipeline.behind(sender.ends) == 0, 120)
    assert await stored(store) == from_a_file([transaction for transaction, _ in rows])
