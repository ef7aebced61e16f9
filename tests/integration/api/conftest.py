"""One engine for all tests of the API, which change nothing but triage."""

import asyncio
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from services.store.database import EmbeddedDatabase
from tests.integration.api.running import Running, running


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


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    subprocess.run(
        [*command.split(), "-addext", names, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True
    )
    return files
