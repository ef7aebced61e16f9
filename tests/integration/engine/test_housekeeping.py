"""Housekeeping beside a PostgreSQL that keeps it waiting."""

import asyncio
from datetime import UTC, datetime

import asyncpg
import msgspec
import pytest

from domain.engine import Snapshot, WorkerState, WorkerStatus
from services.console.clock import StreamClock
from services.engine import housekeeping
from services.engine.housekeeping import Housekeeping
from services.engine.timeline import ChangeWatch
from services.store.store import Store
from tests.tui.fake_port import QUIET
from tests.waiting import until

NOW = datetime.now(UTC)
LOCK = "BEGIN; LOCK TABLE engines IN ACCESS EXCLUSIVE MODE"
WAITS = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'engines'::regclass"


async def test_an_outage_that_ends_while_a_heartbeat_waits_is_not_missed(
    store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "LOOK_EVERY", 0.01)
    state: WorkerState = "running"
    looks = 0

    def snapshot() -> Snapshot:
        nonlocal looks
        looks += 1
        pipeline = WorkerStatus(name="pipeline", state=state, since=NOW, run_since=NOW, detail="does not answer")
        return msgspec.structs.replace(QUIET, at=datetime.now(UTC), workers=(pipeline,))

    async def nothing() -> None:
        return None

    async def looked_again() -> None:
        before = looks
        await until(lambda: looks > before, 10)

    changes = ChangeWatch(store.timeline, "engine-1")
    keeper = Housekeeping(store, "engine-1", NOW, snapshot, 30, nothing, changes, StreamClock())
    changes.begin(snapshot(), "1.0")
    other = await asyncpg.connect(database_url)
    await other.execute(LOCK)
    running = asyncio.create_task(keeper.main_loop())

    async def outages() -> list[str]:
        return [each.text for each in await store.timeline.newest(None, 10) if each.kind == "outage"]

    try:
        await until(lambda: store.pool.fetchval(WAITS), 10)
        state = "degraded"
        await looked_again()
        state = "running"
        await looked_again()
        await other.execute("ROLLBACK")
        await until(outages, 10)
        assert await outages() == ["works again after 0 s", "does not answer"]
    finally:
        running.cancel()
        await other.close()
        await asyncio.gather(running, return_exceptions=True)
