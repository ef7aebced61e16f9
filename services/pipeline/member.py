"""The consumer of a process as a member of its group, or alone where the broker lets nobody else in."""

import asyncio

from aiokafka import AIOKafkaConsumer

from services.brokers.broker import Broker, Isolation

SESSION_TIMEOUT_MS = 15_000
METADATA_EVERY_MS = 30_000
"""How soon partitions that were added to the topic are noticed."""


async def started(broker: Broker, group: str, isolation: Isolation) -> AIOKafkaConsumer:
    """A consumer that has no partitions yet. Raises KafkaError when the broker does not answer."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap,
        group_id=group if broker.partitions_of_one is None else None,
        enable_auto_commit=False,
        # The offsets that count are in PostgreSQL: to be sent elsewhere by Kafka would be a loss nobody hears of.
        auto_offset_reset="none",
        isolation_level=isolation,
        metadata_max_age_ms=METADATA_EVERY_MS,
        session_timeout_ms=SESSION_TIMEOUT_MS,
        heartbeat_interval_ms=3_000,
        fetch_max_wait_ms=50,
        max_poll_interval_ms=300_000,
        fetch_max_bytes=16 * 1024 * 1024,
        max_partition_fetch_bytes=4 * 1024 * 1024,
        **broker.client_options,
    )
    try:
        await consumer.start()
    except BaseException:
        await stop(consumer)
        raise
    return consumer


async def stop(consumer: AIOKafkaConsumer) -> None:
    """Leave; aiokafka's own stop can wait for a broker that is gone, or end in a cancellation that is not ours."""
    stopping = asyncio.create_task(consumer.stop(), name="leave")
    _, late = await asyncio.wait((stopping,), timeout=5)
    for each in late:
        each.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
