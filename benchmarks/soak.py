"""Whether anything grows: memory and descriptors of a daemon that keeps a rate for an hour, and of what reads from it.

A daemon with its own PostgreSQL and its own Apache Kafka, the simulator as a process beside it, a console attached on a
pseudo-terminal, two clients of the live stream, and scrapes of the API every 15 s: each the command or the call of a
user. A line every 30 s goes to a CSV, the figures of every quarter to build/bench/soak.json. At the end `reconcile`
looks up every offset, and says whether all are accounted for.

    python benchmarks/soak.py --minutes 60 --csv soak.csv
"""

import argparse
import csv
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
from _results import keep
from _terminal import on_a_terminal
from rich.console import Console

COMMAND = str(Path(sys.executable).with_name("anomaly-tui"))
ADDRESS = "127.0.0.1:18794"
WIDTH, HEIGHT = 120, 40
SCRAPED = ("metrics", "api/health", "api/stats", "api/transactions", "api/anomalies", "api/users")
SCRAPE_EVERY, SAMPLE_EVERY = 15.0, 30.0
STREAMS = 2
STARTED_WITHIN = 180.0
QUARTERS = 4
PROGRAMS = {"engine": "the engine", "console": "the console", "postgresql": "PostgreSQL", "kafka": "Kafka"}
FIGURES = {
    "rate": "tx/s",
    "lag": "lag, records",
    "p95_ms": "p95, ms",
    "stored": "stored",
    **{f"{name}_mib": f"{label}, MiB" for name, label in PROGRAMS.items()},
    **{f"{name}_fds": f"{label}, descriptors" for name, label in PROGRAMS.items()},
    "backends": "processes of PostgreSQL",
}
MIB = 1024 * 1024


@contextmanager
def running(folder: Path, name: str, *arguments: str, terminal: bool = False) -> Iterator[psutil.Popen]:
    """The command with these arguments, in the background; on a terminal that is read, or with its words in a log."""
    command = (COMMAND, *arguments)
    if terminal:
        process, master = on_a_terminal(command, os.environ, WIDTH, HEIGHT)
        threading.Thread(target=_read_all, args=(master,), daemon=True).start()
    else:
        with (folder / f"{name}.log").open("ab") as log:
            process = psutil.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait()


def _read_all(master: int) -> None:
    with suppress(OSError):
        while os.read(master, 1 << 16):
            pass


class Streams:
    """Clients of the live stream: each reads all that it gets, and asks again when it is cut off."""

    def __init__(self, ended: threading.Event) -> None:
        self.bytes = self.cuts = 0
        self._ended = ended

    def start(self) -> None:
        """In threads of their own."""
        for _ in range(STREAMS):
            threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while not self._ended.is_set():
            with (
                suppress(httpx.HTTPError),
                httpx.stream("GET", f"http://{ADDRESS}/api/stream", timeout=30) as answer,
            ):
                for piece in answer.iter_bytes():
                    self.bytes += len(piece)
            self.cuts += 1
            self._ended.wait(1)


class Scrapes:
    """What a dashboard asks for, again and again; `snapshot` is the newest answer."""

    def __init__(self, ended: threading.Event) -> None:
        self.refused = 0
        self.snapshot: dict[str, Any] = {}
        self._ended = ended

    def start(self) -> None:
        """In a thread of its own."""
        threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        with httpx.Client(base_url=f"http://{ADDRESS}", timeout=30) as client:
            while not self._ended.wait(SCRAPE_EVERY):
                for path in SCRAPED:
                    try:
                        answer = client.get(f"/{path}").raise_for_status()
                    except httpx.HTTPError:
                        self.refused += 1
                        continue
                    if path == "api/stats":
                        self.snapshot = answer.json()["snapshot"]


def processes(folder: Path, engine: psutil.Process, console: psutil.Process) -> dict[str, list[psutil.Process]]:
    """Those that are measured, by what they are."""
    postmaster = psutil.Process(int((folder / "postgresql" / "postmaster.pid").read_text().split()[0]))
    kafka = [child for child in engine.children(recursive=True) if "java" in child.name()]
    return {
        "engine": [engine],
        "console": [console],
        "postgresql": [postmaster, *postmaster.children()],
        "kafka": kafka,
    }


def measured(found: Sequence[psutil.Process]) -> tuple[float, int]:
    """MiB of memory and open descriptors of them together. Memory that they share counts once."""
    memory = descriptors = 0
    for process in found:
        with suppress(psutil.NoSuchProcess):
            memory += process.memory_full_info().pss if len(found) > 1 else process.memory_info().rss
            descriptors += process.num_fds()
    return memory / MIB, descriptors


