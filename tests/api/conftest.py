"""One engine for all tests of the API, which change nothing but triage."""

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from services.store.database import EmbeddedDatabase
from tests.api.running import Running, running


@pytest.fixture(scope="session")
def engine(server: EmbeddedDatabase) -> Iterator[Running]:
    """A running engine with transactions, anomalies, profiles and dead letters."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    folder = Path(tempfile.mkdtemp(prefix="anomaly-tui-api-"))

    async def administer(command: str) -> None:
        connection = await asyncpg.connect(server.dsn, database="postgres")
        await connection.execute(command)
        await connection.close()

    asyncio.run(administer(f"CREATE DATABASE {name}"))
    with running(folder, server.dsn.replace("/anomalies?", f"/{name}?")) as started:
        yield started
    asyncio.run(administer(f"DROP DATABASE {name} WITH (FORCE)"))
    shutil.rmtree(folder)
