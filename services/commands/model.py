"""`anomaly-tui model`: the fitted versions, which of them is in use, and another one instead.

A running engine takes up a change within seconds, between two batches, and never restarts for it.
"""

import asyncio
from collections.abc import Callable, Coroutine

import msgspec
from rich.console import Console
from rich.table import Table

from services.commands.database import open_store
from services.errors import UserError
from services.settings import Settings
from services.store.store import Store


def show(settings: Settings) -> int:
    """Print every version with the history it was fitted on and the transactions it has scored."""

    async def work(store: Store) -> int:
        found = await store.models()
        if not found:
            Console().print("No model has been fitted yet: the first fit comes at 1,000 transactions.")
            return 0
        judged = await store.judged_by()
        table = Table("version", "detector", "rows", "users", "history until", "verdicts", "flagged", "")
        for column in (0, 1):
            table.columns[column].no_wrap = True
        for column in (2, 3, 5, 6):
            table.columns[column].justify = "right"
        for row in found:
            verdicts, flagged = judged.get((row["detector"], row["version"]), (0, 0))
            figures = msgspec.json.decode(row["figures"])
            table.add_row(
                row["version"],
                row["detector"],
                f"{figures.get('rows', row['trained_rows']):,}",
                f"{figures['users']:,}" if "users" in figures else "",
                figures.get("to", "")[:16].replace("T", " "),
                f"{verdicts:,}",
                f"{flagged / verdicts:.2%}" if verdicts else "",
                "in use" if row["in_use"] else "" if row["usable"] else "of another release",
            )
        Console().print(table)
        return 0

    return _with_store(settings, work)


def fit(settings: Settings) -> int:
    """Fit both detectors now on what is stored, and use them. Raises UserError when there is too little of it."""
    from services.models.fit import fit_stored
    from services.models.schedule import warming

    async def work(store: Store) -> int:
        if not await store.count():
            raise UserError("There is nothing stored to fit on yet: let transactions flow first, or replay a file.")
        choice = settings.detector
        with Console(stderr=True).status("fitting"):
            if not await fit_stored(store, choice, settings.alert_rate, due_or_not=True):
                raise UserError("Another process is fitting just now; `anomaly-tui model list` shows its result.")
        rows = await store.models()
        for detector in warming(choice).versions:
            version = next(row["version"] for row in rows if row["detector"] == detector and row["in_use"])
            Console().print(f"{detector}: {version} is in use.")
        return 0

    return _with_store(settings, work)


def use(settings: Settings, version: str) -> int:
    """Take one version into use. Raises UserError for an unknown one."""

    async def work(store: Store) -> int:
        if not await store.use_model(version):
            raise UserError(f"There is no version {version}: `anomaly-tui model list` shows which there are.")
        Console().print(f"{version} is in use.")
        return 0

    return _with_store(settings, work)


def rollback(settings: Settings) -> int:
    """Take the version that was fitted before the one in use into use. Raises UserError when there is none."""

    async def work(store: Store) -> int:
        rows = await store.models()
        now = next((row["version"] for row in rows if row["in_use"]), "")
        fitted = {row["version"]: row["fitted_at"] for row in rows if row["usable"]}
        earlier = [version for version in fitted if version != now and fitted[version] < fitted[now]]
        if not earlier:
            raise UserError("There is no earlier version to go back to.")
        version = max(earlier, key=fitted.__getitem__)
        await store.use_model(version)
        Console().print(f"{version} is in use instead of {now}.")
        return 0

    return _with_store(settings, work)


def _with_store(settings: Settings, work: Callable[[Store], Coroutine[None, None, int]]) -> int:
    async def run() -> int:
        async with open_store(settings) as store:
            return await work(store)

    return asyncio.run(run())
