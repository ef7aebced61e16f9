"""One real Apache Kafka for a whole module of tests, each of which has topics of its own."""

import asyncio
import shutil
import tempfile
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from services.brokers.broker import Broker
from services.brokers.external import ExternalBroker
from services.brokers.local import LocalBroker
from services.brokers.security import Security
from services.store.database import EmbeddedDatabase
from services.store.store import Store
from tests.faults.topics import Topics


@pytest.fixture(scope="module")
def apache_kafka(cache_dir: Path) -> Iterator[str]:
    """The address of a running Apache Kafka."""
    folder = Path(tempfile.mkdtemp(prefix="anomaly-tui-kafka-"))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    local = LocalBroker(folder / "kafka", cache_dir, None)
    asyncio.run_coroutine_threadsafe(local.start(lambda line: None), loop).result(90)
    yield local.bootstrap
    asyncio.run_coroutine_threadsafe(local.stop(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def kafka(apache_kafka: str) -> AsyncIterator[Broker]:
    """A connection to it."""
    broker = ExternalBroker(apache_kafka, Security())
    await broker.start(lambda line: None)
    yield broker
    await broker.stop()


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
