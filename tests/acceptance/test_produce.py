"""The simulator alone, beside an engine that runs without one."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.session import COMMAND, Run, stats, wait_until_started
from tests.waiting import wait_until


@contextmanager
def running(environment: dict[str, str], log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as lines:
        process = subprocess.Popen(
            [COMMAND, *arguments], env=environment, cwd=log.parent, stdin=subprocess.DEVNULL, stderr=lines
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_what_it_says_at_its_end_to_have_produced_is_what_is_stored(
    environment: dict[str, str], run: Run, tmp_path: Path
) -> None:
    with running(environment, tmp_path / "daemon.log", "--daemon", "--no-simulate"):
        wait_until_started(tmp_path / "daemon.log")
        wait_until(lambda: run("status").returncode == 0, "a daemon that is well")
        log = tmp_path / "produce.log"
        with running(environment, log, "produce", "--rate", "200") as producer:
            wait_until(lambda: stats(run)["transactions"] >= 100, "what it produces")
            producer.terminate()
            assert producer.wait(60) == 0, log.read_text()
        said = re.search(r"stopped\s+produced=(\d+) topic=transactions", log.read_text())
        assert said is not None, log.read_text()
        wait_until(lambda: stats(run)["transactions"] == int(said[1]), f"{said[1]} stored transactions")
