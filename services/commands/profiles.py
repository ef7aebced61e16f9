"""`init-user-profiles`: every profile built again from stored history."""

import asyncio

from rich.console import Console

from services.commands.database import open_store, without_engines
from services.models.profiles import rebuild
from services.process.lock import EngineLock
from services.progress import progress
from services.settings import Settings


def init_user_profiles(settings: Settings) -> int:
    """Rebuild every profile from stored history, identical to the last bit."""

    async def work() -> int:
        lock = EngineLock(settings.data_dir, "init-user-profiles")
        lock.acquire()
        try:
            async with open_store(settings) as store:
                await without_engines(store)
                with progress(Console(stderr=True)) as bar:
                    task = bar.add_task("profiles", total=await store.count())
                    built = await rebuild(store, settings.alert_rates, lambda rows: bar.advance(task, rows))
        finally:
            lock.release()
        console = Console()
        console.print(f"{built.profiles:,} profiles from {built.transactions:,} transactions.")
        if built.other_model:
            console.print(
                f"{built.other_model:,} of them have no enhanced verdict, or by a model that is gone: "
                "the one in use stood in."
            )
        return 0

    return asyncio.run(work())
