"""One assigned partition as its task sees Kafka."""

from datetime import datetime
from typing import Any, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError

from services.brokers.broker import StartFrom


class Revoked(Exception):
    """The partition was revoked; the consumer ends the task soon."""


class Source(Protocol):
    """Where the records of one partition come from. Its methods raise Revoked."""

    async def hold(self) -> int:
        """Let nothing flow; gives the offset at which the broker's records begin."""
        ...

    async def beginning(self) -> int:
        """The offset to begin at when nothing was ever read."""
        ...

    def flow(self, offset: int) -> None:
        """Let records flow from `offset` on."""
        ...


class ConsumerSource:
    """A partition of a consumer."""

    def __init__(self, consumer: Any, partition: TopicPartition, start_from: StartFrom) -> None:
        self._consumer = consumer
        self._partition = partition
        self._start_from = start_from

    async def hold(self) -> int:
        """Let nothing flow; gives the offset at which the broker's records begin."""
        try:
            self._consumer.pause(self._partition)
        except IllegalStateError as error:
            raise Revoked(str(error)) from error
        return int((await self._consumer.beginning_offsets([self._partition]))[self._partition])

    async def beginning(self) -> int:
        """The offset that `start_from` stands for; the end where every record is older."""
        partition, start_from = self._partition, self._start_from
        if start_from == "earliest":
            return int((await self._consumer.beginning_offsets([partition]))[partition])
        if isinstance(start_from, datetime):
            milliseconds = int(start_from.timestamp() * 1000)
            found = (await self._consumer.offsets_for_times({partition: milliseconds}))[partition]
            if found is not None:
                return int(found.offset)
        return int((await self._consumer.end_offsets([partition]))[partition])

    def flow(self, offset: int) -> None:
        """Let records flow from `offset` on."""
        try:
            self._consumer.seek(self._partition, offset)
            self._consumer.resume(self._partition)
        except (IllegalStateError, AssertionError) as error:
            raise Revoked(str(error)) from error
