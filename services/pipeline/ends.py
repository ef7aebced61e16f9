"""Where partitions end in Kafka: how far behind their tasks are, and what keeps records from flowing."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from services.brokers.broker import Isolation
from services.pipeline.partition import PartitionTask

log = structlog.get_logger("pipeline")

ANSWER_WITHIN = 5.0
OPEN_TRANSACTION_AFTER = 10.0
"""Seconds; a producer commits far sooner, and the broker aborts what its producer left open after 60 by default."""


class _Stand(NamedTuple):
    """Where the last stable offset stands still, and since when."""

    offset: int
    since: float
    named: bool


class Ends:
    """The end of each assigned partition, as the last fetch had it, else as it was asked for.

    With read_committed the log ends at the last stable offset: behind it lies a transaction that is
    still open.
    """

    def __init__(self, isolation: Isolation) -> None:
        self._committed = isolation == "read_committed"
        self._asked: dict[TopicPartition, int] = {}
        self._fetched_at: dict[TopicPartition, int | None] = {}
        self._stands: dict[TopicPartition, _Stand] = {}

    async def probe(self, consumer: Any, tasks: Mapping[TopicPartition, PartitionTask]) -> bool:
        """Ask Kafka where partitions end; whether some got no answer to their fetches since the last time."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                asked = await consumer.end_offsets([*tasks]) if tasks else {}
        except (KafkaError, TimeoutError, IllegalStateError):
            return True
        self._asked = {partition: end for partition, end in asked.items() if partition in tasks}
        self._look_for_open_transactions(consumer, tasks)
        return self._unanswered(consumer, tasks)

    def lag(self, consumer: Any, partition: TopicPartition, task: PartitionTask) -> int:
        """Offsets of this partition that are not stored yet; -1 as long as nothing is known."""
        end = self._end(consumer, partition)
        if end is None:
            end = self._asked.get(partition)
        return -1 if end is None else max(0, end - task.reached)

    def open_transaction(self, partition: TopicPartition) -> float | None:
        """For how many seconds a transaction that is still open has kept records back; None while none does."""
        stand = self._stands.get(partition)
        return time.monotonic() - stand.since if stand is not None and stand.named else None

    def forget(self, partition: TopicPartition) -> None:
        """This partition is another's now."""
        for known in (self._asked, self._fetched_at, self._stands):
            known.pop(partition, None)

    def _end(self, consumer: Any, partition: TopicPartition) -> int | None:
        stable, high = _last_fetched(consumer, partition)
        return stable if self._committed and stable is not None else high

    def _unanswered(self, consumer: Any, tasks: Mapping[TopicPartition, PartitionTask]) -> bool:
        silent = False
        for partition, task in tasks.items():
            fetched_at = _fetched_at(consumer, partition)
            flows = task.inbox.opened and not task.inbox.full and partition not in consumer.paused()
            silent |= flows and self._fetched_at.get(partition, -1) == fetched_at
            self._fetched_at[partition] = fetched_at
        return silent

    def _look_for_open_transactions(self, consumer: Any, tasks: Mapping[TopicPartition, PartitionTask]) -> None:
        if not self._committed:
            return
        now = time.monotonic()
        for partition, task in tasks.items():
            stable, high = _last_fetched(consumer, partition)
            stand = self._stands.get(partition)
            if stable is None or high is None or not (task.reached >= stable < high):
                if self._stands.pop(partition, None) is not None and stand is not None and stand.named:
                    log.info("the open transaction has ended", topic=partition.topic, partition=partition.partition)
            elif stand is None or stand.offset != stable:
                self._stands[partition] = _Stand(stable, now, named=False)
            elif not stand.named and now - stand.since >= OPEN_TRANSACTION_AFTER:
                self._stands[partition] = stand._replace(named=True)
                log.warning(
                    "a transaction left open keeps records back",
                    topic=partition.topic,
                    partition=partition.partition,
                    offset=stable,
                    waiting=high - stable,
                    seconds=round(now - stand.since),
                )


def _last_fetched(consumer: Any, partition: TopicPartition) -> tuple[int | None, int | None]:
    """The last stable offset and the high watermark; None before the first fetch, and where a broker has none."""
    with contextlib.suppress(IllegalStateError, AssertionError):
        stable, high = consumer.last_stable_offset(partition), consumer.highwater(partition)
        return None if stable is None or stable < 0 else int(stable), None if high is None else int(high)
    return None, None


def _fetched_at(consumer: Any, partition: TopicPartition) -> int | None:
    with contextlib.suppress(IllegalStateError, AssertionError):
        found: int | None = consumer.last_poll_timestamp(partition)
        return found
    return None
