"""The schema: made in a new database, and brought to the newest version in one that an older release made."""

from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from services.errors import PermanentError
from services.store import statements
from services.store.faults import translated

log = structlog.get_logger("store")

_AS_LONG_AS_IT_TAKES = 86_400.0


class Migration(NamedTuple):
    """SQL that makes version `version` of the version before."""

    version: int
    sql: str


def migrations() -> tuple[Migration, ...]:
    """All that there are, oldest first."""
    found = (file for file in files("services.store.migrations").iterdir() if file.name.endswith(".sql"))
    return tuple(
        Migration(int(file.name.partition("_")[0]), file.read_text(encoding="utf-8"))
        for file in sorted(found, key=lambda file: file.name)
    )


def schema() -> str:
    """The text of schema.sql: beside this module in a wheel, at the top of a checkout otherwise."""
    packaged = Path(__file__).with_name("schema.sql")
    found = packaged if packaged.exists() else Path(__file__).parents[2] / "schema.sql"
    return found.read_text(encoding="utf-8")


async def apply(connection: Any) -> None:
    """Make what is missing. A database of an older release runs the migrations that it has not run yet.

    Each migration commits by itself, with its version: one that is interrupted is begun again at the next start, and
    those before it are not. One that moves much leaves a table `unfinished` with the days that are left, and is run
    until it is gone, from where it was. Raises: PermanentError where a newer release made the database; Transient.
    """
    steps = migrations()
    newest = steps[-1].version
    with translated():
        while True:
            async with connection.transaction():
                await connection.execute(statements.ONE_CHANGE)
                await connection.execute("SET LOCAL client_min_messages = warning")
                known = await _version(connection, newest)
                _refuse_newer(known, newest)
                due = next((step for step in steps if step.version > known), None)
                if due is None:
                    await connection.execute(schema())
                    await connection.execute(statements.SAVE_SCHEMA_VERSION, newest)
                    return
                await connection.execute(due.sql, timeout=_AS_LONG_AS_IT_TAKES)
                if await connection.fetchval("SELECT to_regclass('unfinished') IS NULL"):
                    await connection.execute(statements.SAVE_SCHEMA_VERSION, due.version)
                else:
                    days = await connection.fetchval("SELECT days FROM unfinished")
                    log.info("bringing stored transactions to this release's tables", days_left=days)


async def check(connection: Any) -> None:
    """Raises: PermanentError where a newer release has changed the database since it was opened; Transient."""
    newest = migrations()[-1].version
    with translated():
        _refuse_newer(await _version(connection, newest), newest)


def _refuse_newer(known: int, newest: int) -> None:
    if known > newest:
        raise PermanentError(
            f"The database has schema version {known}, this program knows {newest}: upgrade anomaly-tui."
        )


async def _version(connection: Any, newest: int) -> int:
    """Of the database; a new one has nothing to migrate."""
    if not await connection.fetchval("SELECT to_regclass('schema_version') IS NOT NULL"):
        return newest
    return int(await connection.fetchval("SELECT coalesce(max(version), 1) FROM schema_version"))
