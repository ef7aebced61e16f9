"""A Kafka cluster somebody else runs."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import structlog
from aiokafka.errors import KafkaError

from services.brokers.broker import BrokerError, BrokerName, Progress
from services.brokers.cluster import answers, count_partitions, create_topic, describe
from services.brokers.security import Security
from services.brokers.topic_id import TopicIds
from services.errors import reason_of

log = structlog.get_logger("broker")

_CONNECT_WITHIN = 10.0


class ExternalBroker:
    """`bootstrap` is `HOST:PORT`, or several of them with commas between.

    `cluster_id` may be given where the cluster's own id stays the same although its records are gone.
    """

    name: BrokerName = "external"

    def __init__(
        self, bootstrap: str, security: Security, *, durable: bool = True, cluster_id: str | None = None
    ) -> None:
        self.bootstrap = bootstrap
        self.durable = durable
        self.partitions_of_one: int | None = None
        self.cluster_id = cluster_id or ""
        self.client_options: dict[str, Any] = {}
        self.librdkafka_options: dict[str, Any] = {}
        self._security = security
        self._topic_ids = TopicIds()

    @property
    def label(self) -> str:
        """The broker in a few words, with its address."""
        return f"Kafka at {self.bootstrap}"

    async def start(self, progress: Progress) -> None:
        """Reach it and learn its cluster id. Raises BrokerError."""
        for address in self.bootstrap.split(","):
            host, _, port = address.strip().rpartition(":")
            if not host or not port.isdigit() or not 0 < int(port) < 65536:
                raise BrokerError(f"{self.bootstrap} is no Kafka address: write --kafka HOST:PORT, local or embedded.")
        progress(f"connecting to {self.label}")
        self.client_options = self._security.client_options()
        self.librdkafka_options = self._security.librdkafka_options()
        if self._security.protocol.endswith("PLAINTEXT") and not _loopback(self.bootstrap):
            log.warning("Kafka traffic is not encrypted", address=self.bootstrap)
        try:
            found = await describe(self.bootstrap, self.client_options, _CONNECT_WITHIN)
        except (KafkaError, OSError, TimeoutError, ValueError) as error:
            raise BrokerError(
                f"Cannot reach Kafka at {self.bootstrap}: {reason_of(error)}. Check --kafka, or leave it "
                "away for the embedded broker."
            ) from error
        self.cluster_id = self.cluster_id or found

    async def ensure_topic(self, topic: str, partitions: int, settings: Mapping[str, str] = {}) -> None:
        """Create the topic unless it exists. Raises BrokerError."""
        await create_topic(self.bootstrap, self.client_options, topic, partitions, settings)

    async def partition_count(self, topic: str) -> int:
        """How many partitions the topic has. Raises KafkaError, TimeoutError or OSError."""
        return await count_partitions(self.bootstrap, self.client_options, topic)

    async def topic_id(self, topic: str) -> str | None:
        """The id that Kafka gave the topic, None where there is no such topic. Raises Unanswered."""
        return await self._topic_ids.of(topic, self.bootstrap, self.librdkafka_options)

    async def healthy(self) -> bool:
        """Whether it answers now."""
        return await answers(self.bootstrap, self.client_options)

    async def stop(self) -> None:
        """Disconnect; nothing of ours is to be ended."""
        self._topic_ids.close()


def _loopback(bootstrap: str) -> bool:
    hosts = [address.strip().rpartition(":")[0].strip("[]") for address in bootstrap.split(",")]

    def local(host: str) -> bool:
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    return all(map(local, hosts))
