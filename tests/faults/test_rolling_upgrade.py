"""Fault 26: a rolling upgrade under load, of daemons that share a topic and a database.

What two releases do together only both can show: that needs the sources of the one before, which a checkout with its
history has, and several minutes. What that release left is in a file, so that every checkout can go on from it.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from functools import partial
from itertools import groupby
from pathlib import Path

import asyncpg
import pytest

from services.brokers.broker import Broker
from services.sending.producer import Sender
from services.store import dump, schema
from services.store.columns import transaction_of
from services.store.store import Store
from tests.consuming import send, simulated
from tests.faults import releases
from tests.faults.daemon import Daemon
from tests.faults.figures import FULL, Figures
from tests.faults.old_database import FILE, PARTITIONS
from tests.faults.promises import broken_promises, wrong_profiles
from tests.faults.releases import before_the_newest_migration
from tests.faults.topics import Topics
from tests.waiting import until

STORED_WITHIN = 180.0
HISTORY, A_SECOND, PIECE = 2_500, 250, 50
"""Transactions that the release before has stored alone, twice of which it fits on; and the load behind them."""

MOST = 60_000
NEWEST = schema.migrations()[-1].version


class Load:
    """Transactions at a rate, until it is ended; `sent` are the ids of all."""

    def __init__(self, sender: Sender) -> None:
        self.sent: list[str] = []
        self._sender = sender
        self._rows = simulated(MOST, seed=2)
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def ends(self) -> Mapping[int, int]:
        """Where each partition ends that something was sent to."""
        return self._sender.ends

    async def send(self, count: int) -> None:
        rows = self._rows[len(self.sent) : len(self.sent) + count]
        await send(self._sender, rows)
        self.sent += [transaction.transaction_id for transaction, _ in rows]

    def begin(self) -> None:
        self._task = asyncio.create_task(self._flow())

    async def _flow(self) -> None:
        while not self._ended.is_set():
            await self.send(PIECE)
            await asyncio.sleep(PIECE / A_SECOND)

    async def end(self) -> None:
        self._ended.set()
        assert self._task is not None
        await self._task
        await self._sender.flush()


class Upgrade:
    """Two daemons, and what they have stored so far."""

    def __init__(self, watch: asyncpg.Connection, topic: str) -> None:
        self._watch = watch
        self._topic = topic

    async def version(self) -> int:
        return int(await self._watch.fetchval("SELECT max(version) FROM schema_version"))

    async def count(self) -> int:
        return int(await self._watch.fetchval("SELECT count(*) FROM transactions"))

    async def until_stored(self, count: int) -> None:
        async def enough() -> bool:
            return await self.count() >= count

        await until(enough, STORED_WITHIN)

    async def until_more_is_stored(self) -> None:
        await self.until_stored(await self.count() + 2 * A_SECOND)

    async def until_owned_by(self, *daemons: Daemon) -> None:
        """Wait until these daemons, and no other, have the partitions."""

        async def shared() -> bool:
            found = await self._watch.fetch("SELECT DISTINCT owner FROM progress WHERE topic = $1", self._topic)
            return {pid for row in found for pid in row[0].split("-") if pid.isdigit()} >= {
                str(daemon.pid) for daemon in daemons
            } and len(found) == len(daemons)

        await until(shared, STORED_WITHIN)


@pytest.fixture
async def upgrade(database_url: str, topic: str) -> AsyncIterator[Upgrade]:
    watch = await asyncpg.connect(database_url)
    yield Upgrade(watch, topic)
    await watch.close()


@pytest.fixture
async def load(kafka: Broker, topics: Topics, topic: str) -> AsyncIterator[Load]:
    await topics.make(topic, PARTITIONS)
    sender = Sender(kafka, topic)
    await sender.start()
    yield Load(sender)
    await sender.stop()


@pytest.mark.skipif(not FULL, reason="runs the release before too: `make faults`")
@pytest.mark.timeout(900)
async def test_26_a_release_takes_over_from_the_one_before_under_load(
    kafka: Broker, topic: str, load: Load, upgrade: Upgrade, database_url: str, tmp_path: Path, figures: Figures
) -> None:
    for name in ("code", "old", "new"):
        (tmp_path / name).mkdir()
    code = before_the_newest_migration(tmp_path / "code")
    old = Daemon(tmp_path / "old", kafka.bootstrap, database_url, "--topic", topic, code=code)
    new = Daemon(tmp_path / "new", kafka.bootstrap, database_url, "--topic", topic)
    await old.start()
    await old.started(STORED_WITHIN)
    await load.send(HISTORY)
    await upgrade.until_stored(HISTORY)
    assert await upgrade.version() == NEWEST - 1
    load.begin()
    await upgrade.until_more_is_stored()
    await new.start()
    await new.started(STORED_WITHIN)
    assert await upgrade.version() == NEWEST
    await upgrade.until_owned_by(old, new)
    await upgrade.until_more_is_stored()
    # Both store. Only what opens the database anew in the old one may be refused.
    refused = f"The database has schema version {NEWEST}, this program knows {NEWEST - 1}: upgrade anomaly-tui."
    crashes = [line for line in (old.log.read_text() + new.log.read_text()).splitlines() if "crashed" in line]
    assert [line for line in crashes if refused not in line] == []
    assert await old.end(signal.SIGTERM) == 0, old.log.read_text()[-4000:]
    figures.faults += 1
    with figures.recovering():
        await upgrade.until_more_is_stored()
    await load.end()
    await upgrade.until_stored(len(load.sent))
    assert await new.end(signal.SIGTERM) == 0, new.log.read_text()[-4000:]
    store = await Store.open(database_url)
    broken = await broken_promises(
        store,
        sent=load.sent,
        poison=(),
        ends=load.ends,
        cluster=kafka.cluster_id,
        topic=topic,
        wrong=partial(releases.wrong_profiles, code=code),
    )
    await store.close()
    assert broken == [], old.log.read_text()[-4000:] + new.log.read_text()[-4000:]


@pytest.fixture
async def left(
    kafka: Broker, topics: Topics, topic: str, load: Load, upgrade: Upgrade, database_url: str
) -> tuple[dict[str, bytes], set[str]]:
    """What the release before left in the database, as if its records had been this topic's: profiles and ids."""
    await dump.load(database_url, FILE)
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("SELECT * FROM transactions ORDER BY kafka_partition, kafka_offset")
    for partition, of in groupby(rows, key=lambda row: row["kafka_partition"]):
        await topics.write(topic, map(transaction_of, of), partition=partition)
    topic_id = await kafka.topic_id(topic)
    await connection.execute("DELETE FROM progress WHERE counted = 0 AND incarnation = 0")
    await connection.execute(
        "UPDATE progress SET cluster = $1, topic = $2, topic_id = $3", kafka.cluster_id, topic, topic_id
    )
    await connection.execute("UPDATE profiles SET cluster = $1, topic = $2", kafka.cluster_id, topic)
    profiles = dict(await connection.fetch("SELECT user_id, state FROM profiles"))
    await connection.close()
    return profiles, {row["transaction_id"] for row in rows}


