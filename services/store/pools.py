"""Connections to PostgreSQL: those that write, and those that answer people and can only read."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg
import structlog

from services.errors import UserError, reason_of

log = structlog.get_logger("store")

READER = "anomaly_tui_reader"
"""The role of readers, which schema.sql makes."""
COMMAND_TIMEOUT = 30.0
CANCELLED_WITHIN = 3.0
READ_TIMEOUT_MS = 25_000
"""No question that a person asks may hold the server for longer."""
_UNAVAILABLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, TimeoutError)
# Times inside JSON are written in the session's zone. A plan is made for the days that are asked for: one for any days
# would look into all of them. What is asked for lies in memory, or on a disk that does not turn, and is had before a
# query would be compiled.
_SESSION = {
    "application_name": "anomaly-tui",
    "timezone": "UTC",
    "plan_cache_mode": "force_custom_plan",
    "random_page_cost": "1.1",
    "jit": "off",
    # A client that is cut off without a word must not hold its partition's fence until TCP notices, which takes hours.
    "idle_in_transaction_session_timeout": str(int(COMMAND_TIMEOUT * 1000)),
}
_READING = {**_SESSION, "default_transaction_read_only": "on", "statement_timeout": str(READ_TIMEOUT_MS)}


class Connection(asyncpg.Connection):  # type: ignore[misc]
    """Goes back to its pool as it is, and is closed where the server does not acknowledge a cancelled statement.

    asyncpg waits for that as long again as it has waited for the statement, and only then is it said that the server
    does not answer.
    """

    def get_reset_query(self) -> str:
        """Nothing: what we set ends with a transaction, what we lock we unlock, and every batch would wait for it."""
        return ""

    async def _cancel(self, *waiters: Any) -> None:
        giving_up = asyncio.get_running_loop().call_later(CANCELLED_WITHIN, self.terminate)
        try:
            await super()._cancel(*waiters)
        finally:
            giving_up.cancel()


async def open_pool(dsn: str, connections: int, connected: Callable[[], None] = lambda: None) -> Any:
    """At most so many connections; `connected` is called for each that is made.

    Raises UserError with one clear line.
    """

    async def made(connection: Any) -> None:
        connected()

    try:
        return await _pool(dsn, connections, _SESSION, made)
    except _UNAVAILABLE as error:
        raise unreachable(dsn, error) from error


async def open_readers(dsn: str, read_dsn: str | None, connections: int) -> Any:
    """A pool for queries only: at `read_dsn`, else at `dsn` in a role that can only read. Raises UserError.

    Where PostgreSQL does not let us have that role, only the setting of the session forbids to write.
    """
    try:
        if read_dsn is None:
            try:
                return await _pool(dsn, connections, {**_READING, "role": READER})
            except (asyncpg.InsufficientPrivilegeError, asyncpg.DataError) as error:
                advice = (
                    f"CREATE ROLE {READER}; GRANT {READER} TO the user of the database URL; or set database_read_url"
                )
                log.warning("queries run without a read-only role", error=str(error), advice=advice)
        return await _pool(read_dsn or dsn, connections, _READING)
    except _UNAVAILABLE as error:
        raise unreachable(read_dsn or dsn, error) from error


async def _pool(
    dsn: str, connections: int, session: dict[str, str], made: Callable[[Any], Awaitable[None]] | None = None
) -> Any:
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=connections,
        command_timeout=COMMAND_TIMEOUT,
        connection_class=Connection,
        timeout=10,
        server_settings=session,
        init=made,
    )


async def create_database(dsn: str) -> None:
    """Create the database the URL names if the server says that it does not exist."""
    try:
        connection = await asyncpg.connect(dsn, timeout=10)
    except asyncpg.InvalidCatalogNameError as missing:
        name = _database_name(dsn)
        try:
            connection = await asyncpg.connect(dsn, database="postgres", timeout=10)
            try:
                await connection.execute(f'CREATE DATABASE "{name.replace(chr(34), chr(34) * 2)}"')
            except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                # Another process creates it too: the one, when it has; the other, while it does.
                pass
            finally:
                await connection.close()
        except asyncpg.PostgresError as error:
            raise UserError(
                f"Database {name} does not exist and cannot be created ({error}): "
                f"ask for `CREATE DATABASE {name}` or name another with --database."
            ) from missing
    except _UNAVAILABLE as error:
        raise unreachable(dsn, error) from error
    else:
        await connection.close()


def _database_name(dsn: str) -> str:
    return unquote(urlsplit(dsn).path.lstrip("/")) or "anomalies"


def unanswered(error: Exception) -> UserError:
    """The line a user reads when a server that was reached does not do now what it was asked to."""
    return UserError(f"PostgreSQL could not answer: {reason_of(error)}. Try the same command again.")


def unreachable(dsn: str, error: Exception) -> UserError:
    """The line a user reads when the server at `dsn` cannot be had."""
    try:
        parts = urlsplit(dsn)
        where = f"{parts.hostname or 'its socket'}:{parts.port or 5432}"
    except ValueError:
        where = "that URL"
    return UserError(
        f"Cannot connect to PostgreSQL at {where}: {reason_of(error)}. "
        "Check --database or DATABASE_URL (postgresql://user@host:5432/anomalies), "
        "or leave both away for the embedded server."
    )
