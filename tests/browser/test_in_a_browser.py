"""The web pages in a real browser, before a real engine: Playwright's tests, run by the one gate."""

import asyncio
import contextlib
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest

from domain.transaction import Transaction
from services.frontend.build import built, sources
from services.frontend.node import find_node
from services.records import wire
from tests.acceptance.session import COMMAND
from tests.integration.frontend.site import gone
from tests.simulating import awake
from tests.waiting import wait_until

BURST = 3_000
FRONTEND = Path(__file__).parents[2] / "frontend"
PLAYWRIGHT = FRONTEND / "node_modules" / "@playwright" / "test" / "cli.js"


def write(path: Path, transactions: list[Transaction]) -> Path:
    path.write_bytes(b"\n".join(map(wire.encode, transactions)))
    return path


def stored(count: int) -> list[Transaction]:
    """What was stored in the hours before."""
    start = datetime.now(UTC) - timedelta(hours=3)
    stream = awake(start, users=100, anomaly_rate=0.05, seed=7, rate=count / 10_800)
    return [transaction for transaction, _ in islice(stream, count)]


def burst(count: int) -> list[Transaction]:
    """A thousand a second, of users that nobody else is."""
    start = datetime.now(UTC)
    return [
        msgspec.structs.replace(
            transaction,
            transaction_id=f"burst-{number}",
            user_id=f"burst-{number % 50}",
            timestamp=start + timedelta(milliseconds=number),
        )
        for number, transaction in enumerate(stored(count))
    ]


@pytest.mark.timeout(900)
def test_the_pages_in_a_browser(tmp_path: Path, database_url: str, cache_dir: Path) -> None:
    node = find_node()
    asyncio.run(built(sources(), node, cache_dir, lambda line: None))
    environment = {
        **node.environment,
        "HOME": str(tmp_path),
        "DATABASE_URL": database_url,
        "ANOMALY_TUI_DATA_DIR": str(tmp_path / "data"),
        "ANOMALY_TUI_CACHE_DIR": str(cache_dir),
        "BROWSER_COMMAND": COMMAND,
        "BROWSER_RATE": "20",
        "BROWSER_BURST": str(write(tmp_path / "burst.jsonl", burst(BURST))),
        "BROWSER_OUTPUT": str(tmp_path / "output"),
    }
    history = write(tmp_path / "stored.jsonl", stored(2_500))
    subprocess.run([COMMAND, "replay", history], env=environment, cwd=tmp_path, check=True, timeout=120)
    tested = subprocess.run(
        [node.executable, PLAYWRIGHT, "test"],
        env=environment,
        cwd=FRONTEND,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=780,
    )
    print(tested.stdout)
    assert tested.returncode == 0, tested.stdout


def test_the_pages_end_with_whoever_started_them_even_by_kill(tmp_path: Path, cache_dir: Path) -> None:
    """Also with a stream open, which keeps a server of Node.js from ending by itself."""
    asyncio.run(built(sources(), find_node(), cache_dir, lambda line: None))
    folders = {"HOME": str(tmp_path), "ANOMALY_TUI_CACHE_DIR": str(cache_dir)}
    with engine_that_streams() as api:
        starter = subprocess.Popen(
            [COMMAND, "run-frontend", "--no-browser", "--port", "0", "--api-url", api, "--data-dir", tmp_path / "data"],
            env={**os.environ, **folders},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert starter.stdout is not None
        url = re.search(r"http://localhost:\d+", starter.stdout.readline())
        assert url is not None
        (server,) = psutil.Process(starter.pid).children()
        with httpx.stream("GET", f"{url[0]}/api/stream", trust_env=False) as stream:
            assert stream.status_code == 200
            starter.kill()
            starter.wait()
            wait_until(lambda: gone(server.pid), "the end of the server")


@contextlib.contextmanager
def engine_that_streams() -> Iterator[str]:
    """The URL of an API that answers everything with a stream without an end."""

    class Endless(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream" if "stream" in self.path else "text/plain")
            self.end_headers()
            while "stream" in self.path and not closing.wait(0.1):
                with contextlib.suppress(OSError):
                    self.wfile.write(b": still here\n\n")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    closing = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    threading.Thread(target=server.serve_forever).start()
    yield f"http://127.0.0.1:{server.server_port}"
    closing.set()
    server.shutdown()
