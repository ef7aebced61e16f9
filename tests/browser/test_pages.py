"""The web pages in a real browser, before a real engine: Playwright's tests, run by the one gate."""

import asyncio
import os
import subprocess
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from domain.transaction import Transaction
from services import wire
from services.frontend.build import built, sources
from services.frontend.node import find_node
from simulator import Simulator
from tests.acceptance.session import COMMAND

BURST = 3_000
FRONTEND = Path(__file__).parents[2] / "frontend"


def write(path: Path, transactions: list[Transaction]) -> Path:
    path.write_bytes(b"\n".join(map(wire.encode, transactions)))
    return path


def stored(count: int) -> list[Transaction]:
    """What was stored in the hours before."""
    start = datetime.now(UTC) - timedelta(hours=3)
    stream = Simulator(users=100, anomaly_rate=0.05, seed=7, start=start, rate=count / 10_800).stream()
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


@pytest.mark.timeout(600)
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
        "BROWSER_BURST": str(write(tmp_path / "burst.jsonl", burst(BURST))),
        "BROWSER_OUTPUT": str(tmp_path / "output"),
        **{name: value for name, value in os.environ.items() if name.startswith("npm_config_")},
    }
    history = write(tmp_path / "stored.jsonl", stored(2_500))
    subprocess.run([COMMAND, "replay", history], env=environment, cwd=tmp_path, check=True, timeout=120)
    playwright = FRONTEND / "node_modules" / "@playwright" / "test" / "cli.js"
    tested = subprocess.run(
        [node.executable, playwright, "test"],
        env=environment,
        cwd=FRONTEND,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=580,
    )
    print(tested.stdout)
    assert tested.returncode == 0, tested.stdout
