"""The interface of all brokers, and the code they share: asking a cluster, creating a topic."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, Protocol

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, for_code

from services.errors import UserError, reason_of

_TOPIC_EXISTS = 36
_LEADERS_WITHIN = 30.0
ANSWER_WITHIN = 5.0
MOST_REPLICAS = 3

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


async def describe(bootstrap: str, options: dict[str, Any], within: float = ANSWER_WITHIN) -> str:
    """The id of the cluster at `bootstrap`. Raises KafkaError, TimeoutError or OSError."""
    async with asyncio.timeout(within):
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=int(within * 1000), **options)
        try:
            await admin.start()
            return str((await admin.describe_cluster())["cluster_id"])
        finally:
            await admin.close()


async def answers(bootstrap: str, options: dict[str, Any]) -> bool:
    """Whether a cluster answers at `bootstrap`."""
    try:
        await describe(bootstrap, options)
    except (KafkaError, OSError, TimeoutError):
        return False
    return True


async def count_partitions(bootstrap: str, options: dict[str, Any], topic: str) -> int:
    """How many partitions the topic has. Raises KafkaError, TimeoutError or OSError."""
    async with asyncio.timeout(ANSWER_WITHIN):
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **options)
        try:
            await admin.start()
            (described,) = await admin.describe_topics([topic])
            return len(described["partitions"])
        finally:
            await admin.close()


async def create_topic(
    bootstrap: str, options: dict[str, Any], topic: str, partitions: int, settings: Mapping[str, str]
) -> None:
    """Create the topic unless it exists and wait for its leaders. Raises BrokerError."""
    try:
        async with asyncio.timeout(_LEADERS_WITHIN):
            admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **options)
            try:
                await admin.start()
                brokers = len((await admin.describe_cluster())["brokers"])
                response = await admin.create_topics(
                    [NewTopic(topic, partitions, min(MOST_REPLICAS, brokers), topic_configs=dict(settings))]
                )
                for name, code, *_ in response.topic_errors:
                    if code not in (0, _TOPIC_EXISTS):
                        why = for_code(code).__name__
                        raise BrokerError(
                            f"Kafka at {bootstrap} does not let us create the topic {name} ({why}): "
                            f"create it with {_asked(partitions, settings)}, or choose another with --topic."
                        )
                while not await _has_leaders(admin, topic):
                    await asyncio.sleep(0.05)
            finally:
                await admin.close()
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerError(
            f"Kafka at {bootstrap} does not answer about the topic {topic}: {reason_of(error)}."
        ) from error


def _asked(partitions: int, settings: Mapping[str, str]) -> str:
    return " and ".join([f"{partitions} partitions", *(f"{name}={value}" for name, value in settings.items())])


async def _has_leaders(admin: AIOKafkaAdminClient, topic: str) -> bool:
    (described,) = await admin.describe_topics([topic])
    return described["error_code"] == 0 and all(partition["leader"] >= 0 for partition in described["partitions"])
