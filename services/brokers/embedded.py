"""librdkafka's own broker: the real protocol over loopback, in the memory of this process."""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

from services.brokers.broker import ANSWER_WITHIN, BrokerError, BrokerName, Progress
from services.brokers.cluster import answers
from services.brokers.quiet import QUIET


class EmbeddedBroker:
    """Forgets everything when it stops, and keeps about 5 MB a partition while it runs.

    It needs 3 s to form a consumer group and 14 s to form it again, and lets no second member in; so its one
    consumer does without. It neither holds records of open transactions back nor says which were aborted: all are read.
    Topics have 4 partitions whatever is asked for.
    Source: librdkafka, `test.mock.num.brokers`.
    """

    name: BrokerName = "embedded"
    durable = False
    partitions_of_one: int | None = 4

    def __init__(self) -> None:
        self.bootstrap = ""
        self.cluster_id = ""
        self.client_options: dict[str, Any] = {}
        self.librdkafka_options: dict[str, Any] = {}
        self._owner: Any = None

    @property
    def label(self) -> str:
        """The broker in a few words, with its address."""
        return f"embedded broker, in memory, {self.bootstrap or 'not started'}"

    async def start(self, progress: Progress) -> None:
        """Start it within this process. Raises BrokerError."""
        if self._owner is None:
            progress("starting the embedded broker")
            await asyncio.to_thread(self._start)

    def _start(self) -> None:
        from confluent_kafka import KafkaException, Producer

        try:
            # The broker lives as long as the client that asked for it.
            owner = Producer({"bootstrap.servers": "127.0.0.1", "test.mock.num.brokers": 1, **QUIET})
            (member,) = owner.list_topics(timeout=ANSWER_WITHIN).brokers.values()
        except (KafkaException, ValueError) as error:
            raise BrokerError(f"The embedded broker does not start: {error}. Try --kafka local.") from error
        self._owner = owner
        self.bootstrap = f"{member.host}:{member.port}"
        self.cluster_id = f"embedded-{uuid.uuid4().hex}"

    async def partition_count(self, topic: str) -> int:
        """How many partitions the topic has: every one has the same number."""
        return self.partitions_of_one or 1

    async def ensure_topic(self, topic: str, partitions: int, settings: Mapping[str, str] = {}) -> None:
        """Asking for a topic creates it. Raises BrokerError."""
        from confluent_kafka import KafkaException

        try:
            await asyncio.to_thread(self._owner.list_topics, topic, ANSWER_WITHIN)
        except KafkaException as error:
            raise BrokerError(f"The embedded broker does not create the topic {topic}: {error}.") from error

    async def topic_id(self, topic: str) -> str | None:
        """Its topics live as long as it does, and its cluster id changes at each start."""
        return ""

    async def healthy(self) -> bool:
        """Whether it answers now."""
        return self._owner is not None and await answers(self.bootstrap, self.client_options)

    async def stop(self) -> None:
        """End it; its records are gone."""
        self._owner = None
