"""Asking a cluster, and creating a topic, through a client that is gone afterwards."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, for_code

from services.brokers.broker import ANSWER_WITHIN, BrokerError
from services.errors import reason_of

_TOPIC_EXISTS = 36
_LEADERS_WITHIN = 30.0
MOST_REPLICAS = 3


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
                # An embedded broker, and whoever may not create topics, can still have the topic.
                if topic not in await admin.list_topics():
                    await _create(admin, bootstrap, topic, partitions, settings)
                while not await _has_leaders(admin, topic):
                    await asyncio.sleep(0.05)
            finally:
                await admin.close()
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerError(
            f"Kafka at {bootstrap} does not answer about the topic {topic}: {reason_of(error)}."
        ) from error


async def _create(
    admin: AIOKafkaAdminClient, bootstrap: str, topic: str, partitions: int, settings: Mapping[str, str]
) -> None:
    cluster = await admin.describe_cluster()
    brokers = [broker["node_id"] for broker in cluster["brokers"]]
    if cluster["controller_id"] not in brokers:
        raise BrokerError(
            f"Kafka at {bootstrap} has no topic {topic} and no controller to create it: choose the topic of the engine "
            "that runs with --topic, or try again when the cluster is up."
        )
    response = await admin.create_topics(
        [NewTopic(topic, partitions, min(MOST_REPLICAS, len(brokers)), topic_configs=dict(settings))]
    )
    for name, code, *_ in response.topic_errors:
        if code not in (0, _TOPIC_EXISTS):
            why = for_code(code).__name__
            raise BrokerError(
                f"Kafka at {bootstrap} does not let us create the topic {name} ({why}): "
                f"create it with {_asked(partitions, settings)}, or choose another with --topic."
            )


def _asked(partitions: int, settings: Mapping[str, str]) -> str:
    return " and ".join([f"{partitions} partitions", *(f"{name}={value}" for name, value in settings.items())])


async def _has_leaders(admin: AIOKafkaAdminClient, topic: str) -> bool:
    (described,) = await admin.describe_topics([topic])
    return described["error_code"] == 0 and all(partition["leader"] >= 0 for partition in described["partitions"])
