"""The consumer: polls Kafka without pause and keeps one detector task on every assigned partition."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from detectors.models import Models
from domain.engine import PartitionStatus
from services.brokers.broker import Broker
from services.console.bus import Bus
from services.pipeline.partition import PartitionTask
from services.process.supervisor import Worker
from services.records import mapping as mappings
from services.store.faults import StoreError
from services.store.store import Store

log = structlog.get_logger("pipeline")

SESSION_TIMEOUT_MS = 15_000
POLL_MS = 100
FETCH_RECORDS = 4_000
CACHE_BYTES = 64 * 1024 * 1024
LAST_BATCH_WITHIN = 5.0
BATCHES_AT_ONCE = 4
PACE_PER_PARTITION = 0.008
"""Fewer batches at once would leave PostgreSQL idle; more, or more of them a second, would be small ones. A commit
costs about what scoring a hundred transactions does, so that many small batches starve whatever else runs."""

KAFKA_COMMIT_EVERY = 5.0
PROBE_EVERY = 5.0


class Pipeline(Worker, ConsumerRebalanceListener):  # type: ignore[misc]
    """Consumer, scorers and writers of one process; they start, fail and restart together."""

    name = "pipeline"

    def __init__(
        self,
        *,
        broker: Broker,
        store: Store,
        bus: Bus,
        models: Callable[[], Models],
        mapping: mappings.Mapping | None,
        topic: str,
        group: str,
        owner: str,
        batch_size: int,
    ) -> None:
        super().__init__()
        self._broker = broker
        self._store = store
        self._bus = bus
        self._models = models
        self._mapping = mapping
        self._topic = topic
        self._group = group
        self._owner = owner
        self._batch_size = batch_size
        self._tasks: dict[TopicPartition, tuple[PartitionTask, asyncio.Task[None]]] = {}
        self._paused: set[TopicPartition] = set()
        self._slots = asyncio.Semaphore(BATCHES_AT_ONCE)
        self._consumer: Any = None
        self._executor: ThreadPoolExecutor | None = None
        self._lag: dict[TopicPartition, int] = {}
        self._moved_at = 0.0

    async def startup(self) -> None:
        """Start the consumer and let it have its partitions."""
        # One thread: scoring is pure Python, of which two threads together get no more done.
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scorer")
        await self._join()

    async def _join(self) -> None:
        alone_on = self._broker.partitions_of_one
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._broker.bootstrap,
            group_id=self._group if alone_on is None else None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=3_000,
            fetch_max_wait_ms=50,
            max_poll_interval_ms=300_000,
            fetch_max_bytes=16 * 1024 * 1024,
            max_partition_fetch_bytes=4 * 1024 * 1024,
            **self._broker.client_options,
        )
        await consumer.start()
        self._consumer = consumer
        self._moved_at = time.monotonic()
        if alone_on is None:
            consumer.subscribe([self._topic], listener=self)
        else:
            partitions = [TopicPartition(self._topic, number) for number in range(alone_on)]
            consumer.assign(partitions)
            await self.on_partitions_assigned(partitions)

    async def main_loop(self) -> None:
        """Poll for ever, also while everything is paused: a member that does not poll is thrown out."""
        committed_at = probed_at = time.monotonic()
        while True:
            self._raise_task_errors()
            self._apply_pressure()
            fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=FETCH_RECORDS)
            for partition, records in fetched.items():
                if partition in self._tasks:
                    self._tasks[partition][0].offer(records)
            now = time.monotonic()
            if fetched:
                self._moved_at = now
            if now - committed_at > KAFKA_COMMIT_EVERY:
                committed_at = now
                await self._commit_to_kafka()
            if now - probed_at > PROBE_EVERY:
                probed_at = now
                await self._probe()
            self.degraded = any(task.state == "degraded" for task, _ in self._tasks.values())
            self.beat(self._describe())

    async def shutdown(self) -> None:
        """Finish the batches in flight, end the terms, leave the group."""
        await self._end(list(self._tasks))
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            await _stop(consumer)
        if self._executor is not None:
            self._executor.shutdown(wait=False)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Pause before anything else: aiokafka hands out records while this listener still runs."""
        partitions = list(assigned)
        if self._consumer is None:
            return
        self._consumer.pause(*partitions)
        for partition in partitions:
            self._begin(partition)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Let the batches in flight finish; whatever does not is fenced by the next owner."""
        await self._end(list(revoked))

    def _begin(self, partition: TopicPartition) -> None:
        consumer = self._consumer

        async def seek(offset: int) -> int:
            return await self._seek(consumer, partition, offset)

        assert self._executor is not None
        task = PartitionTask(
            cluster=self._broker.cluster_id,
            topic=self._topic,
            partition=partition.partition,
            owner=self._owner,
            store=self._store,
            executor=self._executor,
            models=self._models,
            mapping=self._mapping,
            bus=self._bus,
            batch_size=self._batch_size,
            cache_bytes=CACHE_BYTES // max(1, len(self._tasks) + 1),
            seek=seek,
            slots=self._slots,
            pace=lambda: PACE_PER_PARTITION * len(self._tasks),
        )
        self._tasks[partition] = task, asyncio.create_task(task.run(), name=f"partition-{partition.partition}")

    async def _seek(self, consumer: Any, partition: TopicPartition, offset: int) -> int:
        """Move to `offset`, or to where the broker's records begin; let the partition flow."""
        self._paused.discard(partition)
        try:
            consumer.pause(partition)
            first = (await consumer.beginning_offsets([partition]))[partition]
            start = max(offset, first)
            consumer.seek(partition, start)
            consumer.resume(partition)
        except (IllegalStateError, AssertionError):
            # Revoked meanwhile: the listener ends this task.
            return offset
        return int(start)

    async def _end(self, partitions: Iterable[TopicPartition]) -> None:
        ending = {partition: self._tasks.pop(partition) for partition in partitions if partition in self._tasks}
        for task, _ in ending.values():
            task.stop_soon()
        if not ending:
            return
        _, late = await asyncio.wait({running for _, running in ending.values()}, timeout=LAST_BATCH_WITHIN)
        for running in late:
            running.cancel()
        await asyncio.gather(*(running for _, running in ending.values()), return_exceptions=True)
        for partition, (task, running) in ending.items():
            self._paused.discard(partition)
            self._lag.pop(partition, None)
            if not running.cancelled() and task.epoch:
                with contextlib.suppress(StoreError):
                    await task.close()

    def _raise_task_errors(self) -> None:
        """A task that ended by an error of ours takes the pipeline down, to be restarted as a whole."""
        for _, running in self._tasks.values():
            if running.done() and not running.cancelled():
                error = running.exception()
                if error is not None:
                    raise error

    def _apply_pressure(self) -> None:
        """Pause partitions with full queues, resume those half empty; a rebalance forgets pauses."""
        for partition, (task, _) in self._tasks.items():
            try:
                if task.full and partition not in self._paused:
                    self._consumer.pause(partition)
                    self._paused.add(partition)
                elif partition in self._paused and task.drained_enough:
                    self._consumer.resume(partition)
                    self._paused.discard(partition)
            except IllegalStateError:
                continue

    async def _commit_to_kafka(self) -> None:
        """For lag shown by other tools only; the offsets that count are in PostgreSQL."""
        offsets = {partition: task.next_offset for partition, (task, _) in self._tasks.items() if task.next_offset > 0}
        if offsets and self._broker.partitions_of_one is None:
            with contextlib.suppress(KafkaError, asyncio.TimeoutError):
                await asyncio.wait_for(self._consumer.commit(offsets), 2)

    async def _probe(self) -> None:
        """Learn the end offsets; rejoin with a new consumer when records wait but none arrive."""
        partitions = list(self._tasks)
        try:
            ends = await asyncio.wait_for(self._consumer.end_offsets(partitions), 5) if partitions else {}
        except (KafkaError, TimeoutError, IllegalStateError):
            ends = None
        now = time.monotonic()
        stuck = ends is None
        if ends is not None:
            self._lag = {p: max(0, end - self._tasks[p][0].next_offset) for p, end in ends.items() if p in self._tasks}
            stuck = any(
                ends.get(p, 0) > task.next_offset and not task.queued and task.state == "running"
                for p, (task, _) in self._tasks.items()
            )
        if not stuck:
            self._moved_at = now
        elif now - self._moved_at > 2 * SESSION_TIMEOUT_MS / 1000:
            log.warning("no records although some wait; joining again with a new consumer")
            await self._end(partitions)
            consumer, self._consumer = self._consumer, None
            await _stop(consumer)
            await self._join()

    def _describe(self) -> str:
        states = [task.state for task, _ in self._tasks.values()]
        if not states:
            return "waiting for partitions"
        counted = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
        return f"partitions: {counted}" + (f", {len(self._paused)} paused" if self._paused else "")

    @property
    def partitions(self) -> tuple[PartitionStatus, ...]:
        """Every owned partition, by number."""
        return tuple(
            PartitionStatus(
                partition=partition.partition,
                state=task.state,
                next_offset=task.next_offset,
                lag=self._current_lag(partition, task),
                epoch=task.epoch,
            )
            for partition, (task, _) in sorted(self._tasks.items())
        )

    def _current_lag(self, partition: TopicPartition, task: PartitionTask) -> int:
        end = None
        if self._consumer is not None:
            with contextlib.suppress(IllegalStateError, AssertionError):
                end = self._consumer.highwater(partition)
        if end is None:
            return self._lag.get(partition, -1)
        return max(0, int(end) - task.next_offset)

    @property
    def queued(self) -> int:
        """Records waiting to be scored."""
        return sum(task.queued for task, _ in self._tasks.values())

    def behind(self, ends: Mapping[int, int]) -> int:
        """How many records before these end offsets (by partition) are not stored yet."""
        stored = {partition.partition: task.next_offset for partition, (task, _) in self._tasks.items()}
        return sum(max(0, end - stored.get(partition, 0)) for partition, end in ends.items())

    @property
    def lag(self) -> int:
        """Records in Kafka that are not stored yet, as far as the last fetches and probes tell."""
        return sum(max(0, status.lag) for status in self.partitions)


async def _stop(consumer: Any) -> None:
    """aiokafka's stop can wait for a broker that is gone."""
    with contextlib.suppress(KafkaError, asyncio.TimeoutError):
        await asyncio.wait_for(consumer.stop(), 5)
