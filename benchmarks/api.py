"""What the HTTP API costs: the pipeline's throughput beside readers of the live stream, a stream, a page of history.

Rounds with and without readers alternate, so that a noisy machine disturbs both. The readers are a process of their
own, as browsers are; each counts every row that it is told or told to have missed.
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
from _pipeline import pipeline_of
from _snapshot import snapshot_of
from rich.console import Console
from rich.table import Table
from throughput import HISTORY, preload, traffic

from detectors.models import Models
from detectors.policy import USUAL_POLICY
from domain.engine import FeedSlice, Snapshot
from services.access import Access, Address
from services.api.server import ApiServer
from services.brokers.embedded import EmbeddedBroker
from services.console.bus import Bus
from services.models import schedule
from services.process.supervisor import Supervisor
from services.store.database import EmbeddedDatabase
from services.store.store import Store

PAGES = 60


class BusPort:
    """As much of a console port as the stream looks at."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._started_at = datetime.now(UTC)

    def feed(self, after: int, limit: int) -> FeedSlice:
        return self._bus.newest(after, limit)

    def triage_changes(self, after: int, limit: int) -> tuple:
        return ()

    def snapshot(self) -> Snapshot:
        return snapshot_of(self._bus, self._started_at)


def read_streams(port: int, readers: int, count: int, ready, told) -> None:
    """The other process: read `readers` streams until each has heard of `count` rows."""

    async def one() -> tuple[int, int]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        writer.write(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        ready.release()
        rows = missed = 0
        while rows + missed < count:
            size = int(await reader.readuntil(b"\r\n"), 16)
            for event in (await reader.readexactly(size + 2)).split(b"\n\n"):
                if event.startswith(b"event: rows"):
                    rows += event.count(b',"stored_at":')
                elif event.startswith(b"event: missed"):
                    missed += json.loads(event.rpartition(b"data: ")[2])["count"]
        writer.close()
        return rows, missed

    async def every() -> list[tuple[int, int]]:
        return await asyncio.gather(*(one() for _ in range(readers)))

    told.put(asyncio.run(every()))


async def round_of(
    broker: EmbeddedBroker, store: Store, models: Models, topic: str, count: int, readers: int
) -> tuple[float, float, list[tuple[int, int]]]:
    """Seconds and CPU seconds of `count` transactions through the pipeline, and what readers were told and missed."""
    await preload(broker, topic, count)
    bus, supervisor = Bus(), Supervisor()
    api = ApiServer(Access(Address("127.0.0.1", 0)))
    api.reserve()
    api.serve(BusPort(bus), store, bus)
    supervisor.add(api)
    supervisor.add(pipeline_of(broker, store, bus, topic, models))
    spawning = multiprocessing.get_context("spawn")
    ready, told = spawning.Semaphore(0), spawning.Queue()
    child = spawning.Process(target=read_streams, args=(api.address.port, readers, count, ready, told))
    await supervisor.start_worker("api")
    if readers:
        child.start()
        for _ in range(readers):
            await asyncio.to_thread(ready.acquire)
    began, cpu = time.perf_counter(), time.process_time()
    await supervisor.start_worker("pipeline")
    while bus.transactions < count:
        await asyncio.sleep(0.01)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    heard = await asyncio.to_thread(told.get) if readers else []
    if readers:
        await asyncio.to_thread(child.join)
    await supervisor.stop()
    return seconds, cpu, heard


async def page_times(store: Store) -> dict[str, list[float]]:
    """Milliseconds of pages of 50 over all that is stored, asked one after the other."""
    bus = Bus()
    api = ApiServer(Access(Address("127.0.0.1", 0)))
    api.reserve()
    api.serve(BusPort(bus), store, bus)
    supervisor = Supervisor()
    supervisor.add(api)
    await supervisor.start()
    found: dict[str, list[float]] = {}
    async with httpx.AsyncClient(base_url=api.url, timeout=60) as client:
        asked = {
            "transactions": "/api/transactions?",
            "transactions amount>500": "/api/transactions?q=amount>500",
            "anomalies": "/api/anomalies?",
            "anomalies by score": "/api/anomalies?sort=score",
        }
        for name, path in asked.items():
            cursor = ""
            for _ in range(PAGES):
                began = time.perf_counter()
                page = (await client.get(f"{path}&limit=50{cursor}")).raise_for_status().json()
                found.setdefault(name, []).append((time.perf_counter() - began) * 1000)
                if page["next"] is None:
                    break
                cursor = f"&cursor={page['next']}"
    await supervisor.stop()
    return found


async def run(folder: Path, count: int, readers: int, rounds: int) -> None:
    """Alternate rounds without and with readers, page through what they stored, and print one table."""
    database, broker = EmbeddedDatabase(folder), EmbeddedBroker()
    await asyncio.gather(database.start(lambda line: None), broker.start(lambda line: None))
    models = schedule.fit([transaction for transaction, _ in traffic(HISTORY, day=0)], HISTORY, "both", USUAL_POLICY)
    store = await Store.open(database.dsn)
    rates: dict[int, list[float]] = {0: [], readers: []}
    cpus: dict[int, list[float]] = {0: [], readers: []}
    told: list[tuple[int, int]] = []
    for number in range(rounds):
        for many in (0, readers) if number % 2 else (readers, 0):
            topic = f"bench-{many}-{number}"
            await broker.ensure_topic(topic, 4)
            seconds, cpu, heard = await round_of(broker, store, models, topic, count, many)
            rates[many].append(count / seconds)
            cpus[many].append(cpu)
            told += heard
    stored, pages = await store.count(), await page_times(store)
    await store.close()
    await broker.stop()
    await database.stop()

    without, beside = statistics.median(rates[0]), statistics.median(rates[readers])
    ratio = statistics.median(b / a for a, b in zip(rates[0], rates[readers], strict=True))
    alone, shared = statistics.median(cpus[0]), statistics.median(cpus[readers])
    rows = sum(each for each, _ in told)
    table = Table(title=f"HTTP API: {rounds} rounds of {count:,} transactions, {readers} readers of the whole stream")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_row("transactions/s without readers (median)", f"{without:,.0f}")
    table.add_row(f"transactions/s beside {readers} readers (median)", f"{beside:,.0f}")
    table.add_row("ratio of a round with readers to the one without (median)", f"{ratio:.3f}")
    table.add_row("CPU seconds of the engine for 100,000, without readers", f"{alone / count * 1e5:.1f}")
    table.add_row(f"CPU seconds of the engine for 100,000, beside {readers}", f"{shared / count * 1e5:.1f}")
    table.add_row("CPU of the engine for one reader, of a core", f"{(shared - alone) * beside / count / readers:.2%}")
    table.add_row("rows told", f"{rows:,}")
    table.add_row("rows counted as missed", f"{sum(each for _, each in told):,}")
    table.add_row("readers that heard of every row", f"{sum(sum(each) == count for each in told)} of {len(told)}")
    for name, times in pages.items():
        spread = f"{statistics.median(times):.1f} / {max(times):.1f}"
        table.add_row(f"ms for 50 {name}, of {stored:,} stored (median / highest)", spread)
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=40_000, help="transactions a round")
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="anomaly-tui-bench-", ignore_cleanup_errors=True) as folder:
        asyncio.run(run(Path(folder), arguments.count, arguments.readers, arguments.rounds))
