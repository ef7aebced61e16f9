"""The partitions that Kafka has assigned to this process, and the task that runs on each."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from aiokafka import TopicPartition

from services.pipeline.partition import PartitionTask
from services.store.faults import StoreError

LAST_BATCH_WITHIN = 5.0


class Assigned:
    """Tasks by partition, from `begin` to `end`."""

    def __init__(self) -> None:
        self._tasks: dict[TopicPartition, PartitionTask] = {}
        self._running: dict[TopicPartition, asyncio.Task[None]] = {}
        self.tasks: Mapping[TopicPartition, PartitionTask] = MappingProxyType(self._tasks)

    def begin(self, partition: TopicPartition, task: PartitionTask) -> None:
        """Run a task on a partition."""
        self._tasks[partition] = task
        self._running[partition] = asyncio.create_task(task.run(), name=f"partition-{partition.partition}")

    async def end(self, partitions: Iterable[TopicPartition], *, drain: bool = False) -> Sequence[TopicPartition]:
        """Let the batches in flight finish, with `drain` all that was read, and end the terms.

        Returns: the partitions that had a task.
        """
        ending = {partition: self._tasks.pop(partition) for partition in partitions if partition in self._tasks}
        if not ending:
            return ()
        for task in ending.values():
            task.stop_soon(drain=drain)
        running = {partition: self._running.pop(partition) for partition in ending}
        _, late = await asyncio.wait(running.values(), timeout=LAST_BATCH_WITHIN)
        for each in late:
            each.cancel()
        await asyncio.gather(*running.values(), return_exceptions=True)
        for partition, task in ending.items():
            if task.epoch and _blames_no_record(running[partition]):
                with contextlib.suppress(StoreError):
                    await task.close()
        return tuple(ending)

    def raise_errors(self) -> None:
        """Raise what a task ended by: the pipeline is then restarted as a whole."""
        for running in self._running.values():
            if running.done() and not running.cancelled():
                error = running.exception()
                if error is not None:
                    raise error


def _blames_no_record(ended: "asyncio.Task[None]") -> bool:
    """Whether it ended well, or by a store that refuses what is right: the term may end in good order."""
    if ended.cancelled():
        return False
    error = ended.exception()
    return error is None or isinstance(error.__cause__, StoreError)
