"""What a running engine answers to a console that asks about users and quality."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest

from domain.filters import EVERYTHING, parse
from services.engine import Engine, InProcessPort
from services.logs import LogRing
from services.producer import Sender, outgoing
from services.settings import load
from simulator import Simulator

BEFORE_THE_FIT = 1_000
TRANSACTIONS = 1_600


@pytest.fixture
async def port(tmp_path: Path, database_url: str) -> AsyncIterator[InProcessPort]:
    """The port of an engine that has scored a simulated stream, the end of it with fitted models."""
    engine = Engine(load({"data_dir": tmp_path / "data", "database_url": database_url, "api": "off"}).settings)
    stream = Simulator(users=20, anomaly_rate=0.1, seed=5, start=datetime.now(UTC), rate=400).stream()
    await engine.start()
    sender = Sender(engine.broker, engine.settings.topic)

    async def sent(until: int) -> None:
        for transaction, truth in islice(stream, until - engine.bus.transactions):
            await sender.send(outgoing(transaction, truth))
        await sender.flush()
        while engine.bus.transactions < until:
            await asyncio.sleep(0.05)

    try:
        await sender.start()
        async with asyncio.timeout(60):
            await sent(BEFORE_THE_FIT)
            while "warming" in engine.snapshot().model_versions.values():
                await asyncio.sleep(0.05)
            await sent(TRANSACTIONS)
        yield InProcessPort(engine, LogRing())
    finally:
        await sender.stop()
        await engine.stop()


async def test_users_profiles_and_quality(port: InProcessPort) -> None:
    users = await port.users("flagged", 100, "", EVERYTHING)
    assert 15 <= len(users.users) <= 20
    assert not users.more
    assert sum(user.seen for user in users.users) == TRANSACTIONS
    flagged = [user.flagged for user in users.users]
    assert flagged == sorted(flagged, reverse=True)
    assert sum(flagged) == port.snapshot().flagged["enhanced"]

    few = await port.users("last", 3, "", EVERYTHING)
    assert few.more
    newest = [user.last_at for user in few.users if user.last_at is not None]
    assert newest == sorted(newest, reverse=True)
    found = await port.users("id", 100, "", parse("is:flagged"))
    assert {user.user_id for user in found.users} >= {user.user_id for user in users.users if user.flagged}

    busiest = max(users.users, key=lambda user: user.seen)
    profile = await port.profile(busiest.user_id)
    assert profile is not None
    assert (profile.seen, profile.threshold, profile.currency) == (busiest.seen, busiest.threshold, busiest.currency)
    assert 0 < len(profile.thresholds) <= 64
    assert list(profile.thresholds) == sorted(profile.thresholds, key=lambda entry: entry.at)

    live = port.snapshot().quality
    assert {quality.detector for quality in live} == {"basic", "enhanced"}
    assert all(0 < quality.labelled < TRANSACTIONS for quality in live), "not what was scored while warming up"
    assert live == await port.quality(None)
