"""The interface of all brokers."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, Protocol

from services.errors import UserError

ANSWER_WITHIN = 5.0

Progress = Callable[[str], None]
BrokerName = Literal["embedded", "local", "external"]
Isolation = Literal["read_committed", "read_uncommitted"]
StartFrom = Literal["earliest", "latest"] | datetime


class BrokerError(UserError):
    """Kafka cannot be had; the message says why and what to do."""


class Unanswered(Exception):
    """Kafka does not answer now; the same question may be answered later."""


class Broker(Protocol):
    """A Kafka cluster. `bootstrap` and `cluster_id` are valid after `start`.

    `durable` says whether records survive the broker process. `cluster_id` changes whenever its records are
    gone, so that stored offsets are never taken for offsets of another cluster. `client_options` go to every
    aiokafka client, `librdkafka_options` to every one of confluent-kafka. `partitions_of_one` is the number of
    partitions of every topic where only one consumer can be, which then takes them all at once; None where a consumer
    group shares them out.
    """

    name: BrokerName
    durable: bool
    bootstrap: str
    cluster_id: str
    client_options: dict[str, Any]
    librdkafka_options: dict[str, Any]
    partitions_of_one: int | None

    @property
    def label(self) -> str:
        """The broker in a few words for people, with its address."""
        ...

    async def start(self, progress: Progress) -> None:
        """Bring it up or reach it; also brings a dead local one back. Raises BrokerError."""
        ...

    async def ensure_topic(self, topic: str, partitions: int, settings: Mapping[str, str] = {}) -> None:
        """Create the topic with these settings unless it exists; wait until its partitions have leaders.

        Raises: BrokerError.
        """
        ...

    async def partition_count(self, topic: str) -> int:
        """How many partitions the topic has. Raises KafkaError, TimeoutError or OSError."""
        ...

    async def topic_id(self, topic: str) -> str | None:
        """An id that no earlier or later topic of the same name has; empty where there is none.

        None where there is no such topic. Raises Unanswered.
        """
        ...

    async def healthy(self) -> bool:
        """Whether it answers now."""
        ...

    async def stop(self) -> None:
        """Let go of it, ending what `start` started."""
        ...
