"""A whole engine with the simulator beside it: the first start lays down history, the next one goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.engine import History
from domain.filters import EVERYTHING, parse
from domain.triage import TriageStatus
from services.engine.engine import Engine
from services.sending.world import BEGINNING
from services.settings import Settings, load
from services.store.store import Store
from tests.waiting import until

HISTORY = 2_000

pytestmark = pytest.mark.asyncio


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    given = {"users": 100, "history_days": 2.0, "rate": 200.0, "anomaly_rate": 0.1, "seed": 5, "api": "off"}
    return load({"data_dir": tmp_path, "database_url": database_url, **given}).settings


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Engine]:
    engine = Engine(settings, simulate=True)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


async def test_a_first_start_stores_history_fits_on_it_and_flags_what_comes_then(settings: Settings) -> None:
    told: list[History] = []
    async with running(settings) as engine:

        async def watch() -> None:
            while "warming" in engine.snapshot().model_versions.values():
                told.extend(filter(None, [engine.snapshot().history]))
                await asyncio.sleep(0.01)

        await asyncio.wait_for(watch(), 60)
        await until(lambda: len(engine.bus.anomalies.newest(100)) >= 5, 60)
        store, port = engine.parts.store, engine.parts.port

        assert {version.partition("-")[0] for version in engine.snapshot().model_versions.values()} == {str(HISTORY)}
        assert {history.total for history in told} == {HISTORY}
        assert all(0 <= history.stored <= HISTORY for history in told)
        assert "fitting models on 2,000" in told[-1].sentence
        assert engine.snapshot().history is None

        alerts = engine.bus.anomalies.newest(100)
        assert all(alert.alerted and alert.transaction.timestamp >= BEGINNING.replace(day=7) for alert in alerts)
        assert all(alert.headline is not None and alert.headline.reasons for alert in alerts)
        judged = await store.history(parse("is:backfilled"), HISTORY + 1)
        assert len(judged) == HISTORY
        assert max(row.transaction.timestamp for row in judged) < BEGINNING.replace(day=7, hour=1)
        found = [row for row in judged if row.flagged]
        assert found, "history shows what would have been flagged"
        opened = set(await port.matching(EVERYTHING, 10_000))
        assert not opened & {row.transaction.transaction_id for row in found}

        asleep = alerts[0].transaction.transaction_id
        await port.decide([asleep], TriageStatus.SNOOZED, engine.bus.clock.now + timedelta(days=300), by="ann")
        assert asleep not in await port.matching(EVERYTHING, 10_000)
        await port.decide([asleep], TriageStatus.SNOOZED, engine.bus.clock.now, by="ann")
        assert asleep in await port.matching(EVERYTHING, 10_000)

        clock = engine.snapshot().clock
        assert clock.kind == "simulation"
        newest = await store.triage.newest_event()
        assert newest is not None
        now = clock.now(datetime.now(UTC))
        assert BEGINNING.replace(day=7) < now <= newest
        lately = await store.history(parse("since:1h", now), 10_000)
        assert 0 < len(lately) < 500


async def test_the_next_start_goes_on_where_the_world_stopped(settings: Settings) -> None:
    async with running(settings) as engine:
        await until(lambda: engine.bus.transactions > HISTORY + 100, 60)
    assert settings.dsn is not None
    store = await Store.open(settings.dsn, connections=2)
    try:
        before = await store.triage.newest_event()
    finally:
        await store.close()
    assert before is not None
    async with running(settings) as engine:
        assert engine.snapshot().clock.kind == "simulation"
        assert engine.snapshot().history is None
        await until(lambda: engine.bus.transactions > 100, 60)
        rows = engine.bus.feed.newest(100_000)
        versions = engine.snapshot().model_versions
    assert before < min(row.transaction.timestamp for row in rows) < before + timedelta(hours=12)
    assert {version.partition("-")[0] for version in versions.values()} == {str(HISTORY)}


async def test_history_is_laid_down_once_and_not_where_something_is_stored(settings: Settings) -> None:
    quiet = settings.model_copy(update={"history_days": 0.0})
    async with running(quiet) as engine:
        await until(lambda: engine.bus.transactions > 50, 60)
        assert engine.snapshot().history is None
    async with running(settings) as engine:
        await until(lambda: engine.bus.transactions > 50, 60)
        assert engine.bus.transactions < HISTORY
        assert engine.snapshot().history is None


async def test_live_pace_is_wall_time_without_history(settings: Settings) -> None:
    # So slowly that a clock that runs ahead of the wall's shows.
    async with running(settings.model_copy(update={"pace": "live", "rate": 4.0})) as engine:
        await until(lambda: engine.bus.transactions > 20, 60)
        snapshot = engine.snapshot()
        assert snapshot.clock.kind == "live"
        rows = engine.bus.feed.newest(1_000)
        producer = next(worker for worker in snapshot.workers if worker.name == "producer")
    ages = [(row.stored_at - row.transaction.timestamp).total_seconds() for row in rows]
    assert 0 <= min(ages) <= max(ages) < 60, "nothing is stored before it happened"
    assert "without unusual_hour, velocity_burst, card_testing" in producer.detail
    assert not (settings.data_dir / "simulator.json").exists()
