"""What a running engine answers to its console, in the same process and over the socket: the same."""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import asyncpg
import msgspec
import pytest
import pytest_asyncio
import structlog

from domain.engine import LiveCount
from domain.filters import EVERYTHING, of_user, parse
from domain.quality import DetectorQuality
from domain.triage import TriageStatus
from services.attach.client import RemotePort
from services.attach.find import engine_socket
from services.attach.link import NotConnected
from services.attach.peer import user_name
from services.console.port import ConsolePort
from services.engine.engine import Engine
from services.process.logs import LogRing, configure
from services.sending.producer import Sender, outgoing
from services.settings import load
from services.store.database import EmbeddedDatabase
from tests.integration.attach.host import HZ
from tests.simulating import awake
from tests.waiting import until

BEFORE_THE_FIT = 1_000
TRANSACTIONS = 1_600

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Running:
    """An engine that has scored a simulated stream, the end of it with fitted models, and can be sent more."""

    def __init__(self, engine: Engine, logs: LogRing) -> None:
        self.engine = engine
        self.logs = logs
        start = datetime.now(UTC) - timedelta(days=1)
        self._stream = awake(start, users=20, anomaly_rate=0.1, seed=5, rate=400)
        self._sender = Sender(engine.broker, engine.settings.topic)

    async def start(self) -> None:
        await self.engine.start()
        await self._sender.start()

    async def send(self, count: int) -> None:
        target = self.engine.bus.transactions + count
        for transaction, truth in islice(self._stream, count):
            await self._sender.send(outgoing(transaction, truth))
        await self._sender.flush()
        await until(lambda: self.engine.bus.transactions >= target, 60)

    async def stop(self) -> None:
        await self._sender.stop()
        await self.engine.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(server: EmbeddedDatabase, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One engine for all of these tests."""
    admin = await asyncpg.connect(server.dsn, database="postgres")
    await admin.execute("CREATE DATABASE ports")
    folder: Path = tmp_path_factory.mktemp("engine")
    url = server.dsn.replace("/anomalies?", "/ports?")
    root, logs = logging.getLogger(), LogRing()
    handlers, level = root.handlers[:], root.level
    configure(format="text", ring=logs)
    made = Running(Engine(load({"data_dir": folder, "database_url": url, "api": "off"}).settings, logs=logs), logs)
    try:
        await made.start()
        async with asyncio.timeout(60):
            await made.send(BEFORE_THE_FIT)
            await until(lambda: "warming" not in made.engine.snapshot().model_versions.values(), 60)
            await made.send(TRANSACTIONS - BEFORE_THE_FIT)
        yield made
    finally:
        await made.stop()
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
        await admin.execute("DROP DATABASE ports WITH (FORCE)")
        await admin.close()


@pytest_asyncio.fixture(params=["in the same process", "over the socket"], loop_scope="module")
async def port(running: Running, request: pytest.FixtureRequest) -> AsyncIterator[ConsolePort]:
    """Either implementation, on the same engine."""
    if request.param == "in the same process":
        yield running.engine.parts.port
        return
    remote = RemotePort(lambda: engine_socket(running.engine.settings.data_dir), HZ)
    await remote.start()
    yield remote
    await remote.stop()


def to_a_millionth(quality: DetectorQuality) -> DetectorQuality:
    """With means of scores to a millionth: scores are stored with nine decimals."""
    bands = tuple(msgspec.structs.replace(band, estimated=round(band.estimated, 6)) for band in quality.bands)
    estimated = None if quality.estimated is None else round(quality.estimated, 6)
    return msgspec.structs.replace(quality, bands=bands, estimated=estimated)


async def test_users_profiles_and_quality(port: ConsolePort, running: Running) -> None:
    users = await port.users("flagged", 100, "", EVERYTHING)
    assert 10 <= len(users.users) <= 20
    assert not users.more
    assert sum(user.seen for user in users.users) == running.engine.bus.transactions
    flagged = [user.flagged for user in users.users]
    assert flagged == sorted(flagged, reverse=True)
    stored = "SELECT count(*) FROM transactions WHERE enhanced_flagged"
    found_flagged: int = await running.engine.parts.store.pool.fetchval(stored)
    assert sum(flagged) == found_flagged > port.snapshot().flagged["enhanced"], "some were judged after the first fit"

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
    assert await port.profile("nobody") is None

    live = port.snapshot().quality
    assert {quality.detector for quality in live} == {"basic", "enhanced"}
    assert all(0 < quality.labelled < TRANSACTIONS for quality in live), "not what was scored while warming up"
    assert [to_a_millionth(quality) for quality in live] == [to_a_millionth(each) for each in await port.quality(None)]
    for compared in await port.compare_thresholds(None, (0.5, 0.9)):
        (quality,) = [quality for quality in live if quality.detector == compared.detector]
        assert (compared.known, compared.anomalous) == (quality.labelled, quality.anomalous)
        assert [cut.at for cut in compared.cuts] == [None, 0.5, 0.9]
        assert (compared.cuts[0].known, compared.cuts[0].caught) == (quality.flagged, quality.caught)


async def test_a_snapshot_tells_of_every_worker(port: ConsolePort, running: Running) -> None:
    snapshot = port.snapshot()
    assert snapshot.started_at == running.engine.started_at
    assert snapshot.transactions == running.engine.bus.transactions
    assert [worker.name for worker in snapshot.workers] == [w.name for w in running.engine.supervisor.statuses]
    assert len(snapshot.partitions) == 4
    assert port.trouble() == ""
    assert "engine started" in " ".join(line.message for line in port.logs(1_000))
    assert port.logs(0) == ()


async def test_every_new_row_is_read_once_or_counted(port: ConsolePort, running: Running) -> None:
    port.watch(EVERYTHING, 10)
    feed, anomalies = port.feed(0, 20_000), port.anomalies(0, 20_000)
    assert [row.sequence for row in feed.rows] == sorted(row.sequence for row in feed.rows)
    assert feed.rows[-1].sequence == running.engine.bus.transactions
    assert anomalies.rows
    assert all(row.flagged for row in anomalies.rows)
    place = feed.upto
    await running.send(300)
    seen = counted = 0
    newest = feed.rows[-1].sequence
    async with asyncio.timeout(20):
        while newest < running.engine.bus.transactions:
            await asyncio.sleep(0.02)
            found = port.feed(place, 20_000)
            place = found.upto
            seen, counted = seen + len(found.rows), counted + found.missed + found.unmatched
            newest = found.rows[-1].sequence if found.rows else newest
    assert seen + counted == 300
    assert seen > 0
    assert port.feed(place, 20_000).rows == ()
    few, all_held = port.feed(0, 5), port.feed(0, 20_000)
    assert few.rows == all_held.rows[-5:], "the newest ones"
    assert few.rows[-1].sequence == newest
    expected = {row.sequence for row in running.engine.bus.anomalies.since(0, 20_000).rows}

    def all_read_or_counted() -> bool:
        found = port.anomalies(0, 20_000)
        held = {row.sequence for row in found.rows}
        return held <= expected and len(held) + found.missed == len(expected)

    await until(all_read_or_counted)


async def test_all_that_matches_what_is_watched_can_be_read(port: ConsolePort, running: Running) -> None:
    watched = parse("amount>50")
    place = port.feed(0, 20_000).upto
    port.watch(watched, 500)
    expected = [row.sequence for row in running.engine.bus.feed.newest(20_000) if watched.matches(row)]
    held: list[int] = []

    def read() -> list[int]:
        nonlocal place, held
        found = port.feed(place, 20_000)
        place = found.upto
        if found.refill:
            held = []
        held += [row.sequence for row in found.rows if watched.matches(row)]
        return held

    held = [row.sequence for row in port.feed(0, 20_000).rows if watched.matches(row)]
    await until(lambda: read() == expected)
    await running.send(100)
    expected = [row.sequence for row in running.engine.bus.feed.newest(20_000) if watched.matches(row)]
    await until(lambda: read() == expected)


async def test_what_is_in_memory_is_counted(port: ConsolePort, running: Running) -> None:
    watched = parse("amount>50")
    rows = running.engine.bus.feed.newest(20_000)
    assert await port.count_live(watched) == LiveCount(sum(map(watched.matches, rows)), len(rows))


async def test_stored_rows_are_found(port: ConsolePort, running: Running) -> None:
    rows = running.engine.bus.feed.newest(20_000)
    user, _ = Counter(row.transaction.user_id for row in rows).most_common(1)[0]
    found = await port.history(of_user(user), 20)
    assert len(found) == 20
    assert {row.transaction.user_id for row in found} == {user}
    assert all(row.sequence < 0 for row in found)
    assert [row.transaction.timestamp for row in found] == sorted(
        (r.transaction.timestamp for r in found), reverse=True
    )
    flagged = await port.stored_anomalies(EVERYTHING, None, 5)
    assert len(flagged) == 5
    older = await port.stored_anomalies(EVERYTHING, flagged[-1].transaction.timestamp, 5)
    assert older[0].transaction.transaction_id in {row.transaction.transaction_id for row in flagged}
    before_all = found[-1].transaction.timestamp - timedelta(days=1)
    assert await port.stored_anomalies(EVERYTHING, before_all, 5) == ()
    assert await port.dead_letters(10) == ()


async def test_an_alert_is_explained_by_what_would_not_be_one(port: ConsolePort) -> None:
    alerts = [row for row in port.anomalies(0, 20_000).rows if row.verdict is not None and row.verdict.flagged]
    found = [await port.explain(row.transaction.transaction_id) for row in alerts[-20:]]
    told = [each for each in found if each is not None]
    assert told
    assert all(each.text.startswith("not flagged ") for each in told)
    assert await port.explain("unheard-of") is None


async def test_decisions_are_known_when_they_return_and_undone(port: ConsolePort) -> None:
    me = user_name(os.geteuid())
    first, second = (row.transaction.transaction_id for row in port.anomalies(0, 20_000).rows[-2:])
    events = port.triage_changes(0, 10_000)
    known = events[-1].sequence if events else 0
    decision = await port.decide([first, "unheard-of"], TriageStatus.CONFIRMED, note="a ring", by=me)
    assert decision.unknown == ("unheard-of",)
    assert port.triage_changes(known, 10) == decision.events
    assert (await port.triage_of([first, second]))[first].note == "a ring"
    assert (await port.triage_log(first))[0] == decision.events[0]
    later = datetime.now(UTC) + timedelta(days=1)
    await port.decide([second], TriageStatus.SNOOZED, later, by=me)
    assert second not in await port.matching(EVERYTHING, 10_000)
    assert await port.count_matching(EVERYTHING) == len(await port.matching(EVERYTHING, 10_000))
    for _ in range(2):
        undone = await port.undo(me)
        assert undone is not None
    assert port.triage_changes(known, 10)[-1].after is None
    assert await port.triage_of([first, second]) == {}
    with pytest.raises(ValueError, match="snooze"):
        await port.decide([first], TriageStatus.SNOOZED, by=me)


async def test_workers_are_controlled(port: ConsolePort) -> None:
    await port.control("housekeeping", "stop")
    assert state_of(port, "housekeeping") == "stopped"
    await port.control("housekeeping", "start")
    assert state_of(port, "housekeeping") == "running"
    with pytest.raises(KeyError):
        await port.control("nobody", "restart")


async def test_the_timeline_tells_what_changed(port: ConsolePort, running: Running) -> None:
    began = datetime.now(UTC)
    first = (await port.events(None, 1_000))[-1]
    assert (first.kind, first.instance) == ("engine", running.engine.instance)
    assert "started" in first.text
    fits = [event.text for event in await port.events(None, 1_000) if event.kind == "fit"]
    assert any("enhanced" in text for text in fits)

    await port.control("models", "restart")
    ident = port.anomalies(0, 1).rows[0].transaction.transaction_id
    await port.decide([ident], TriageStatus.CONFIRMED, by=user_name(os.geteuid()))
    expected = {("worker", "models"), ("decision", user_name(os.geteuid()))}
    async with asyncio.timeout(20):
        while not expected <= {(event.kind, event.subject) for event in await port.events(began, 1_000)}:
            await asyncio.sleep(0.05)
    found = await port.events(began, 1_000)
    assert [event.at for event in found] == sorted((event.at for event in found), reverse=True)
    assert all(event.at > began for event in found)
    assert len(await port.events(None, 2)) == 2
    await port.undo(user_name(os.geteuid()))


async def test_a_console_that_restarts_what_serves_it_is_back_soon(running: Running) -> None:
    remote = RemotePort(lambda: engine_socket(running.engine.settings.data_dir), HZ)
    await remote.start()
    before = remote.snapshot().workers[0]
    with pytest.raises(ValueError, match="nobody could start it again"):
        await remote.control("attach", "stop")
    with pytest.raises(NotConnected):
        await remote.control("attach", "restart")
    await until(lambda: not remote.trouble() and remote.snapshot().workers[0].since != before.since)
    assert state_of(remote, "attach") == "running"
    await remote.stop()


async def test_the_engine_is_asked_to_quit(port: ConsolePort, running: Running) -> None:
    await port.quit()
    assert running.engine.quitting.is_set()
    running.engine.quitting.clear()


def state_of(port: ConsolePort, name: str) -> str:
    return next(worker.state for worker in port.snapshot().workers if worker.name == name)
