"""The configured database, opened for one command, and whether an engine uses it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime

from rich.console import Console

from services.errors import UserError
from services.settings import Settings
from services.store.database import make_database
from services.store.faults import Transient
from services.store.pools import unanswered
from services.store.store import Store


@contextlib.asynccontextmanager
async def started(settings: Settings) -> AsyncIterator[str]:
    """The URL of the configured database, whose server runs meanwhile. Raises UserError."""
    database = make_database(settings.dsn, settings.data_dir)
    try:
        await database.start(lambda line: None)
        yield database.dsn
    finally:
        await database.stop()


@contextlib.asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store of the configured database, beside whatever else uses it.

    Raises: UserError, also where PostgreSQL could not answer what was asked of the store.
    """
    async with started(settings) as dsn:
        store = await Store.open(dsn, read_dsn=settings.read_dsn, connections=2)
        try:
            yield store
        except Transient as error:
            raise unanswered(error) from error
        finally:
            await store.close()


async def without_engines(store: Store) -> None:
    """See that no engine works on the database, also none of another data directory: it would go on with what is gone.

    One that was killed is waited for, until it no longer counts. Raises UserError, which names an engine that lives.
    """
    beats: dict[str, datetime] = {}
    told = False
    while engines := await store.live_engines():
        for engine in engines:
            name, beat = engine["instance"], engine["heartbeat_at"]
            if beats.setdefault(name, beat) != beat:
                raise UserError(f"The engine {name} (host, process) works on this database: stop it first.")
        if not told:
            told = True
            line = f"Waiting for a sign of life of the engine {engines[0]['instance']}, 10 s at most."
            Console(stderr=True).print(line, highlight=False, markup=False)
        await asyncio.sleep(0.2)
