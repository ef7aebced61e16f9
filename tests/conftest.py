"""A real PostgreSQL for every test that needs one: the embedded server, one fresh database a test."""

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from services.brokers.broker import Broker
from services.brokers.embedded import EmbeddedBroker
from services.sending.producer import Sender
from services.settings import load
from services.store.database import EmbeddedDatabase
from services.store.store import Store

# Every Java of the tests lives for seconds, in which its second compiler costs more than it saves.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedDatabase]:
    """The session's PostgreSQL server."""
    folder = Path(tempfile.mkdtemp(prefix="anomaly-tui-pg-"))
    database = EmbeddedDatabase(folder)
    asyncio.run(database.start(lambda line: None))
    asyncio.run(_write_without_waiting(database.dsn))
    yield database
    asyncio.run(database.stop())
    shutil.rmtree(folder, ignore_errors=True)


async def _write_without_waiting(dsn: str) -> None:
    """No test pulls the plug of this server, and to drop a database waits for everything to be on the disk."""
    admin = await asyncpg.connect(dsn, database="postgres")
    await admin.execute("ALTER SYSTEM SET fsync = off")
    await admin.execute("SELECT pg_reload_conf()")
    await admin.close()


@pytest.fixture
async def database_url(server: EmbeddedDatabase) -> AsyncIterator[str]:
    """The URL of an empty database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = await asyncpg.connect(server.dsn, database="postgres")
    await admin.execute(f"CREATE DATABASE {name}")
    yield server.dsn.replace("/anomalies?", f"/{name}?")
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """A store on an empty database with the schema in place."""
    opened = await Store.open(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    """A running embedded broker with the topic in four partitions."""
    embedded = EmbeddedBroker()
    await embedded.start(lambda line: None)
    await embedded.ensure_topic("transactions", 4)
    yield embedded
    await embedded.stop()


@pytest.fixture
async def sender(broker: Broker) -> AsyncIterator[Sender]:
    """A producer on it."""
    started = Sender(broker, "transactions")
    await started.start()
    yield started
    await started.stop()


@pytest.fixture(scope="session")
def cache_dir() -> Path:
    """Where Apache Kafka's jars are kept: the user's own cache, so that they are fetched once."""
    return load({}).settings.cache_dir
