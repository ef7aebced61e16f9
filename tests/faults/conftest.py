"""One real Apache Kafka for all tests that leave it alone, each of which has topics of its own."""

import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from services.brokers.broker import Broker
from services.brokers.external import ExternalBroker
from services.brokers.security import Security
from services.store.database import EmbeddedDatabase
from services.store.store import Store
from tests.faults import figures as counted
from tests.faults.figures import Figures
from tests.faults.own_kafka import OwnKafka
from tests.faults.topics import Topics


@pytest.fixture(scope="session")
def apache_kafka(cache_dir: Path) -> Iterator[str]:
    """The address of a running Apache Kafka, which nobody kills."""
    with tempfile.TemporaryDirectory(prefix="anomaly-tui-kafka-", ignore_cleanup_errors=True) as folder:
        kafka = OwnKafka(Path(folder) / "kafka", cache_dir)
        kafka.start()
        yield kafka.bootstrap
        kafka.stop()


@pytest.fixture
async def kafka(apache_kafka: str) -> AsyncIterator[Broker]:
    """A connection to it."""
    broker = ExternalBroker(apache_kafka, Security())
    await broker.start(lambda line: None)
    yield broker
    await broker.stop()


@pytest.fixture(autouse=True)
def group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Daemons of a test are a group of their own: one waits for its killed members, whatever topic they read."""
    monkeypatch.setenv("ANOMALY_TUI_GROUP", f"tests-{uuid.uuid4().hex[:8]}")


@pytest.fixture(autouse=True)
def figures(request: pytest.FixtureRequest) -> Iterator[Figures]:
    """What this test counts."""
    found = counted.begin()
    yield found
    found.write(request.node.path.name, request.node.name)


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder for a PostgreSQL that is started and stopped: for sockets its path is short, and pytest, which hides its
    own folders from other users at each start of its own, lets the user alone as whom the server runs under root.
    """
    with tempfile.TemporaryDirectory(prefix="anomaly-tui-pg-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def topic() -> str:
    """A name that no other test uses."""
    return f"transactions-{uuid.uuid4().hex[:8]}"


@pytest.fixture
async def other_store(server: EmbeddedDatabase) -> AsyncIterator[Store]:
    """A store in a database of its own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = await asyncpg.connect(server.dsn, database="postgres")
    await admin.execute(f"CREATE DATABASE {name}")
    opened = await Store.open(server.dsn.replace("/anomalies?", f"/{name}?"))
    yield opened
    await opened.close()
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
def topics(apache_kafka: str) -> Topics:
    """The topics of the Apache Kafka of the tests."""
    return Topics(apache_kafka)
