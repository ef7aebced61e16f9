"""A cluster of three Apache Kafkas that keep every record three times, to be killed one after another."""

import asyncio
import socket
from pathlib import Path

from confluent_kafka.admin import AdminClient

from services.brokers.java import LOG_CONFIGURATION, jars, java
from services.brokers.local import new_cluster_id
from services.process.children import spawn
from tests.waiting import until

BROKERS = 3
STARTED_WITHIN = 120.0
PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
offsets.topic.replication.factor=3
offsets.topic.num.partitions=3
min.insync.replicas=2
unclean.leader.election.enable=false
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.dirs={data}
"""


class ThreeBrokers:
    """`bootstrap` names all of them."""

    def __init__(self, folder: Path, cache_dir: Path) -> None:
        self._folder = folder
        self._cache_dir = cache_dir
        ports = free_ports(2 * BROKERS)
        self._ports, self._controllers = ports[:BROKERS], ports[BROKERS:]
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._java: list[object] = []
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port in self._ports)

    async def start(self) -> None:
        self._java = [java(), "-Xmx256m", f"-Dlog4j2.configurationFile={LOG_CONFIGURATION}"]
        self._java += ["-cp", f"{await jars(self._cache_dir, None, lambda line: None)}/*"]
        ident = new_cluster_id()
        voters = ",".join(f"{node + 1}@127.0.0.1:{port}" for node, port in enumerate(self._controllers))
        for node in range(BROKERS):
            home = self._folder / str(node)
            (home / "logs").mkdir(parents=True)
            text = PROPERTIES.format(
                node=node + 1,
                voters=voters,
                port=self._ports[node],
                controller=self._controllers[node],
                data=home / "data",
            )
            (home / "server.properties").write_text(text)
            format_it = ("kafka.tools.StorageTool", "format", "-t", ident, "-c", home / "server.properties")
            logs = f"-Danomaly.tui.logs={home / 'logs'}"
            made = await spawn(*self._java, logs, *format_it, stdout=asyncio.subprocess.DEVNULL)
            assert await made.wait() == 0
        for node in range(BROKERS):
            await self.start_one(node)

    async def start_one(self, node: int) -> None:
        """Start it, for the first time or again."""
        home = self._folder / str(node)
        options = (f"-Danomaly.tui.logs={home / 'logs'}", "kafka.Kafka", home / "server.properties")
        with (home / "logs" / "java.log").open("ab") as output:
            self._processes[node] = await spawn(*self._java, *options, stdout=output, stderr=output)

    async def kill(self, node: int) -> None:
        process = self._processes.pop(node)
        process.kill()
        await process.wait()

    async def leader_of(self, topic: str, partition: int) -> int:
        """The number of the broker that leads it, as `kill` wants it."""
        found = await asyncio.to_thread(self._admin().list_topics, topic, STARTED_WITHIN)
        return int(found.topics[topic].partitions[partition].leader) - 1

    async def until_in_sync(self, topic: str) -> None:
        """Wait until every partition is in all three places."""

        async def in_sync() -> bool:
            found = await asyncio.to_thread(self._admin().list_topics, topic, STARTED_WITHIN)
            return all(len(partition.isrs) == BROKERS for partition in found.topics[topic].partitions.values())

        await until(in_sync, STARTED_WITHIN)

    async def until_all_answer(self) -> None:
        async def all_there() -> bool:
            return len((await asyncio.to_thread(self._admin().list_topics, timeout=STARTED_WITHIN)).brokers) == BROKERS

        await until(all_there, STARTED_WITHIN)

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    async def stop(self) -> None:
        for process in self._processes.values():
            process.kill()
            await process.wait()


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
