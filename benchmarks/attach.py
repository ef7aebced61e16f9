"""What attached consoles cost, and clients of the API's stream: bytes, CPU of the engine, and its throughput.

The engine is a child process: embedded broker, pipeline with both detectors, PostgreSQL, and the worker that consoles
attach to. Its models are fitted before, so that no fit falls into a measurement. This process holds the consoles: each
takes what is sent to it four times a second, unpacks and decodes it, and counts the bytes.

Bytes and CPU are measured while rows that the pipeline has scored are published through the engine's own `Bus` at an
even rate: without the pipeline beside it, the little that a console costs is seen apart. Throughput is the
pipeline's, draining a topic: for nobody, for consoles, and for consoles and clients of the live stream that read all
transactions. Rounds alternate, so that a noisy machine disturbs all of them.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from _pipeline import pipeline_of
from _snapshot import snapshot_of
from rich.console import Console
from rich.table import Table
from throughput import HISTORY, preload, traffic

from detectors.policy import USUAL_POLICY
from domain.engine import FeedSlice, LogLine, Snapshot
from domain.filters import EVERYTHING, Filter
from domain.triage import TriageEvent
from domain.verdict import ScoredTransaction
from services.access import Access, Address
from services.api.server import ApiServer
from services.attach.protocol import (
    LENGTH,
    PROTOCOL,
    Hello,
    Inflater,
    Subscribe,
    Update,
    Watch,
    decoder,
    encode,
    frame,
)
from services.attach.server import Attach
from services.brokers.embedded import EmbeddedBroker
from services.console.bus import Bus
from services.models import schedule
from services.pipeline.consumer import Pipeline
from services.process import garbage
from services.process.runtime import RuntimeFolder
from services.process.supervisor import Supervisor
from services.store.batch import StoredRow
from services.store.database import EmbeddedDatabase
from services.store.store import Store
from services.version import VERSION

HZ = 4.0
ROWS = 20
PARTITIONS = 4
POOL = 10_000
BATCHES_A_SECOND = 25


class BenchedEngine:
    """The part of an engine that is measured, as a console port."""

    def __init__(self, bus: Bus, supervisor: Supervisor) -> None:
        self.bus = bus
        self.supervisor = supervisor
        self.pipeline: Pipeline | None = None
        self._started_at = datetime.now(UTC)

    def snapshot(self) -> Snapshot:
        """As the engine tells it."""
        pipeline = self.pipeline
        return snapshot_of(
            self.bus,
            self._started_at,
            lag=pipeline.lag if pipeline else 0,
            writer_queue=pipeline.queued if pipeline else 0,
            workers=self.supervisor.statuses,
            partitions=pipeline.partitions if pipeline else (),
            quality=self.bus.scoreboard.qualities,
        )

    def feed(self, after: int, limit: int) -> FeedSlice:
        """The newest transactions."""
        return self.bus.newest(after, limit)

    def anomalies(self, after: int, limit: int) -> FeedSlice:
        """The newest flagged ones."""
        return self.bus.anomalies.since(after, limit)

    def triage_changes(self, after: int, limit: int) -> tuple[TriageEvent, ...]:
        """Nobody decides."""
        return ()

    def logs(self, limit: int) -> tuple[LogLine, ...]:
        """Nothing is logged."""
        return ()


class Engine:
    """The child process: it obeys lines on its standard input and answers each with a line of JSON."""

    def __init__(self, folder: Path) -> None:
        self._database = EmbeddedDatabase(folder)
        self._broker = EmbeddedBroker()
        self._folder = folder
        self._bus, self._supervisor = Bus(), Supervisor()
        self._port: Any = BenchedEngine(self._bus, self._supervisor)
        self._models = schedule.fit([row for row, _ in traffic(HISTORY, day=0)], HISTORY, "both", USUAL_POLICY)
        self._flowing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Start, and obey until the input ends."""
        await asyncio.gather(self._database.start(lambda line: None), self._broker.start(lambda line: None))
        self._store = await Store.open(self._database.dsn)
        runtime = RuntimeFolder(self._folder, {})
        api = ApiServer(Access(Address("127.0.0.1", 0)))
        api.reserve()
        api.serve(self._port, self._store, self._bus)
        self._supervisor.add(Attach(self._port, runtime))
        self._supervisor.add(api)
        await self._supervisor.start()
        garbage.settle()
        assert api.address is not None
        print(json.dumps({"socket": str(runtime.socket), "api": api.address.port}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            name, topic, amount = line.split()
            answer = await (self._drain if name == "drain" else self._flow)(topic, int(amount))
            print(json.dumps(answer), flush=True)
        await self._supervisor.stop()
        await self._store.close()
        await asyncio.gather(self._broker.stop(), self._database.stop())

    def _pipeline(self, topic: str) -> Pipeline:
        pipeline = pipeline_of(self._broker, self._store, self._bus, topic, self._models)
        self._port.pipeline = pipeline
        self._supervisor.add(pipeline)
        return pipeline

    async def _flow(self, topic: str, rate: int) -> dict[str, float]:
        """Publish rows that were scored before, for ever."""
        rows = self._bus.feed.newest(POOL)
        flagged = sum(row.flagged for row in rows) / len(rows)
        self._flowing = asyncio.create_task(self._publish(rows, rate))
        return {"flagged": flagged}

    async def _publish(self, rows: Sequence[ScoredTransaction], rate: int) -> None:
        began, given = time.monotonic(), 0
        while True:
            due = int((time.monotonic() - began) * rate) - given
            batch = [rows[number % len(rows)] for number in range(given, given + due)]
            self._bus.publish([StoredRow(0, row.transaction, row.verdicts, row.truth) for row in batch], [0.01] * due)
            given += due
            await asyncio.sleep(1 / BATCHES_A_SECOND)

    async def _drain(self, topic: str, count: int) -> dict[str, float]:
        """Put `count` transactions on a topic, and take the time from joining the group to the last commit."""
        if self._flowing is not None:
            self._flowing.cancel()
        await self._broker.ensure_topic(topic, PARTITIONS)
        await preload(self._broker, topic, count)
        self._pipeline(topic)
        target = self._bus.transactions + count
        began, used = time.perf_counter(), time.process_time()
        await self._supervisor.start_worker("pipeline")
        while self._bus.transactions < target:
            await asyncio.sleep(0.01)
        measured = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - used}
        await self._supervisor.stop_worker("pipeline")
        return measured


class AttachedConsole:
    """Reads what is sent to a console of 24 lines, and counts it."""

    def __init__(self, path: str, filter: Filter = EVERYTHING) -> None:
        self._path = path
        self._filter = filter
        self.bytes = self.rows = self.anomalies = self.missed = self.updates = 0

    async def run(self) -> None:
        """Attach, and stay."""
        reader, writer = await asyncio.open_unix_connection(self._path)
        for message in (Hello(PROTOCOL, VERSION), Subscribe(HZ), Watch(self._filter, ROWS)):
            writer.write(frame(encode(message)))
        inflater, understood = Inflater(), decoder(Update)
        welcomed = False
        try:
            while True:
                header = await reader.readexactly(LENGTH.size)
                packed = await reader.readexactly(*LENGTH.unpack(header))
                self.bytes += len(header) + len(packed)
                if not welcomed:
                    welcomed = True
                    continue
                update: Update = understood.decode(inflater.unpack(packed))
                self.updates += 1
                self.rows += len(update.feed.rows)
                self.anomalies += len(update.anomalies.rows) + sum(row.flagged for row in update.feed.rows)
                self.missed += update.feed.missed
        finally:
            writer.close()


@asynccontextmanager
async def attached(path: str, filters: Sequence[Filter]) -> AsyncIterator[list[AttachedConsole]]:
    """Consoles that have had their first rows, which the rings held already."""
    consoles = [AttachedConsole(path, watched) for watched in filters]
    tasks = [asyncio.create_task(console.run()) for console in consoles]
    while any(console.updates < 3 for console in consoles):
        await asyncio.sleep(0.05)
    try:
        yield consoles
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def streaming(port: int, count: int) -> AsyncIterator[None]:
    """Clients of the live stream that read all they get."""

    async def read() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /api/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert b"200" in await reader.readline()
        answering.release()
        while await reader.read(1 << 16):
            pass

    answering = asyncio.Semaphore(0)
    tasks = [asyncio.create_task(read()) for _ in range(count)]
    for _ in tasks:
        await answering.acquire()
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Child:
    """The engine's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def answer(self) -> dict[str, Any]:
        """Its next line."""
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return found

    async def ask(self, *words: object) -> dict[str, Any]:
        """Have it do something."""
        assert self._process.stdin is not None
        self._process.stdin.write((" ".join(map(str, words)) + "\n").encode())
        return await self.answer()

    @property
    def cpu(self) -> float:
        """Seconds of CPU it has used."""
        user, system = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def share(child: Child, seconds: float) -> float:
    """The share of a core that the engine uses in the next seconds."""
    used, began = child.cpu, time.monotonic()
    await asyncio.sleep(seconds)
    return (child.cpu - used) / (time.monotonic() - began)


async def run(rate: int, seconds: float, rounds: int, count: int, consoles: int, streams: int) -> None:
    """Measure, and print one table."""
    with tempfile.TemporaryDirectory(prefix="anomaly-tui-bench-") as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, __file__, "--engine", folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        child = Child(process)
        listening = await child.answer()
        path, api = str(listening["socket"]), int(listening["api"])
        filters = [EVERYTHING] * consoles

        await child.ask("drain", "warm", POOL)
        flagged = (await child.ask("flow", "steady", rate))["flagged"]
        alone: list[float] = []
        together: list[float] = []
        sent: list[float] = []
        counted: list[AttachedConsole] = []
        for _ in range(rounds):
            alone.append(await share(child, seconds))
            async with attached(path, filters) as found:
                for console in found:
                    console.bytes = console.rows = console.anomalies = console.missed = 0
                together.append(await share(child, seconds))
                sent += [console.bytes / seconds for console in found]
                counted += found

        crowds = ((0, 0), (consoles, 0), (consoles, streams))
        drained: dict[tuple[int, int], list[float]] = {crowd: [] for crowd in crowds}
        cpu: dict[tuple[int, int], list[float]] = {crowd: [] for crowd in crowds}
        for number in range(rounds):
            # In turn this way round and that: the broker's memory grows from drain to drain.
            for crowd in crowds if number % 2 else reversed(crowds):
                async with attached(path, filters[: crowd[0]]), streaming(api, crowd[1]):
                    measured = await child.ask("drain", f"drain-{number}-{crowd[0]}-{crowd[1]}", count)
                drained[crowd].append(count / measured["seconds"])
                cpu[crowd].append(measured["cpu"] / count * 1e6)
        process.stdin.close()  # type: ignore[union-attr]
        await process.wait()

    cost = (statistics.median(together) - statistics.median(alone)) / consoles
    title = f"Attached consoles of 80x24 at {HZ:g} Hz, {rate:,} transactions/s, {flagged:.1%} flagged, {rounds} rounds"
    table = Table(title=title)
    for column in ("figure", "measured", "target"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    per = seconds * len(counted)
    table.add_row("socket, KiB/s a console", f"{statistics.median(sent) / 1024:.1f}", "30 at most")
    table.add_row(
        "  rows, anomalies, not sent a second",
        " ".join(
            f"{sum(getattr(console, name) for console in counted) / per:,.0f}"
            for name in ("rows", "anomalies", "missed")
        ),
        "",
    )
    table.add_row("engine, share of a core without", f"{statistics.median(alone):.1%}", "")
    table.add_row("engine, share of a core a console", f"{cost:.2%}", "5 % at most")
    for crowd in crowds:
        found_rates = drained[crowd]
        name = f"transactions/s, {crowd[0]} consoles, {crowd[1]} streams"
        table.add_row(name, f"{statistics.median(found_rates):,.0f}", "")
        table.add_row("  lowest and highest round", f"{min(found_rates):,.0f} {max(found_rates):,.0f}", "")
        if crowd != crowds[0]:
            ratios = [found / alone for found, alone in zip(found_rates, drained[crowds[0]], strict=True)]
            table.add_row("  median of the rounds' ratios", f"{statistics.median(ratios):.3f}", ".95 at least")
        table.add_row("  CPU of the engine, us a transaction", f"{statistics.median(cpu[crowd]):.0f}", "")
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=2_000, help="transactions a second")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--count", type=int, default=20_000, help="transactions of a round of throughput")
    parser.add_argument("--consoles", type=int, default=5)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--engine", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.engine:
        asyncio.run(Engine(given.engine).run())
    else:
        asyncio.run(run(given.rate, given.seconds, given.rounds, given.count, given.consoles, given.streams))