def sample(
    began: float, folder: Path, engine: psutil.Process, console: psutil.Process, scrapes: Scrapes
) -> dict[str, Any]:
    """One line of the CSV."""
    told = scrapes.snapshot
    line: dict[str, Any] = {
        "minute": round((time.monotonic() - began) / 60, 2),
        "rate": round(told["rate"]),
        "lag": told["lag"],
        "p95_ms": round(told["latency_p95"] * 1000, 1),
        "stored": told["transactions"],
    }
    found = processes(folder, engine, console)
    for name, group in found.items():
        memory, descriptors = measured(group)
        line |= {f"{name}_mib": round(memory, 1), f"{name}_fds": descriptors}
    return line | {"backends": len(found["postgresql"]), "refused": scrapes.refused}


def slope(lines: Sequence[dict[str, Any]], column: str) -> float:
    """By how much a column grows in an hour, over the second half, when caches are as full as they get."""
    later = lines[len(lines) // 2 :]
    fitted = statistics.linear_regression([line["minute"] for line in later], [line[column] for line in later])
    return fitted.slope * 60


def quarters(lines: Sequence[dict[str, Any]], minutes: float) -> dict[str, dict[str, Any]]:
    """A row for each figure: at the start, at each quarter, and its growth in an hour."""
    moments = {"start": lines[0]}
    for number in range(1, QUARTERS + 1):
        due = minutes * number / QUARTERS
        moments[f"{due:g} min"] = min(lines, key=lambda line: abs(line["minute"] - due))
    return {
        label: {moment: line[column] for moment, line in moments.items()}
        | ({"growth an hour": round(slope(lines, column), 2)} if column.endswith(("_mib", "_fds")) else {})
        for column, label in FIGURES.items()
    }


def until(condition: Any, what: str) -> None:
    """Wait for it. Ends the program with `what` after three minutes."""
    deadline = time.monotonic() + STARTED_WITHIN
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} within {STARTED_WITHIN:g} s")
        time.sleep(0.2)


def answers() -> bool:
    """Whether the API does."""
    with suppress(httpx.HTTPError):
        return httpx.get(f"http://{ADDRESS}/api/health", timeout=2).json()["status"] == "ok"
    return False


def run(minutes: float, rate: int, users: int, file: Path) -> None:
    """The whole hour."""
    ended = threading.Event()
    with tempfile.TemporaryDirectory(prefix="anomaly-tui-soak-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        data = ("--data-dir", str(folder))
        daemon = ("--daemon", *data, "--kafka", "local", "--no-simulate", "--api", ADDRESS)
        engine = stack.enter_context(running(folder, "daemon", *daemon))
        until(answers, "the daemon did not answer")
        simulator = ("produce", *data, "--rate", str(rate), "--users", str(users))
        with running(folder, "produce", *simulator), file.open("w", newline="") as opened:
            console = stack.enter_context(running(folder, "attach", "attach", *data, terminal=True))
            scrapes, streams = Scrapes(ended), Streams(ended)
            stack.callback(ended.set)
            scrapes.start()
            streams.start()
            until(lambda: scrapes.snapshot.get("rate"), "nothing was stored")
            began, lines, writer = time.monotonic(), [], None
            while True:
                lines.append(sample(began, folder, engine, console, scrapes))
                writer = writer or csv.DictWriter(opened, lines[0])
                if len(lines) == 1:
                    writer.writeheader()
                writer.writerow(lines[-1])
                opened.flush()
                due = began + len(lines) * SAMPLE_EVERY
                if due > began + minutes * 60 + 1:
                    break
                time.sleep(max(0.0, due - time.monotonic()))
        reconcile = (COMMAND, "reconcile", *data, "--kafka", "local")
        account = subprocess.run(reconcile, capture_output=True, text=True, check=False)
        log = (folder / "daemon.log").read_text(encoding="utf-8")
    terminal = Console()
    terminal.print(*(line for line in log.splitlines() if "warning" in line or "error" in line), sep="\n", markup=False)
    terminal.print(account.stdout + account.stderr, markup=False)
    terminal.print(
        f"streams: {streams.bytes / MIB:,.0f} MiB read, {streams.cuts} cut; {scrapes.refused} scrapes refused"
    )
    terminal.print(f"Kept in {keep('soak', quarters(lines, minutes))} and {file}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=2_000, help="transactions a second")
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--csv", type=Path, default=Path("soak.csv"))
    given = parser.parse_args()
    run(given.minutes, given.rate, given.users, given.csv)
