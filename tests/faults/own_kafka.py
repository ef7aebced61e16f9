"""An Apache Kafka of the tests' own, which they can kill, freeze and start again under the same address."""

import asyncio
import os
import signal
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Producer

from services.brokers.cluster import answers
from services.brokers.local import LocalBroker
from tests.waiting import until

STARTED_WITHIN = 90.0


class OwnKafka:
    """Outlives the event loop of a test; `bootstrap` and `cluster_id` are known once it is started."""

    def __init__(self, folder: Path, cache_dir: Path) -> None:
        self._broker = LocalBroker(folder, cache_dir, None)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._command: list[str] = []
        self._again: asyncio.subprocess.Process | None = None
        self._log = folder / "again.log"
        self.bootstrap = ""
        self.cluster_id = ""
        self.pid = 0

    def start(self) -> None:
        self._thread.start()
        self._wait_for(self._broker.start(lambda line: None))
        assert self._broker.process_id is not None
        self.pid = self._broker.process_id
        self._command = psutil.Process(self.pid).cmdline()
        self.bootstrap, self.cluster_id = self._broker.bootstrap, self._broker.cluster_id

    def _wait_for(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(STARTED_WITHIN)

    async def make_topic(self, topic: str, partitions: int) -> None:
        await self._broker.ensure_topic(topic, partitions)

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    @property
    def runs(self) -> bool:
        try:
            return psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    async def write_until_it_ends(self, topic: str) -> bool:
        """Send it some more that nobody counts on; whether it has ended."""

        def write() -> None:
            producer = Producer({"bootstrap.servers": self.bootstrap, "message.timeout.ms": 1_000, "log_level": 0})
            producer.produce(topic, b"\0" * 4096)
            producer.flush(1.5)

        await asyncio.to_thread(write)
        return not self.runs

    async def kill(self) -> None:
        self.send(signal.SIGKILL)
        await until(lambda: not self.runs)

    async def start_again(self) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._start_again(), self._loop))
        await until(self._answers, STARTED_WITHIN)

    async def _start_again(self) -> None:
        with self._log.open("ab") as log:
            self._again = await asyncio.create_subprocess_exec(*self._command, stdout=log, stderr=log)
        self.pid = self._again.pid

    async def _answers(self) -> bool:
        assert self.runs, self._log.read_text()
        return await answers(self.bootstrap, {})

    def stop(self) -> None:
        """For good, in whatever state it is."""
        if self.runs:
            self.send(signal.SIGKILL)
        self._wait_for(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _end(self) -> None:
        if self._again is not None:
            await self._again.wait()
        await self._broker.stop()
