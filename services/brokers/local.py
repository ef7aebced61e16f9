"""Apache Kafka on this machine: one KRaft node as a child process, its data kept between runs."""

import asyncio
import base64
import contextlib
import json
import socket
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import psutil
from aiokafka.errors import KafkaError

from services.brokers.broker import BrokerError, BrokerName, Progress
from services.brokers.cluster import answers, count_partitions, create_topic, describe
from services.brokers.java import LOG_CONFIGURATION, jars, java
from services.brokers.topic_id import TopicIds
from services.process.children import end, spawn
from services.process.claim import claim

PORT = 9092
_START_WITHIN = 60.0
_STOP_WITHIN = 10.0
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
message.max.bytes=8388608
log.dirs={data}
"""


class _PortTaken(BrokerError):
    """The port was free, and another process was faster."""


class LocalBroker:
    """Takes port 9092 when it is free, another one otherwise.

    A broker that another anomaly-tui process started on the same folder is joined instead; the process that started it
    ends it, and it ends with them however they end (Linux).
    """

    name: BrokerName = "local"
    durable = True
    partitions_of_one: int | None = None

    def __init__(self, folder: Path, cache_dir: Path, kafka_home: Path | None) -> None:
        self._folder = folder
        self._cache_dir = cache_dir
        self._kafka_home = kafka_home
        self._process: asyncio.subprocess.Process | None = None
        self.bootstrap = ""
        self.cluster_id = ""
        self.client_options: dict[str, Any] = {}
        self._topic_ids = TopicIds()
        self.librdkafka_options: dict[str, Any] = {}

    @property
    def label(self) -> str:
        """The broker in a few words, with its address."""
        return f"local Apache Kafka, {self.bootstrap or 'not started'}"

    @property
    def process_id(self) -> int | None:
        """The process that this object started, None when it joined another's."""
        return None if self._process is None else self._process.pid

    async def start(self, progress: Progress) -> None:
        """Start the broker, or join the one that runs on this folder. Raises BrokerError."""
        # The event loop may not have heard yet that its child is dead, the process table has.
        if self._process is not None and _running(self._state):
            await self._until_it_answers()
        else:
            with await self._turn(progress):
                if not await self._join(progress):
                    await self._launch(progress)
        self.cluster_id = _cluster_id(self._data)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _state(self) -> Path:
        return self._folder / "broker.json"

    async def _turn(self, progress: Progress) -> TextIO:
        """The lock of the folder: two processes would both find no broker, and both format the folder."""
        try:
            (self._folder / "logs").mkdir(parents=True, exist_ok=True)
            # Kafka lets everybody read what it writes.
            self._folder.chmod(0o700)
            return await claim(
                self._folder / "lock", lambda seconds: progress("waiting for another process that starts Apache Kafka")
            )
        except OSError as error:
            raise BrokerError(f"Cannot write to {self._folder}: {error}. Choose another --data-dir.") from error

    async def _join(self, progress: Progress) -> bool:
        """Whether another process's broker runs here and answers; one that is ending is waited for."""
        while (running := _running(self._state)) is not None:
            progress("joining the local Apache Kafka")
            self.bootstrap = running
            if await _listens(running) and await answers(self.bootstrap, {}):
                return True
            await asyncio.sleep(0.1)
        return False

    async def _launch(self, progress: Progress) -> None:
        runtime = await asyncio.to_thread(java)
        classpath = f"{await jars(self._cache_dir, self._kafka_home, progress)}/*"
        progress("starting Apache Kafka")
        while True:
            try:
                return await self._launch_once(runtime, classpath)
            except _PortTaken:
                progress("starting Apache Kafka on another port")

    async def _launch_once(self, runtime: Path, classpath: str) -> None:
        port, controller = _free_port(PORT), _free_port(0)
        configuration = self._folder / "server.properties"
        configuration.write_text(
            _PROPERTIES.format(port=port, controller=controller, data=self._data), encoding="utf-8"
        )
        if not (self._data / "meta.properties").exists():
            await self._format(runtime, classpath, configuration)
        with (self._folder / "logs" / "java.log").open("wb") as output:
            process = await spawn(
                runtime,
                "-Xms256m",
                "-Xmx512m",
                "-XX:+UseG1GC",
                f"-Dlog4j2.configurationFile={LOG_CONFIGURATION}",
                f"-Danomaly.tui.logs={self._folder / 'logs'}",
                "-cp",
                classpath,
                "kafka.Kafka",
                configuration,
                stdout=output,
                stderr=output,
            )
        self._process = process
        self.bootstrap = f"127.0.0.1:{port}"
        state = {"pid": process.pid, "started": psutil.Process(process.pid).create_time(), "bootstrap": self.bootstrap}
        self._state.write_text(json.dumps(state), encoding="utf-8")
        await self._until_it_answers()

    async def _format(self, runtime: Path, classpath: str, configuration: Path) -> None:
        # It works for a second, in which a second compiler would cost more than it saves.
        tool = (runtime, "-XX:TieredStopAtLevel=1", "-cp", classpath, "kafka.tools.StorageTool")
        code, output = await _run(*tool, "format", "-t", new_cluster_id(), "-c", configuration)
        if code != 0:
            raise BrokerError(f"Apache Kafka cannot use {self._data}: {output.strip().splitlines()[-1:]}")

    async def _until_it_answers(self) -> None:
        process = self._process
        assert process is not None
        try:
            async with asyncio.timeout(_START_WITHIN):
                # The port first: a Kafka client complains in the log each time it finds nobody.
                while not (await _listens(self.bootstrap) and await self._is_ours()):
                    if process.returncode is not None:
                        if await _listens(self.bootstrap):
                            raise _PortTaken(f"Another process took {self.bootstrap}.")
                        raise BrokerError(f"Apache Kafka ended at once: {self._last_words()}")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise BrokerError(f"Apache Kafka does not answer; its log is {self._folder / 'logs'}.") from None

    async def _is_ours(self) -> bool:
        """Whether the cluster that answers is the one of this folder: another may have taken the port first."""
        try:
            return await describe(self.bootstrap, {}) == _cluster_id(self._data)
        except (KafkaError, OSError, TimeoutError):
            return False

    def _last_words(self) -> str:
        lines = []
        for name in ("java.log", "server.log"):
            with contextlib.suppress(OSError):
                text = (self._folder / "logs" / name).read_text(encoding="utf-8", errors="replace")
                lines += [line for line in text.splitlines() if "ERROR" in line or "Error" in line or "FATAL" in line]
        return lines[-1] if lines else f"see {self._folder / 'logs'}"

    async def ensure_topic(self, topic: str, partitions: int, settings: Mapping[str, str] = {}) -> None:
        """Create the topic unless it exists. Raises BrokerError."""
        await create_topic(self.bootstrap, {}, topic, partitions, settings)

    async def partition_count(self, topic: str) -> int:
        """How many partitions the topic has. Raises KafkaError, TimeoutError or OSError."""
        return await count_partitions(self.bootstrap, {}, topic)

    async def topic_id(self, topic: str) -> str | None:
        """The id that Kafka gave the topic, None where there is no such topic. Raises Unanswered."""
        return await self._topic_ids.of(topic, self.bootstrap, {})

    async def healthy(self) -> bool:
        """Whether it answers now."""
        return bool(self.bootstrap) and await _listens(self.bootstrap) and await answers(self.bootstrap, {})

    async def stop(self) -> None:
        """End the broker if it is ours."""
        self._topic_ids.close()
        process, self._process = self._process, None
        if process is not None:
            # The state file stays: it names a process that is gone, unless the next broker has written there by then.
            await end(process, _STOP_WITHIN)


def _running(state: Path) -> str | None:
    """The address of the broker that the state file names, None when that process is gone."""
    try:
        facts = json.loads(state.read_text(encoding="utf-8"))
        process = psutil.Process(facts["pid"])
        alive = process.create_time() == facts["started"] and process.status() != psutil.STATUS_ZOMBIE
        return str(facts["bootstrap"]) if alive else None
    except (OSError, ValueError, KeyError, psutil.Error):
        return None


async def _listens(bootstrap: str) -> bool:
    host, _, port = bootstrap.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise BrokerError("No free port on 127.0.0.1.")


def new_cluster_id() -> str:
    """A cluster id as Kafka writes it: 16 bytes in 22 letters, of which the first must not look like an option's."""
    while (ident := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return ident


def _cluster_id(data: Path) -> str:
    for line in (data / "meta.properties").read_text(encoding="utf-8").splitlines():
        if line.startswith("cluster.id="):
            return line.removeprefix("cluster.id=")
    raise BrokerError(f"{data / 'meta.properties'} names no cluster.id: remove {data} to start over.")


async def _run(*command: object) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode(errors="replace")
