"""One assigned partition as its task sees Kafka."""

from typing import Any, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError


class Source(Protocol):
    """Where the records of one partition come from."""

    async def seek(self, offset: int) -> int:
        """Let records flow from `offset` on, or from where the broker's records begin, which is returned."""
        ...


class ConsumerSource:
    """A partition of a consumer."""

    def __init__(self, consumer: Any, partition: TopicPartition) -> None:
        self._consumer = consumer
        self._partition = partition

    async def seek(self, offset: int) -> int:
        """Let records flow from `offset` on, or from where the broker's records begin, which is returned."""
        partition = self._partition
        try:
            self._consumer.pause(partition)
            first = (await self._consumer.beginning_offsets([partition]))[partition]
            start = max(offset, first)
            self._consumer.seek(partition, start)
            self._consumer.resume(partition)
        except (IllegalStateError, AssertionError):
            # Revoked meanwhile: the listener ends this task.
            return offset
        return int(start)