@pytest.mark.timeout(900)
async def test_26_daemons_on_the_database_of_the_release_before_are_started_anew_one_after_another(
    kafka: Broker,
    topic: str,
    load: Load,
    upgrade: Upgrade,
    left: tuple[dict[str, bytes], set[str]],
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    figures: Figures,
) -> None:
    monkeypatch.setenv("ANOMALY_TUI_RETENTION_DAYS", "36500")
    profiles, learnt = left
    daemons = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        daemons.append(Daemon(tmp_path / name, kafka.bootstrap, database_url, "--topic", topic))
    assert await upgrade.version() == NEWEST - 1
    load.begin()
    await daemons[0].start()
    await daemons[1].start()
    for daemon in daemons:
        await daemon.started(STORED_WITHIN)
    assert await upgrade.version() == NEWEST
    await upgrade.until_owned_by(*daemons)
    for daemon in daemons if FULL else daemons[:1]:
        await upgrade.until_more_is_stored()
        assert await daemon.end(signal.SIGTERM) == 0, daemon.log.read_text()[-4000:]
        figures.faults += 1
        with figures.recovering():
            await upgrade.until_more_is_stored()
        await daemon.start()
        await daemon.started(STORED_WITHIN)
        await upgrade.until_owned_by(*daemons)
    await load.end()
    await upgrade.until_stored(len(learnt) + len(load.sent))
    for daemon in daemons:
        assert await daemon.end(signal.SIGTERM) == 0, daemon.log.read_text()[-4000:]
        assert "crashed" not in daemon.log.read_text()
    store = await Store.open(database_url)
    broken = await broken_promises(
        store,
        sent=[*learnt, *load.sent],
        poison=(),
        ends=load.ends,
        cluster=kafka.cluster_id,
        topic=topic,
        wrong=partial(wrong_profiles, before=profiles, learnt=learnt),
    )
    await store.close()
    assert broken == [], "".join(daemon.log.read_text()[-4000:] for daemon in daemons)
