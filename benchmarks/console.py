"""What the console costs: CPU, key to paint, bytes to the terminal, and its rows beside a DataTable's.

Each figure comes from the console in a child process on a real pseudo-terminal of 80x24, which this process
reads as a terminal would. The engine is a fake one that publishes simulated transactions through the engine's own
`Bus`. It works on the console's event loop, as an engine in the same process does, but the CPU time that
publishing takes is measured by itself (`thread_time` around each batch) and taken from the process's, so that the
UI's share is everything else: pulling, filtering, drawing, writing, collecting garbage. The DataTable gets the same
transactions from the same bus, pulls as often, and adds a table row for each.
"""

import argparse
import asyncio
import mmap
import os
import random
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import msgspec
import psutil
from _snapshot import snapshot_of
from _terminal import Terminal, on_a_terminal
from rich.console import Console
from rich.table import Table
from textual.app import App, ComposeResult
from textual.widgets import DataTable

from domain.engine import DeadLetter, FeedSlice, LogLine, Snapshot, WorkerStatus
from domain.profile import ProfileView
from domain.triage import TriageEvent
from domain.verdict import Reason, ScoredTransaction, Severity, Verdict
from services.console.bus import Bus
from services.store.batch import StoredRow
from simulator import Simulator
from tui.app import ConsoleApp

WIDTH, HEIGHT = 80, 24
POOL = 10_000
BATCHES_A_SECOND = 25
STARTUP_WITHIN = 30.0
_COUNTS = struct.Struct("dqq")


class Counts(NamedTuple):
    """What a child tells of itself: seconds of CPU spent publishing, rows published, rows taken over."""

    engine_seconds: float
    published: int
    taken: int


def pool(count: int) -> list[StoredRow]:
    """Simulated transactions with verdicts of the usual shape; what the simulator made anomalous is flagged."""
    start = datetime.now(UTC)
    stream = Simulator(users=1000, anomaly_rate=0.02, seed=7, start=start, rate=5000).stream()
    found = []
    for number, (transaction, truth) in enumerate(islice(stream, count)):
        anomalous = truth is not None and truth.anomalous
        score = 0.93 if anomalous else 0.03 * (number % 9)
        reasons = (
            Reason("amount_ratio", "amount", score * 0.7, "980.00", "41.00", "980.00 EUR, 24 times the usual 41.00"),
            Reason("country", "location", score * 0.3, "MT", "FR", "Malta, never seen; usually France"),
        )
        verdicts = tuple(
            Verdict(
                detector=name,
                score=score,
                threshold=0.72,
                flagged=anomalous,
                severity=Severity.of(score),
                model_version="v1",
                reasons=reasons,
            )
            for name in ("basic", "enhanced")
        )
        found.append(StoredRow(number, transaction, verdicts, truth))
    return found


