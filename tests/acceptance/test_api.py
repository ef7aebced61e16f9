"""The API of a daemon as a real process."""

import signal
import socket
import subprocess
from pathlib import Path

import httpx

from services.process.lock import EngineLock
from tests.acceptance.session import COMMAND, Run
from tests.waiting import wait_until

DEADLINE = 60


def address(data_dir: Path) -> str:
    """Where the engine of this data directory answers, as it tells others."""
    lock = EngineLock(data_dir)
    wait_until(lambda: "api" in lock.holder(), "an engine that tells of its API", DEADLINE)
    return str(lock.holder()["api"])


def test_a_daemon_tells_its_address_streams_and_ends_with_a_stream_open(
    environment: dict[str, str], tmp_path: Path
) -> None:
    command = [COMMAND, "--daemon", "--api", "127.0.0.1:0", "--rate", "50"]
    daemon = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE)
    try:
        url = address(tmp_path / "data")
        with httpx.Client(base_url=url, timeout=DEADLINE) as client, client.stream("GET", "/api/stream") as stream:
            lines = stream.iter_lines()
            while not next(lines).startswith("event: rows"):
                pass
            daemon.send_signal(signal.SIGTERM)
            for _ in lines:
                pass
        assert daemon.wait(DEADLINE) == 0
    finally:
        daemon.kill()
        _, said = daemon.communicate()
    assert b"Traceback" not in said
    assert b" error " not in said


def test_an_address_that_is_taken_is_one_line_before_anything_is_started(run: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = "{}:{}".format(*taken.getsockname())
        ended = run("--daemon", "--api", where)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(f"anomaly-tui: The HTTP API cannot listen on {where}")
    assert not (tmp_path / "data" / "postgresql").exists()
