"""How soon after a key that decides the next alert is there, in the console and in the web pages, while rows come in.

An engine of its own for each, with the simulator at `--rate`. The console is an attached one in tmux at 80x24, looked
at about every 10 ms, which is in its figures; the pages are in a browser and measured by themselves. An alert is read
for longer than half a second before its key.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from services.frontend.build import built, sources
from services.frontend.node import find_node
from services.process.logs import configure
from services.settings import load

COMMAND = str(Path(sys.executable).with_name("anomaly-tui"))
KEYS = ("c", "a", "p")
READING = 0.6
WITHIN = 180.0
AIM = 100.0


def in_console(rate: int, alerts: int) -> list[float]:
    """Seconds from each key to the alert that the cursor goes on to."""
    with tempfile.TemporaryDirectory(prefix="analyst-") as folder:
        data = f"{folder}/data"
        environment = {**os.environ, "ANOMALY_TUI_DATA_DIR": data, "TMUX_TMPDIR": folder, "LC_ALL": "C.UTF-8"}
        environment.pop("TMUX", None)
        command = [COMMAND, "--daemon", "--rate", str(rate), "--seed", "7", "--api", "off"]
        with (Path(folder) / "daemon.log").open("wb") as log:
            daemon = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

        def tmux(*arguments: str) -> str:
            given = ["tmux", "-L", "analyst", *arguments]
            return subprocess.run(given, env=environment, capture_output=True, text=True).stdout

        def wait_for(pattern: str) -> re.Match[str]:
            end = time.monotonic() + WITHIN
            while (found := re.search(pattern, tmux("capture-pane", "-p"), re.MULTILINE)) is None:
                if time.monotonic() > end:
                    raise TimeoutError(f"{pattern} in {tmux('capture-pane', '-p')}")
            return found

        def under_cursor() -> str:
            return next((line for line in tmux("capture-pane", "-p").splitlines() if line.startswith("▌")), "")

        try:
            status = [COMMAND, "status"]
            while subprocess.run(status, env=environment, capture_output=True).returncode:
                time.sleep(0.5)
            tmux("-u", "-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", f"{COMMAND} attach")
            wait_for(r"▲(\d{2,}|[\d.]+k) open")
            tmux("send-keys", "2")
            wait_for(r" 0 done .* \d{2,} left")
            times = []
            for number in range(alerts):
                time.sleep(READING)
                line = under_cursor()
                began = time.perf_counter()
                tmux("send-keys", KEYS[number % len(KEYS)])
                if number == KEYS.index("p"):
                    wait_for("False positive:")
                    tmux("send-keys", "Enter")
                while under_cursor() == line:
                    pass
                if number != KEYS.index("p"):
                    times.append(time.perf_counter() - began)
                wait_for(rf"^ {number + 1} done ")
            return times
        finally:
            tmux("kill-server")
            daemon.terminate()
            daemon.wait()


def in_browser(rate: int, alerts: int, cache_dir: Path) -> list[float]:
    """Seconds from each key to the alert that the page shows next."""
    node = find_node()
    asyncio.run(built(sources(), node, cache_dir, lambda line: None))
    with tempfile.TemporaryDirectory(prefix="analyst-") as folder:
        result = Path(folder) / "result.json"
        browser = {"COMMAND": COMMAND, "RATE": rate, "ALERTS": alerts, "RESULT": result}
        environment = {
            **node.environment,
            "ANOMALY_TUI_DATA_DIR": f"{folder}/data",
            "ANOMALY_TUI_CACHE_DIR": str(cache_dir),
            **{f"BROWSER_{name}": str(value) for name, value in browser.items()},
        }
        command = [
            node.executable,
            "node_modules/@playwright/test/cli.js",
            "test",
            "analyst",
            "--output",
            f"{folder}/out",
        ]
        done = subprocess.run(command, cwd=sources(), env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stdout)
        return [milliseconds / 1e3 for milliseconds in json.loads(result.read_text())["times"]]


def main() -> None:
    """Measure, print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=50, help="transactions a second")
    parser.add_argument(
        "--alerts", type=int, default=20, help="how many are decided on in each, of some 30 that are open"
    )
    parser.add_argument("--only", choices=("console", "web"), help="one of the two")
    arguments = parser.parse_args()
    configure(format="text", level="CRITICAL")
    table = Table(
        title=f"an analyst at {arguments.rate} transactions/s, {arguments.alerts} alerts", title_justify="left"
    )
    for column in ("where", "median", "p95", "aim, p95"):
        table.add_column(column, justify="left" if column == "where" else "right")
    measured = {}
    if arguments.only != "web":
        measured["console, key to next alert"] = in_console(arguments.rate, arguments.alerts)
    if arguments.only != "console":
        cache_dir = load({}).settings.cache_dir
        measured["web pages, key to next alert"] = in_browser(arguments.rate, arguments.alerts, cache_dir)
    for name, times in measured.items():
        ordered = sorted(times)
        median, p95 = (ordered[int(len(ordered) * share)] * 1e3 for share in (0.5, 0.95))
        table.add_row(name, f"{median:.0f} ms", f"{p95:.0f} ms", f"{AIM:.0f} ms", style="" if p95 <= AIM else "red")
    Console().print(table)


if __name__ == "__main__":
    main()
