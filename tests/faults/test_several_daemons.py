"""Several daemons of one group on a real Apache Kafka: more come and go under load, and who has nothing takes over."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.brokers.broker import Broker
from services.sending.producer import Sender
from services.store.store import Store
from tests.consuming import send, simulated
from tests.faults import figures
from tests.faults.daemon import QUICKLY_MISSED, Daemon, sabotage
from tests.faults.promises import broken_promises
from tests.faults.topics import Topics
from tests.waiting import until

FULL = os.environ.get("ANOMALY_TUI_FAULTS") == "full"
SCALED_TO = 4 if FULL else 2
IDLE = (6, 4, 2) if FULL else (3, 1, 1)
"""Daemons, partitions, and how many daemons are killed."""

MOST_SILENT = 30.0
"""Seconds for which nothing at all may be stored while something waits."""

TAKEN_OVER_WITHIN = 60.0
FROZEN_SECONDS = 45 if FULL else 8
"""More than the session timeout, 15 s or what QUICKLY_MISSED says, after which Kafka gives the partitions to others."""

STARTED_WITHIN = 90.0
ROWS = 300


class Fleet:
    """Daemons that share a group and a database, each with a folder of its own."""

    def __init__(self, folder: Path, bootstrap: str, dsn: str, topic: str) -> None:
        self._make = lambda name: Daemon(folder / name, bootstrap, dsn, "--topic", topic)
        self._folder = folder
        self.daemons: list[Daemon] = []

    async def grow(self, count: int) -> None:
        """Start so many more, and wait until they run."""
        fresh = []
        for _ in range(count):
            name = f"daemon-{len(self.daemons)}"
            (self._folder / name).mkdir()
            fresh.append(self._make(name))
            self.daemons.append(fresh[-1])
            await fresh[-1].start()
        for daemon in fresh:
            await daemon.started(STARTED_WITHIN)

    async def end(self, daemon: Daemon, number: signal.Signals) -> None:
        figures.current.faults += 1
        self.daemons.remove(daemon)
        code = await daemon.end(number)
        assert code == (0 if number == signal.SIGTERM else -number), daemon.log.read_text()[-4000:]

    async def kill_all(self) -> None:
        for daemon in self.daemons:
            if daemon.process is not None and daemon.process.returncode is None:
                daemon.process.kill()
                await daemon.process.wait()


@pytest.fixture
async def fleet(
    tmp_path: Path, kafka: Broker, database_url: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Fleet]:
    if not FULL:
        sabotage(tmp_path, monkeypatch, QUICKLY_MISSED)
    made = Fleet(tmp_path, kafka.bootstrap, database_url, topic)
    yield made
    await made.kill_all()


@pytest.fixture
async def sender(kafka: Broker, topic: str) -> AsyncIterator[Sender]:
    started = Sender(kafka, topic)
    yield started
    await started.stop()


async def owners(store: Store, topic: str) -> set[str]:
    """Who has opened a partition last."""
    found = await store.pool.fetch("SELECT DISTINCT owner FROM progress WHERE topic = $1", topic)
    return {row[0] for row in found}


async def flows_on(store: Store, sender: Sender, seed: int) -> list[str]:
    """Send some more and wait until they are stored: something always is, before `MOST_SILENT` is over."""
    rows = simulated(ROWS, seed=seed)
    wanted = await store.count() + ROWS
    await send(sender, rows)
    await sender.flush()
    while (before := await store.count()) < wanted:

        async def more(before: int = before) -> bool:
            return await store.count() > before

        with figures.current.recovering():
            await until(more, MOST_SILENT)
    return [transaction.transaction_id for transaction, _ in rows]


async def is_kept(store: Store, kafka: Broker, sender: Sender, sent: list[str], topic: str) -> None:
    """All that was promised of what was sent."""
    broken = await broken_promises(store, sent=sent, poison=(), ends=sender.ends, cluster=kafka.cluster_id, topic=topic)
    assert broken == []


@pytest.mark.timeout(1_200)
async def test_4_from_one_daemon_to_several_and_back_under_load(
    kafka: Broker, topics: Topics, topic: str, store: Store, fleet: Fleet, sender: Sender
) -> None:
    await topics.make(topic, 4)
    await sender.start()
    await fleet.grow(1)
    sent = await flows_on(store, sender, 1)
    growing = asyncio.create_task(fleet.grow(SCALED_TO - 1))
    sent += await flows_on(store, sender, 2)
    await growing

    async def shared() -> bool:
        return len(await owners(store, topic)) == SCALED_TO

    await until(shared, TAKEN_OVER_WITHIN)
    sent += await flows_on(store, sender, 3)
    for daemon, number in zip(fleet.daemons[1:], (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM), strict=False):
        await fleet.end(daemon, number)
        sent += await flows_on(store, sender, 4 + len(fleet.daemons))
    await fleet.end(fleet.daemons[0], signal.SIGTERM)
    await is_kept(store, kafka, sender, sent, topic)


@pytest.mark.timeout(1_200)
async def test_5_daemons_without_a_partition_take_over(
    kafka: Broker, topics: Topics, topic: str, store: Store, fleet: Fleet, sender: Sender
) -> None:
    daemons, partitions, kills = IDLE
    await topics.make(topic, partitions)
    await sender.start()
    await fleet.grow(daemons)
    sent = await flows_on(store, sender, 1)
    found = await owners(store, topic)
    working = [daemon for daemon in fleet.daemons if any(f"-{daemon.pid}-" in owner for owner in found)]
    assert len(working) <= partitions < daemons
    for daemon in working[:kills]:
        await fleet.end(daemon, signal.SIGKILL)
    rows = simulated(ROWS, seed=2)
    await send(sender, rows)
    await sender.flush()

    async def taken_over() -> bool:
        return await store.count() == len(sent) + ROWS

    with figures.current.recovering():
        await until(taken_over, TAKEN_OVER_WITHIN)
    sent += [transaction.transaction_id for transaction, _ in rows]
    for daemon in list(fleet.daemons):
        await fleet.end(daemon, signal.SIGTERM)
    await is_kept(store, kafka, sender, sent, topic)


@pytest.mark.timeout(1_200)
async def test_3_and_15_a_daemon_that_slept_through_a_takeover_goes_on(
    kafka: Broker, topics: Topics, topic: str, store: Store, fleet: Fleet, sender: Sender
) -> None:
    await topics.make(topic, 2)
    await sender.start()
    await fleet.grow(1)
    (sleeper,) = fleet.daemons
    sent = await flows_on(store, sender, 1)
    await fleet.grow(1)
    sent += await flows_on(store, sender, 2)
    # In the middle of what it does.
    rows = simulated(ROWS, seed=3)
    await send(sender, rows)
    os.kill(sleeper.pid, signal.SIGSTOP)
    figures.current.faults += 1
    try:
        await asyncio.sleep(FROZEN_SECONDS)

        async def all_stored() -> bool:
            return await store.count() == len(sent) + len(rows)

        await until(all_stored, TAKEN_OVER_WITHIN)
    finally:
        os.kill(sleeper.pid, signal.SIGCONT)
    sent += [transaction.transaction_id for transaction, _ in rows]
    sent += await flows_on(store, sender, 4)

    async def works_again() -> bool:
        return any(f"-{sleeper.pid}-" in owner for owner in await owners(store, topic))

    with figures.current.recovering():
        await until(works_again, TAKEN_OVER_WITHIN)
    sent += await flows_on(store, sender, 5)
    for daemon in list(fleet.daemons):
        await fleet.end(daemon, signal.SIGTERM)
    await is_kept(store, kafka, sender, sent, topic)
