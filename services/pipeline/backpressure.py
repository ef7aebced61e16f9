"""Pauses partitions whose inboxes are full and resumes them once half empty."""

from collections.abc import Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError

from services.pipeline.inbox import Inbox


class Backpressure:
    """Which partitions are paused is asked of the consumer, because a rebalance forgets pauses."""

    def __init__(self) -> None:
        self.paused = 0
        """How many partitions are held back now; those that are still being restored do not count."""

    def apply(self, consumer: Any, inboxes: Mapping[TopicPartition, Inbox]) -> None:
        """Hold back and let flow; a closed inbox is left alone, its partition flows once it is open."""
        paused = consumer.paused()
        held = 0
        for partition, inbox in inboxes.items():
            if not inbox.opened:
                continue
            try:
                if inbox.full:
                    held += 1
                    if partition not in paused:
                        consumer.pause(partition)
                elif partition in paused:
                    if inbox.drained_enough:
                        consumer.resume(partition)
                    else:
                        held += 1
            except IllegalStateError:
                continue
        self.paused = held
