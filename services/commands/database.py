"""The configured database, opened for one command."""

import contextlib
from collections.abc import AsyncIterator

from services.settings import Settings
from services.store.database import make_database
from services.store.faults import Transient
from services.store.pools import unanswered
from services.store.store import Store


@contextlib.asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store of the configured database, beside whatever else uses it.

    Raises: UserError, also where PostgreSQL could not answer what was asked of the store.
    """
    database = make_database(settings.dsn, settings.data_dir)
    try:
        await database.start(lambda line: None)
        store = await Store.open(database.dsn, read_dsn=settings.read_dsn, connections=2)
        try:
            yield store
        except Transient as error:
            raise unanswered(error) from error
        finally:
            await store.close()
    finally:
        await database.stop()
