"""The configured database, opened for one command."""

import contextlib
from collections.abc import AsyncIterator

from services.settings import Settings
from services.store.database import make_database
from services.store.store import Store


@contextlib.asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store of the configured database, beside whatever else uses it."""

    database = make_database(settings.dsn, settings.data_dir)
    await database.start(lambda line: None)
    try:
        store = await Store.open(database.dsn, read_dsn=settings.read_dsn, connections=2)
        try:
            yield store
        finally:
            await store.close()
    finally:
        await database.stop()
