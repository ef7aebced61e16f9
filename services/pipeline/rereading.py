"""Reads on where the consumer's parser refuses something, so that nothing in a record ends the pipeline."""

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any, Protocol

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import (
    CorruptRecordException,
    IllegalStateError,
    KafkaError,
    OffsetOutOfRangeError,
    UnsupportedCodecError,
)

from services.brokers.broker import Broker, Isolation
from services.brokers.log import CorruptLog, LogReader
from services.errors import reason_of
from services.pipeline.inbox import Inbox

log = structlog.get_logger("pipeline")

MOST_BYTES = 512 * 1024
AGAIN_AFTER = 10.0
"""Seconds until what is corrupt is read again: another replica may become the leader."""


class HasInbox(Protocol):
    """The task of a partition."""

    inbox: Inbox


def is_of_a_record(error: Exception) -> bool:
    """Whether it is about what stands in the log, and not about how Kafka can be reached."""
    return not isinstance(error, KafkaError) or isinstance(error, CorruptRecordException | UnsupportedCodecError)


class Rereading:
    """Reads every flowing partition from its inbox's position, in Kafka's own log.

    The consumer does not say which partition it was, and what it had taken of others before is lost in it; so none of
    its positions count. A partition whose log is corrupt is held back and tried again, the others go on.
    """

    def __init__(self, broker: Broker, isolation: Isolation) -> None:
        self._broker = broker
        self._isolation: Isolation = isolation
        self._reader: LogReader | None = None
        self._stack = AsyncExitStack()
        self._corrupt: dict[TopicPartition, tuple[str, float]] = {}

    async def read_on(self, consumer: Any, tasks: Mapping[TopicPartition, HasInbox], error: Exception) -> None:
        """Fill the inboxes with what lies next, and have the consumer read behind it."""
        log.warning("the Kafka client cannot read a record: reading the log itself", error=reason_of(error))
        try:
            await self._read_all(consumer, tasks)
        except (KafkaError, TimeoutError, OSError) as unanswered:
            log.warning("Kafka's log cannot be read now", error=reason_of(unanswered))

    async def _read_all(self, consumer: Any, tasks: Mapping[TopicPartition, HasInbox]) -> None:
        # First of all, since what it handed out last is lost, whether the log can be read now or not.
        for partition, task in tasks.items():
            if task.inbox.opened:
                with suppress(IllegalStateError):
                    consumer.seek(partition, task.inbox.position)
        if self._reader is None:
            self._reader = await self._stack.enter_async_context(LogReader(self._broker, self._isolation))
        for partition, task in list(tasks.items()):
            try:
                if task.inbox.opened and partition not in consumer.paused():
                    await self._read(self._reader, consumer, partition, task.inbox)
            except (IllegalStateError, OffsetOutOfRangeError):
                # It was given back meanwhile, or the consumer finds the same at its next fetch.
                continue

    async def _read(self, reader: LogReader, consumer: Any, partition: TopicPartition, inbox: Inbox) -> None:
        position, generation = inbox.position, inbox.generation
        try:
            fetched = await reader.fetch(partition, position, MOST_BYTES)
        except CorruptLog as corrupt:
            self._hold(consumer, partition, corrupt)
            return
        if not inbox.opened or (inbox.position, inbox.generation) != (position, generation):
            return
        inbox.offer([record for batch in fetched.batches if batch.kind == "records" for record in batch.records])
        inbox.reach(fetched.following)
        consumer.seek(partition, inbox.position)
        self.passed(partition)

    def _hold(self, consumer: Any, partition: TopicPartition, corrupt: CorruptLog) -> None:
        if partition not in self._corrupt:
            log.error("Kafka's log is corrupt, the partition waits", detail=str(corrupt))
        self._corrupt[partition] = str(corrupt), time.monotonic() + AGAIN_AFTER
        consumer.pause(partition)

    def held(self) -> set[TopicPartition]:
        """Partitions whose log is corrupt and not tried again yet."""
        now = time.monotonic()
        return {partition for partition, (_, until) in self._corrupt.items() if now < until}

    def passed(self, partition: TopicPartition) -> None:
        """Something of it was read, or it is another's now."""
        if self._corrupt.pop(partition, None) is not None:
            log.info("the log can be read again", topic=partition.topic, partition=partition.partition)

    @property
    def corrupt(self) -> list[str]:
        """What is corrupt, each in a sentence."""
        return [said for said, _ in self._corrupt.values()]

    async def stop(self) -> None:
        """Disconnect."""
        self._corrupt.clear()
        self._reader = None
        await self._stack.aclose()
