"""Where partitions end in Kafka, and so how far behind their tasks are."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from services.pipeline.partition import PartitionTask

ANSWER_WITHIN = 5.0


class Ends:
    """The end offsets of assigned partitions: as the last fetch had them, else as they were asked for."""

    def __init__(self) -> None:
        self._lag: dict[TopicPartition, int] = {}

    async def probe(self, consumer: Any, tasks: Mapping[TopicPartition, PartitionTask]) -> bool:
        """Ask Kafka for the end offsets; whether records wait that do not arrive, or it does not answer."""
        try:
            ends = await asyncio.wait_for(consumer.end_offsets([*tasks]), ANSWER_WITHIN) if tasks else {}
        except (KafkaError, TimeoutError, IllegalStateError):
            return True
        self._lag = {p: max(0, end - tasks[p].next_offset) for p, end in ends.items() if p in tasks}
        return any(
            ends.get(partition, 0) > task.next_offset and not task.inbox and task.state == "running"
            for partition, task in tasks.items()
        )

    def lag(self, consumer: Any, partition: TopicPartition, task: PartitionTask) -> int:
        """Records of this partition in Kafka that are not stored yet; -1 as long as nothing is known."""
        end = None
        if consumer is not None:
            with contextlib.suppress(IllegalStateError, AssertionError):
                end = consumer.highwater(partition)
        if end is None:
            return self._lag.get(partition, -1)
        return max(0, int(end) - task.next_offset)

    def forget(self, partition: TopicPartition) -> None:
        """This partition is another's now."""
        self._lag.pop(partition, None)
