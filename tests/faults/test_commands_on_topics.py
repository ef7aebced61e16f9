"""Commands beside a daemon, and on topics that nobody here wrote, as a user runs them."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from domain.transaction import Transaction
from services.brokers.broker import Broker
from services.records import wire
from services.store.rekeying import by_user
from services.store.store import Store
from tests.acceptance.session import simulated_file
from tests.consuming import simulated
from tests.faults.daemon import QUICKLY_MISSED, Daemon, sabotage
from tests.faults.promises import wrong_profiles
from tests.faults.topics import Topics, until_stored
from tests.odd_headers import send_oddly

STORED_WITHIN = 60.0


class Command:
    """`anomaly-tui` with the daemon's Kafka and database, or those of another data directory."""

    def __init__(self, folder: Path, bootstrap: str, dsn: str) -> None:
        self._folder = folder
        self._options = ("--kafka", bootstrap)
        self._database = ("--database", dsn)

    async def __call__(self, *arguments: str, data: str = "data", kafka: bool = False) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("anomaly-tui")),
            *arguments,
            *(self._options if kafka else ()),
            *self._database,
            "--data-dir",
            str(self._folder / data),
            cwd=self._folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        assert b"Traceback" not in errors, errors.decode()
        return process.returncode, output.decode(), errors.decode()


@pytest.fixture
def command(tmp_path: Path, apache_kafka: str, database_url: str) -> Command:
    return Command(tmp_path, apache_kafka, database_url)


@pytest.fixture
def rows() -> list[Transaction]:
    return [transaction for transaction, _ in simulated(300)]


async def test_replay_and_reset_beside_a_daemon_that_re_keys(
    kafka: Broker,
    topics: Topics,
    topic: str,
    store: Store,
    database_url: str,
    tmp_path: Path,
    command: Command,
    rows: list[Transaction],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await topics.make(topic, 4)
    await topics.write(topic, rows, key=b"no user")
    sabotage(tmp_path, monkeypatch, QUICKLY_MISSED)
    daemon = Daemon(tmp_path, kafka.bootstrap, database_url, "--topic", topic)
    await daemon.start()
    await until_stored(store, 300, STORED_WITHIN)

    simulated_file(tmp_path / "some.jsonl", 100)
    code, _, said = await command("replay", "some.jsonl", "--topic", topic, kafka=True)
    assert (code, await store.count()) == (0, 400), said
    code, _, said = await command("replay", "some.jsonl", "--topic", topic, kafka=True)
    assert (code, await store.count()) == (0, 400), said

    code, _, said = await command("reset", "--yes")
    assert code == 1
    assert "anomaly-tui already runs on" in said
    code, _, said = await command("reset", "--yes", data="other")
    assert code == 1
    assert "works on this database: stop it first" in said
    code, _, said = await command("init-user-profiles", data="other")
    assert code == 1
    assert await store.count() == 400

    assert await daemon.end(signal.SIGKILL) == -signal.SIGKILL
    code, _, said = await command("reset", "--yes")
    assert code == 0, said
    assert await store.count() == 0
    await daemon.start()
    # What lies in the topic, of which the replayed file is a part, as often as it was sent.
    await until_stored(store, 400, STORED_WITHIN)
    assert await daemon.end(signal.SIGTERM) == 0
    copy = await store.rekeying.copy_of(kafka.cluster_id, topic)
    assert copy is not None
    assert copy.startswith(f"{by_user(topic)}-")
    assert await wrong_profiles(store) == set()


async def test_a_mapping_is_guessed_from_records_with_headers_that_are_no_utf_8(
    kafka: Broker, topics: Topics, topic: str, command: Command, rows: list[Transaction]
) -> None:
    await topics.make(topic, 4)
    records = [(wire.encode(row), number % 3 == 0) for number, row in enumerate(rows[:50])]
    await send_oddly(kafka.bootstrap, topic, records, partition=2)
    code, guessed, said = await command("mapping", "guess", topic, kafka=True)
    assert code == 0, said
    assert "nothing" not in guessed
    assert said == ""
    code, _, said = await command("mapping", "guess", "nowhere", kafka=True)
    assert (code, said.count("\n")) == (1, 1), said
    assert "There is no topic nowhere at Kafka" in said
