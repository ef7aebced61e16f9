"""The command as a user types it, and something to give it."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from services.records import wire
from simulator import Simulator
from tests.waiting import wait_until

COMMAND = str(Path(sys.executable).with_name("anomaly-tui"))
Run = Callable[..., subprocess.CompletedProcess[str]]


def simulated_file(path: Path, count: int) -> Path:
    """A JSONL file of simulated transactions."""
    start = datetime(2026, 3, 2, tzinfo=UTC)
    stream = Simulator(users=30, anomaly_rate=0.05, seed=11, start=start, rate=0.1).stream()
    path.write_bytes(b"\n".join(wire.encode(transaction) for transaction, _ in islice(stream, count)))
    return path


def wait_until_started(log: Path, within: float = 60.0) -> None:
    """Wait until an engine that logs to this file has started; a command that asks it costs more than looking there."""
    wait_until(lambda: log.exists() and "engine started" in log.read_text(), f"an engine that says so in {log}", within)


def stats(run: Run) -> dict:
    """What `stats` says."""
    shown = run("stats", "--json")
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)