class FakeEngine:
    """A console port onto a bus that is fed at `rate` transactions a second; 0 is a bus at rest."""

    def __init__(self, rate: int, report: mmap.mmap) -> None:
        self.bus = Bus()
        self.taken = 0
        self._rate = rate
        self._report = report
        self._rows = pool(POOL)
        self._started_at = datetime.now(UTC)
        self._engine_seconds = 0.0
        self._publish(500)

    async def work(self) -> None:
        """Publish in even batches, catching up after a pause as a consumer of Kafka would."""
        began, given = time.monotonic(), 0
        while self._rate:
            due = int((time.monotonic() - began) * self._rate) - given
            self._publish(min(due, self._rate))
            given += due
            await asyncio.sleep(1 / BATCHES_A_SECOND)

    def _publish(self, count: int) -> None:
        began = time.thread_time()
        now, start = datetime.now(UTC), self.bus.transactions
        batch = [
            row._replace(transaction=msgspec.structs.replace(row.transaction, timestamp=now))
            for row in (self._rows[(start + number) % POOL] for number in range(count))
        ]
        self.bus.publish(batch, [0.02 + number * 1e-5 for number in range(count)])
        self._engine_seconds += time.thread_time() - began
        self._report[: _COUNTS.size] = _COUNTS.pack(self._engine_seconds, self.bus.transactions, self.taken)

    def snapshot(self) -> Snapshot:
        """The state of the bus, as the engine tells it."""
        names = ("database", "broker", "models", "pipeline", "producer")
        running = tuple(WorkerStatus(name=name, state="running", since=self._started_at) for name in names)
        return snapshot_of(self.bus, self._started_at, workers=running)

    def trouble(self) -> str:
        """None."""
        return ""

    def watch(self, filter: Any, rows: int) -> None:
        """Every row can be had."""

    def feed(self, after: int, limit: int) -> FeedSlice:
        """The newest transactions."""
        found = self.bus.newest(after, limit)
        self.taken += len(found.rows)
        return found

    def anomalies(self, after: int, limit: int) -> FeedSlice:
        """The newest flagged ones."""
        return self.bus.anomalies.since(after, limit)

    def triage_changes(self, after: int, limit: int) -> tuple[TriageEvent, ...]:
        """None."""
        return ()

    def logs(self, limit: int) -> tuple[LogLine, ...]:
        """None."""
        return ()

    async def profile(self, user_id: str) -> ProfileView | None:
        """None."""
        return None

    async def history(self, filter: Any, limit: int) -> tuple[ScoredTransaction, ...]:
        """None."""
        return ()

    async def dead_letters(self, limit: int) -> tuple[DeadLetter, ...]:
        """None."""
        return ()

    async def control(self, worker: str, action: str) -> None:
        """Nothing to control."""

    async def quit(self) -> None:
        """Nothing to stop."""


class TableFeed(App[None]):
    """The feed as a DataTable: what one would write first."""

    BINDINGS: ClassVar = [("q", "quit", "quit")]

    def __init__(self, engine: FakeEngine) -> None:
        super().__init__()
        self._engine = engine
        self._after = 0

    def compose(self) -> ComposeResult:
        """One table."""
        yield DataTable[str]()

    def on_mount(self) -> None:
        """Pull four times a second, as the console does."""
        self.query_one(DataTable).add_columns("time", "user", "amount", "cur", "merchant", "cc", "score", "why")
        self.set_interval(0.25, self._pull)

    def _pull(self) -> None:
        table = self.query_one(DataTable)
        for row in self._engine.feed(self._after, 5_000).rows:
            transaction, verdict = row.transaction, row.verdicts[1]
            table.add_row(
                f"{transaction.timestamp:%H:%M:%S.%f}",
                transaction.user_id,
                f"{transaction.amount:,.2f}",
                transaction.currency,
                transaction.merchant.name or "",
                transaction.location.country or "",
                f"{verdict.score:.2f}",
                verdict.reasons[0].text if verdict.flagged else "",
            )
            self._after = row.sequence
        table.move_cursor(row=table.row_count - 1, animate=False)


def show(kind: str, rate: int, report: Path) -> None:
    """The child process: the console, or the table, over a fake engine."""
    with report.open("r+b") as file, mmap.mmap(file.fileno(), _COUNTS.size) as shared:
        engine = FakeEngine(rate, shared)

        async def both() -> None:
            app: App[Any] = TableFeed(engine) if kind == "table" else ConsoleApp(engine, refresh_hz=4.0, theme="dark")
            working = asyncio.create_task(engine.work())
            await app.run_async()
            working.cancel()

        asyncio.run(both())


