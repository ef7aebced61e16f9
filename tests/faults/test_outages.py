"""Servers that stop answering under a daemon: what `status`, API, metrics and log say of it, and until when."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.brokers.local import LocalBroker
from services.sending.producer import Sender, outgoing
from services.store.database import EmbeddedDatabase
from services.store.store import Store
from tests.faults.daemon import Daemon, sabotage
from tests.simulating import awake
from tests.waiting import until

TOPIC = "transactions"
NOTICED_WITHIN = 240
IMPATIENT = """
from services.store import pools
pools.COMMAND_TIMEOUT = 5.0
"""
"""What waits for PostgreSQL gives up after these seconds instead of 30, and asks again."""


@contextmanager
def silenced(parent: int) -> Iterator[None]:
    """A process of ours and its children, which do nothing meanwhile."""
    processes = [psutil.Process(parent), *psutil.Process(parent).children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


class Watched:
    """A daemon, from every place where people look."""

    def __init__(self, folder: Path, daemon: Daemon) -> None:
        self._folder = folder
        self._daemon = daemon
        self.api = ""

    async def status(self, *options: str) -> tuple[int, str]:
        """The exit code and the words of `anomaly-tui status`."""
        process = await asyncio.create_subprocess_exec(
            *(str(Path(sys.executable).with_name("anomaly-tui")), "status", *options),
            env={**os.environ, "ANOMALY_TUI_DATA_DIR": str(self._folder / "data"), "COLUMNS": "300"},
            cwd=self._folder,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, said.decode()

    async def running(self) -> bool:
        """Whether all is well; finds the API."""
        code, said = await self.status("--json")
        if code == 0:
            self.api = msgspec.json.decode(said)["api"]
        return code == 0

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.api, timeout=60) as client:
            return await client.get(path)

    async def workers(self) -> dict[str, dict[str, Any]]:
        """What `/api/health` says of each."""
        return {worker["name"]: worker for worker in (await self.get("/api/health")).json()["workers"]}

    async def shows(self, worker: str, state: str, has: Callable[[str], bool] = bool) -> bool:
        found = (await self.workers())[worker]
        return found["state"] == state and has(found["detail"])

    async def metrics(self) -> dict[tuple[str, ...], float]:
        """Every sample: its name and the values of its labels."""
        families = text_string_to_metric_families((await self.get("/metrics")).text)
        return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}

    async def keeps_the_outages(self) -> bool:
        """Whether the timeline has those of both servers, and what the pipeline made of them."""
        events = (await self.get("/api/events")).json()["events"]
        return {event["subject"] for event in events if event["kind"] == "outage"} >= {"database", "pipeline", "broker"}

    @property
    def log(self) -> str:
        return self._daemon.log.read_text()


@pytest.mark.timeout(1_800)
async def test_an_outage_is_told_in_the_same_words_everywhere_and_ends_by_itself(
    tmp_path: Path, reachable: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka, server = LocalBroker(tmp_path / "kafka", cache_dir, None), EmbeddedDatabase(reachable)
    await kafka.start(lambda line: None)
    await kafka.ensure_topic(TOPIC, 2)
    await server.start(lambda line: None)
    # What they keep is for nobody else.
    for folder in (tmp_path / "kafka", reachable / "postgresql"):
        assert folder.stat().st_mode & 0o077 == 0
    store = await Store.open(server.dsn)
    sabotage(tmp_path, monkeypatch, IMPATIENT)
    daemon = Daemon(tmp_path, kafka.bootstrap, server.dsn, "--api", "127.0.0.1:0")
    sender = Sender(kafka, TOPIC)
    start = datetime.now(UTC) - timedelta(hours=1)
    stream = awake(start, users=20, anomaly_rate=0.0, seed=3, rate=1)
    sent = 0

    async def send(count: int) -> None:
        nonlocal sent
        for _ in range(count):
            await sender.send(outgoing(*next(stream), replay=True))
        await sender.flush()
        sent += count

    async def all_stored() -> bool:
        return await store.count() == sent

    try:
        await sender.start()
        await daemon.start()
        watched = Watched(tmp_path, daemon)
        await until(watched.running, NOTICED_WITHIN)
        await send(20)
        await until(all_stored, NOTICED_WITHIN)

        postmaster = int((reachable / "postgresql" / "postmaster.pid").read_text().split()[0])
        began = datetime.now(UTC)
        with silenced(postmaster):
            await send(30)
            waits = "PostgreSQL does not answer; records that wait: 30"
            await until(lambda: watched.shows("database", "degraded"), NOTICED_WITHIN)
            await until(lambda: watched.shows("pipeline", "degraded", lambda said: waits in said), NOTICED_WITHIN)
            workers = await watched.workers()
            detail = workers["database"]["detail"]
            assert "does not answer" in detail
            assert "it is asked again every 2 s" in detail
            for name in ("database", "pipeline"):
                since = datetime.fromisoformat(workers[name]["since"])
                assert began < since < datetime.now(UTC)
            await until(lambda: watched.shows("models", "degraded", lambda said: "PostgreSQL" in said), NOTICED_WITHIN)
            assert (await watched.get("/api/health")).json()["status"] == "down"
            assert (await watched.get("/readyz")).status_code == 503
            metrics = await watched.metrics()
            assert metrics["anomaly_tui_database_up",] == 0
            assert metrics["anomaly_tui_broker_up",] == 1
            assert metrics["anomaly_tui_worker_running", "database"] == 0
            assert metrics["anomaly_tui_worker_since_timestamp_seconds", "degraded", "database"] > began.timestamp()
            code, said = await watched.status()
            assert (code, "does not answer" in said, waits in said, "newest stored" in said) == (1, True, True, True)
            code, said = await watched.status("--format", "{state} {age:.0f}{troubled}")
            assert (code, said.startswith("not well ")) == (1, True), said
            assert "database" in said
            # Who looks for changes waits for PostgreSQL in between.
            await until(lambda: "database: does not answer" in watched.log, NOTICED_WITHIN)
        await until(watched.running, NOTICED_WITHIN)
        await until(all_stored, NOTICED_WITHIN)
        await until(lambda: "database: works again after" in watched.log, NOTICED_WITHIN)

        assert kafka._process is not None
        began = datetime.now(UTC)
        with silenced(kafka._process.pid):
            await until(lambda: watched.shows("broker", "degraded"), NOTICED_WITHIN)
            broker = (await watched.workers())["broker"]
            assert "does not answer; it is asked again every 2 s" in broker["detail"]
            assert datetime.fromisoformat(broker["since"]) > began
            metrics = await watched.metrics()
            assert (metrics["anomaly_tui_broker_up",], metrics["anomaly_tui_database_up",]) == (0, 1)
            code, said = await watched.status()
            assert (code, "does not answer; it is asked again" in said) == (1, True), said
        await until(watched.running, NOTICED_WITHIN)
        await send(10)
        await until(all_stored, NOTICED_WITHIN)
        await until(lambda: "broker: works again after" in watched.log, NOTICED_WITHIN)
        await until(watched.keeps_the_outages, NOTICED_WITHIN)
        assert await daemon.end(signal.SIGTERM) == 0, watched.log[-4000:]
    finally:
        if daemon.process is not None and daemon.process.returncode is None:
            daemon.process.kill()
        await sender.stop()
        await store.close()
        await server.stop()
        await kafka.stop()
