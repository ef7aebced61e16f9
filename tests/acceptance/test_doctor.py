"""`anomaly-tui doctor`, as a user types it."""

import signal
import subprocess
from pathlib import Path

from services.process.lock import EngineLock
from tests.acceptance.session import COMMAND, Run, wait_until_started


def test_beside_an_engine_it_looks_at_that_ones_servers_and_starts_none(
    environment: dict[str, str], run: Run, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    command = [COMMAND, "--daemon", "--rate", "20", "--users", "20", "--api", "127.0.0.1:0"]
    with (tmp_path / "said").open("wb") as said:
        daemon = subprocess.Popen(command, env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL, stderr=said)
    try:
        wait_until_started(tmp_path / "said", 120)
        engine = EngineLock(data_dir).holder()
        # Without the URL, a server of its own would be made here.
        shown = run("doctor", DATABASE_URL="", COLUMNS="200")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(30) == 0
    finally:
        daemon.kill()
        daemon.wait()
    assert shown.returncode == 0, shown.stdout + shown.stderr
    told = {line.split("  ")[1].strip(): line.rstrip() for line in shown.stdout.splitlines()[1:] if "  " in line}
    assert f"process {daemon.pid}" in told["engine"]
    assert "the engine's" in told["PostgreSQL"]
    assert engine["bootstrap"] in told["Kafka"]
    assert told[f"port {engine['api'].rpartition(':')[2]}"].endswith("the running engine's")
    assert not (data_dir / "postgresql").exists()


def test_an_engine_that_starts_is_said_to_start(run: Run, tmp_path: Path) -> None:
    lock = EngineLock(tmp_path / "data")
    lock.acquire()
    try:
        shown = run("doctor", COLUMNS="200")
    finally:
        lock.release()
    assert shown.returncode == 0, shown.stdout
    assert "which is starting" in shown.stdout
    assert "embedded broker" not in shown.stdout
