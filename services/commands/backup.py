"""`backup` and `restore`: everything that is stored, as one file. Each returns its exit code."""

import asyncio
import os
from pathlib import Path

from rich.console import Console

from services.commands.database import open_store, started
from services.errors import UserError
from services.process.lock import EngineLock
from services.settings import Settings
from services.store import dump
from services.store.database import make_database


def backup(settings: Settings, path: Path) -> int:
    """Write what the database holds at this moment to a file that only its owner can read. Raises UserError."""
    if path.exists():
        raise UserError(f"{path} is there already: name another file.")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        file = os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except OSError as error:
        raise UserError(f"Cannot write {path}: {error.strerror}.") from None

    async def work() -> None:
        async with started(settings) as dsn:
            await dump.save(dsn, file)

    try:
        with file:
            asyncio.run(work())
            os.fsync(file.fileno())
        size = draft.stat().st_size
        draft.rename(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _say(f"{path}: {size:,} bytes, all that is stored in {make_database(settings.dsn, settings.data_dir).label}.")
    return 0


def restore(settings: Settings, path: Path) -> int:
    """Make the database what it was when the file was written. It must not have been used. Raises UserError."""
    try:
        with path.open("rb") as file:
            magic = file.read(len(dump.MAGIC))
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from None
    if magic != dump.MAGIC:
        raise UserError(f"{path} is no file of `anomaly-tui backup`, nor of `pg_dump --format=custom`.")

    async def work() -> int:
        async with started(settings) as dsn:
            await dump.load(dsn, path)
        # What an older release dumped is brought up to date here, and the reading role gets its rights.
        async with open_store(settings) as store:
            return await store.count()

    lock = EngineLock(settings.data_dir, "restore")
    lock.acquire()
    try:
        count = asyncio.run(work())
    finally:
        lock.release()
    label = make_database(settings.dsn, settings.data_dir).label
    _say(f"Restored {count:,} transactions and all that belongs to them in {label}. An engine goes on from there.")
    return 0


def _say(line: str) -> None:
    Console().print(line, highlight=False, markup=False, soft_wrap=True)
