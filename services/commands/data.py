"""`init-db`, `stats` and `reset`: what is stored, as a whole. Each returns its exit code."""

import asyncio
from collections import Counter
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.accounting import KINDS, Account
from domain.engine import Rekeying
from services.commands.agreement import agreed
from services.commands.database import open_store, without_engines
from services.process.lock import EngineLock
from services.settings import Settings
from services.store.database import make_database

_TO_DELETE = """\
Stored in {label}:
  {count:,} transactions with their verdicts, decisions and notes
  the profile of every user, and every fitted model
  dead letters, what changed and when, and how far each topic was read"""


def init_db(settings: Settings) -> int:
    """Create the database and its schema."""

    async def work() -> int:
        async with open_store(settings) as store:
            await store.ping()
        return 0

    code = asyncio.run(work())
    Console().print(f"The schema is in place: {make_database(settings.dsn, settings.data_dir).label}.")
    return code


def stats(settings: Settings, *, as_json: bool) -> int:
    """Totals from PostgreSQL and, where an engine runs, its rate, lag and workers."""

    async def collect() -> dict[str, Any]:
        async with open_store(settings) as store:
            totals: dict[str, Any] = await store.totals()
            engines = await store.live_engines()
            progress = await store.progress()
        return {
            **totals,
            "lag": sum(engine["lag"] for engine in engines) if engines else None,
            "rate": sum(engine["rate"] for engine in engines),
            "workers": [
                {"instance": engine["instance"], **worker} for engine in engines for worker in engine["workers"]
            ],
            "duplicates": sum(engine["duplicates"] for engine in engines),
            "skipped": dict(sum((Counter(engine.get("skipped", {})) for engine in engines), Counter[str]())),
            "engines": len(engines),
            "topic_resets": sum(max(0, partition["incarnation"] - 1) for partition in progress),
            "rekeying": rekeying_of(engines, progress),
            "accounts": accounts_of(progress),
            "progress": progress,
        }

    found = asyncio.run(collect())
    console = Console()
    if as_json:
        console.file.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
        return 0
    table = Table(title="anomaly-tui", show_header=False)
    table.add_row("transactions", f"{found['transactions']:,}")
    for name, count in sorted(found["verdicts"].items()):
        table.add_row(f"verdicts, {name}", f"{count:,} ({found['flagged'][name]:,} flagged)")
    table.add_row("dead letters", f"{found['dead_letters']:,}")
    for topic, account in found["accounts"].items():
        table.add_row(f"account of {topic}", account.sentence)
    if found["topic_resets"]:
        said = f"{found['topic_resets']:,} partitions read again: their topic was made again or shortened"
        table.add_row("topic resets", Text(said, style="red"))
    running = f"{found['engines']}" if found["engines"] else "none (start one with `anomaly-tui`)"
    table.add_row("running engines", running)
    if found["engines"]:
        table.add_row("rate", f"{found['rate']:.0f} transactions/s")
        table.add_row("lag", f"{found['lag']:,} records")
        skipped = ", ".join(f"{count:,} {kind}" for kind, count in found["skipped"].items()) or "none"
        table.add_row("duplicates", f"{found['duplicates']:,}")
        table.add_row("skipped", skipped)
        for rekeying in found["rekeying"]:
            table.add_row("re-keying", rekeying_text(rekeying))
        for worker in found["workers"]:
            table.add_row(f"worker {worker['name']}", f"{worker['state']}: {worker['detail']}")
    console.print(table)
    return 0


def accounts_of(progress: list[dict[str, Any]]) -> dict[str, Account]:
    """What became of the offsets of each topic, over all clusters and partitions."""
    accounts: dict[str, Account] = {}
    for row in progress:
        account = Account(**{kind: row[kind] for kind in KINDS})
        accounts[row["topic"]] = accounts.get(row["topic"], Account()) + account
    return accounts


def rekeying_of(engines: list[dict[str, Any]], progress: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The topics that are re-keyed: how it goes at the engine that does it, with the repeats that all dropped."""
    by_topic = {
        row["topic"]: msgspec.structs.asdict(Rekeying(topic=row["topic"], through=row["copy"]))
        for row in progress
        if row["rekeyed"] and row["copy"]
    }
    for found in (engine["rekeying"] for engine in engines if engine.get("rekeying")):
        known = by_topic.get(found["topic"], found | {"repeats": 0})
        chosen = found if found["active"] else known
        by_topic[found["topic"]] = {**chosen, "repeats": known["repeats"] + found["repeats"]}
    return list(by_topic.values())


def rekeying_text(rekeying: dict[str, Any]) -> str:
    """One of them in a line."""
    through = f"{rekeying['topic']} through {rekeying['through']}"
    if not rekeying["active"]:
        return f"{through}: no engine does it now"
    return f"{through}: {rekeying['rate']:,.0f} records/s, {rekeying['cost_us']:.0f} us each, {rekeying['lag']:,} to go"


def reset(settings: Settings, *, assume_yes: bool) -> int:
    """Delete everything that was stored, after asking."""

    async def work() -> int:
        lock = EngineLock(settings.data_dir, "reset")
        lock.acquire()
        try:
            async with open_store(settings) as store:
                await without_engines(store)
                count = await store.count()
                label = make_database(settings.dsn, settings.data_dir).label
                if not assume_yes:
                    Console(markup=False, highlight=False).print(_TO_DELETE.format(count=count, label=label))
                    if not agreed("Delete all of it, for good?", default=False):
                        Console().print("Nothing was deleted: --yes does it without asking.")
                        return 1
                await store.reset()
                Console().print(f"Deleted {count:,} transactions and all that belonged to them.")
        finally:
            lock.release()
        return 0

    return asyncio.run(work())