@dataclass
class Child:
    """A running child: its terminal, and what it used so far."""

    process: psutil.Popen
    terminal: Terminal
    report: Path

    def counts(self) -> Counts:
        """What it said last."""
        return Counts(*_COUNTS.unpack(self.report.read_bytes()))

    def cpu(self) -> float:
        """CPU seconds of all its threads."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def child(kind: str, rate: int) -> Iterator[Child]:
    """A child on a pseudo-terminal of its own, drawn once."""
    with tempfile.TemporaryDirectory(prefix="anomaly-tui-bench-") as folder:
        report = Path(folder) / "counts"
        report.write_bytes(bytes(_COUNTS.size))
        kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
        command = [sys.executable, __file__, "--child", kind, "--rate", str(rate), "--report", str(report)]
        process, master = on_a_terminal(command, {**kept, "COLORTERM": "truecolor"}, WIDTH, HEIGHT)
        try:
            terminal = Terminal(master)
            terminal.wait(b"merchant", STARTUP_WITHIN)
            yield Child(process, terminal, report)
        finally:
            process.kill()
            process.wait()
            os.close(master)


@dataclass
class Usage:
    """What a stretch of time cost."""

    seconds: float
    ui_seconds: float
    engine_seconds: float
    written: int
    published: int
    taken: int


def usage(child: Child, seconds: float) -> Usage:
    """Watch for `seconds`, after a second in which it settles."""
    child.terminal.listen(1.0)
    cpu, counts, began = child.cpu(), child.counts(), time.monotonic()
    written = child.terminal.listen(seconds)
    later = child.counts()
    engine = later.engine_seconds - counts.engine_seconds
    return Usage(
        seconds=time.monotonic() - began,
        ui_seconds=child.cpu() - cpu - engine,
        engine_seconds=engine,
        written=written,
        published=later.published - counts.published,
        taken=later.taken - counts.taken,
    )


PRESSED = (
    (b" ", "FROZEN"),
    (b" ", "LIVE"),
    (b"k", "▌"),
    (b"f", "▼follow"),
    (b"?", "Esc closes"),
    (b"q", "Feed"),
)
"""Keys, and what shows that each was obeyed."""


def key_to_paint(child: Child, seconds: float) -> list[float]:
    """Latencies of keys pressed at odd moments, in seconds."""
    chance = random.Random(1)
    found: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for key, shown in PRESSED:
            child.terminal.listen(chance.uniform(0.02, 0.3))
            found.append(child.terminal.press(key, shown.encode()))
    return found


def run(rate: int, seconds: float) -> None:
    """Measure and print one table; a target that was missed is red and marked."""
    with child("feed", rate) as busy:
        fed = usage(busy, seconds)
        latencies = key_to_paint(busy, seconds)
    with child("feed", 0) as resting:
        idle = usage(resting, seconds)
    with child("table", rate) as simple:
        table = usage(simple, seconds)
    p95 = statistics.quantiles(latencies, n=20)[-1]
    ours, theirs = fed.ui_seconds / fed.taken, table.ui_seconds / max(1, table.taken)
    figures = (
        ("UI CPU at 4 Hz, of a core", fed.ui_seconds / fed.seconds * 100, "%", 10.0),
        ("key to paint, p95", p95 * 1000, "ms", 100.0),
        ("bytes a second to the terminal", fed.written / fed.seconds / 1024, "KiB/s", 30.0),
        ("UI CPU at rest, of a core", idle.ui_seconds / idle.seconds * 100, "%", 1.0),
    )
    shown = Table(title=f"Console at {WIDTH}x{HEIGHT}, {fed.published / fed.seconds:,.0f} transactions/s, 4 Hz")
    for column in ("figure", "measured", "target"):
        shown.add_column(column, justify="left" if column == "figure" else "right")
    for name, value, unit, target in figures:
        met = value <= target
        shown.add_row(
            name, f"{value:.1f} {unit}", f"{'' if met else '✗ '}<= {target:g} {unit}", style="" if met else "red"
        )
    shown.add_row("key to paint, median", f"{statistics.median(latencies) * 1000:.1f} ms", "")
    shown.add_row("the fake engine's own CPU, left out above", f"{fed.engine_seconds / fed.seconds * 100:.1f} %", "")
    shown.add_row("UI CPU a row, all in", f"{ours * 1e6:.0f} us", "")
    shown.add_row(f"UI CPU a row of a DataTable ({table.taken / table.seconds:,.0f}/s)", f"{theirs * 1e6:.0f} us", "")
    shown.add_row("DataTable to console, a row", f"{theirs / ours:.1f} times", "")
    Console().print(shown)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=5_000, help="transactions a second")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long each figure is measured")
    parser.add_argument("--child", choices=("feed", "table"), help=argparse.SUPPRESS)
    parser.add_argument("--report", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        show(arguments.child, arguments.rate, arguments.report)
    else:
        run(arguments.rate, arguments.seconds)
