"""Seconds from the command to the first transaction that is scored, cold and warm.

Cold is a data directory that does not exist, warm one that an engine has used before. A daemon with the simulator, the
embedded broker and the embedded PostgreSQL is started and asked through its API until it shows one. Figures go to
build/bench/start.json too.

    python benchmarks/start.py --rounds 3
"""

import argparse
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from _results import keep, machine
from rich.console import Console
from rich.progress import track
from rich.table import Table

ADDRESS = "127.0.0.1:18793"
COMMAND = str(Path(sys.executable).with_name("anomaly-tui"))
PATIENCE = 120.0
"""Seconds after which a start counts as failed."""


def scored(address: str) -> bool:
    """Whether the newest transaction has a verdict of a fitted model."""
    try:
        page = httpx.get(f"http://{address}/api/transactions", params={"limit": 1}, timeout=2).json()
    except (httpx.HTTPError, ValueError):
        return False
    return any(verdict["status"] == "ok" for row in page.get("rows", ()) for verdict in row["verdicts"])


def start(folder: Path) -> float:
    """Seconds until the first scored transaction of a new daemon on `folder`. It is stopped again."""
    command = (COMMAND, "--daemon", "--data-dir", str(folder), "--api", ADDRESS)
    with (folder.parent / "daemon.log").open("ab") as log:
        began = time.perf_counter()
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            while not scored(ADDRESS):
                if time.perf_counter() - began > PATIENCE or daemon.poll() is not None:
                    raise SystemExit(f"The daemon showed nothing scored, see {log.name}")
                time.sleep(0.02)
            return time.perf_counter() - began
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(60)


def help_text() -> float:
    """Seconds of `anomaly-tui --help`."""
    began = time.perf_counter()
    subprocess.run([COMMAND, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def run(rounds: int) -> None:
    """A cold and a warm start a round; print one table and keep the figures."""
    found: dict[str, list[float]] = {"cold": [], "warm": [], "--help": []}
    with tempfile.TemporaryDirectory(prefix="anomaly-tui-bench-", ignore_cleanup_errors=True) as folder:
        for number in track(range(rounds), description="rounds", transient=True):
            data = Path(folder) / f"data-{number}"
            data.mkdir()
            found["cold"].append(start(data))
            found["warm"].append(start(data))
            found["--help"].append(help_text())
            shutil.rmtree(data, ignore_errors=True)
    table = Table(title=f"To the first scored transaction, s, {machine()['cores']} cores")
    for column in ("start", "median", "each round"):
        table.add_column(column)
    for name, seconds in found.items():
        table.add_row(name, f"{statistics.median(seconds):.2f}", " ".join(f"{each:.2f}" for each in seconds))
    Console().print(table)
    Console().print(f"Kept in {keep('start', {name: statistics.median(each) for name, each in found.items()})}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    run(parser.parse_args().rounds)
