"""What a transaction costs as users and stored rows grow.

One pipeline with both detectors at a time: first a round for each number of users, each in a database of its own, then
a round for each number of rows in one database, which PostgreSQL fills in between with copies of what the pipeline has
stored, under other ids and at other moments of the same days. Figures go to build/bench/growth.json too.

    python benchmarks/growth.py --users 100 10000 1000000 --stored 0 5000000 20000000
"""

import argparse
import asyncio

from _designs import pipeline
from _results import keep, machine
from _servers import Servers, servers
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from throughput import HISTORY, preload, traffic

from detectors.models import Models
from detectors.policy import USUAL_POLICY
from services.models import schedule
from services.process import garbage
from services.store.store import Store

Cost = dict[str, float]

COLUMNS = """
SELECT attname FROM pg_attribute WHERE attrelid = 'transactions'::regclass AND attnum > 0 AND NOT attisdropped
"""
FILL = "INSERT INTO transactions ({columns}) SELECT {values} FROM few"


async def cost(running: Servers, store: Store, models: Models, topic: str, count: int, users: int) -> Cost:
    """Transactions per second, and microseconds a transaction of our process and of PostgreSQL."""
    await preload(running.broker, topic, count, users=users)
    garbage.settle()
    before = running.spent()
    await pipeline(running.broker, store, topic, count, models)
    spent = running.spent().minus(before)
    return {
        "rate": round(count / spent.wall),
        "ours_us": round(spent.ours / count * 1e6, 1),
        "postgresql_us": round(spent.postgresql / count * 1e6, 1),
    }


async def fill(store: Store, stored: int, progress: Progress) -> None:
    """Have so many rows stored."""
    async with store.pool.acquire() as connection:
        there = await connection.fetchval("SELECT count(*) FROM transactions")
        if there >= stored:
            return
        await connection.execute("CREATE TEMPORARY TABLE few AS SELECT * FROM transactions LIMIT 50000")
        few = await connection.fetchval("SELECT count(*) FROM few")
        names = [row["attname"] for row in await connection.fetch(COLUMNS)]
        changed = {
            "transaction_id": "transaction_id || '-' || $1::bigint",
            # Not before the day, which may have no partition.
            "event_time": "greatest(date_trunc('day', event_time), event_time - $2::bigint * interval '13.7 s')",
        }
        statement = FILL.format(columns=", ".join(names), values=", ".join(changed.get(name, name) for name in names))
        copies = range((stored - there) // few)
        for copy in progress.track(copies, description=f"filling up to {stored:,}"):
            await connection.execute(statement, there + copy, copy)
        await connection.execute("DROP TABLE few")
        # As the server would in time; not while it is measured.
        await connection.execute("VACUUM ANALYZE transactions")
        await connection.execute("CHECKPOINT")


async def run(kafka: str, users: list[int], count: int, stored: list[int]) -> None:
    """Users first, then stored rows; print one table and keep the figures."""
    models = schedule.fit([transaction for transaction, _ in traffic(HISTORY, day=0)], HISTORY, "both", USUAL_POLICY)
    found: dict[str, Cost] = {}
    async with servers(kafka) as running:
        with Progress(transient=True) as progress:
            for number in progress.track(users, description="users"):
                store = await running.store(f"bench_{number}")
                found[f"{number:,} users"] = await cost(running, store, models, f"bench-{number}", count, number)
                await store.close()
            store = await running.store("bench_stored")
            for number in progress.track(stored, description="stored rows"):
                await fill(store, number, progress)
                for topic in (f"bench-before-{number}", f"bench-stored-{number}"):
                    # The first pays for pages that are written whole after a checkpoint; the second is kept.
                    found[f"{number:,} stored"] = await cost(running, store, models, topic, count, 1_000)
            await store.close()
        where = running.broker.label
    table = Table(title=f"Cost as things grow, both detectors, {where}, {machine()['cores']} cores")
    for column in ("", "transactions/s", "ours, us", "PostgreSQL, us"):
        table.add_column(column, justify="right")
    for name, row in found.items():
        table.add_row(name, f"{row['rate']:,.0f}", f"{row['ours_us']:.1f}", f"{row['postgresql_us']:.1f}")
    Console().print(table)
    Console().print(f"Kept in {keep('growth', found)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kafka", default="local", help="embedded, local (Apache Kafka, default) or HOST:PORT")
    parser.add_argument("--users", nargs="*", type=int, default=[100, 10_000, 1_000_000])
    parser.add_argument("--count", type=int, default=120_000, help="transactions a round")
    parser.add_argument(
        "--stored", nargs="*", type=int, default=[0, 1_000_000], help="transactions in the database, ascending"
    )
    given = parser.parse_args()
    asyncio.run(run(given.kafka, given.users, given.count, given.stored))
