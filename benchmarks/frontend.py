"""The web pages under load: how soon a row is seen, how much script and memory that takes, how soon they are there.

A browser looks at a real engine, an embedded one each time; latency is measured in the page. `--minutes 10` watches the
memory for as long as it takes to believe it.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from services.frontend.build import built, sources
from services.frontend.node import find_node
from services.frontend.reach import Reach
from services.frontend.worker import Frontend
from services.process.logs import configure
from services.process.supervisor import Supervisor
from services.settings import load

FRONTEND = sources()
MEGABYTE = 2**20


async def first_page(cache_dir: Path) -> float:
    """Seconds from the wish to the first page, of what is built already."""
    supervisor = Supervisor()
    frontend = Frontend(cache_dir, lambda: Reach("http://127.0.0.1:9"), port=0)
    supervisor.add(frontend)
    began = time.perf_counter()
    await supervisor.start()
    while frontend.url is None:
        await asyncio.sleep(0.005)
    async with httpx.AsyncClient(trust_env=False) as client:
        (await client.get(frontend.url)).raise_for_status()
    seconds = time.perf_counter() - began
    await supervisor.stop()
    return seconds


def measure(rate: int, seconds: float, cache_dir: Path) -> dict[str, Any]:
    """What a page saw of `rate` transactions a second, and the greatest memory of its server in bytes."""
    node = find_node()
    with tempfile.TemporaryDirectory(prefix="anomaly-tui-bench-") as folder:
        result = Path(folder) / "result.json"
        browser = {"COMMAND": Path(sys.executable).with_name("anomaly-tui"), "RATE": rate, "SECONDS": seconds}
        environment = {
            **node.environment,
            "ANOMALY_TUI_DATA_DIR": str(Path(folder) / "data"),
            "ANOMALY_TUI_CACHE_DIR": str(cache_dir),
            **{f"BROWSER_{name}": str(value) for name, value in {**browser, "RESULT": result}.items()},
        }
        command = [
            node.executable,
            "node_modules/@playwright/test/cli.js",
            "test",
            "measure",
            "--output",
            f"{folder}/output",
        ]
        with (Path(folder) / "said").open("w+") as said:
            run = subprocess.Popen(command, cwd=FRONTEND, env=environment, stdout=said, stderr=said)
            server = 0
            while run.poll() is None:
                server = max(server, _memory(run.pid))
                time.sleep(1)
            if run.returncode != 0:
                said.seek(0)
                sys.exit(said.read())
        return {**json.loads(result.read_text()), "server": server}


def _memory(root: int) -> int:
    """Resident bytes of the server of the pages among the descendants of a process."""
    found = 0
    for process in psutil.Process(root).children(recursive=True):
        try:
            if process.name().startswith("next-server"):
                found = max(found, process.memory_info().rss)
        except psutil.Error:
            continue
    return found


def main() -> None:
    """Measure, print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to watch the memory")
    minutes = parser.parse_args().minutes
    configure(format="text", level="CRITICAL")
    cache_dir = load({}).settings.cache_dir
    asyncio.run(built(sources(), find_node(), cache_dir, lambda line: None))
    start = statistics.median(asyncio.run(first_page(cache_dir)) for _ in range(5))
    busy = measure(500, 20, cache_dir)
    steady = measure(200, minutes * 60, cache_dir)
    ages = sorted(busy["ages"])
    first, last = (heap / MEGABYTE for heap in (steady["heaps"][0], steady["heaps"][-1]))

    table = Table(title=f"web pages on {os.cpu_count()} cores", title_justify="left")
    table.add_column("what")
    table.add_column("measured", justify="right")
    table.add_column("aim", justify="right")
    table.add_row("commit to page at 500/s, median", f"{ages[len(ages) // 2]:.0f} ms", "")
    table.add_row("commit to page at 500/s, p95", f"{ages[int(len(ages) * 0.95)]:.0f} ms", "1,000 ms")
    table.add_row("script of the first page, compressed", f"{busy['script'] / 1024:.0f} KiB", "300 KiB")
    table.add_row("first page of a built frontend", f"{start:.2f} s", "1.5 s")
    table.add_row(
        f"page's memory at 200/s, after {steady['seconds'] / 60:.1f} min", f"{first:.0f} to {last:.0f} MiB", ""
    )
    table.add_row("server's memory, greatest", f"{steady['server'] / MEGABYTE:.0f} MiB", "")
    Console().print(table)


if __name__ == "__main__":
    main()
