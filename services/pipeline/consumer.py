"""The consumer: polls Kafka without pause and keeps one detector task on every assigned partition."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from detectors.models import Models
from domain.engine import Backlog, PartitionStatus
from services.brokers.broker import Broker, BrokerError, Isolation, StartFrom, Unanswered
from services.console.bus import Bus
from services.errors import reason_of
from services.pipeline import member
from services.pipeline.assigned import Assigned
from services.pipeline.backpressure import Backpressure
from services.pipeline.batching import Batching
from services.pipeline.catchup import CatchUp
from services.pipeline.desks import Desks
from services.pipeline.ends import ANSWER_WITHIN, Ends
from services.pipeline.gate import event_times
from services.pipeline.hops import Hops
from services.pipeline.keying import COPY, CopyLost, Keyed, Keying, NotKeyedByUser
from services.pipeline.partition import PartitionTask
from services.pipeline.rereading import Rereading, is_of_a_record
from services.pipeline.scoring import Record
from services.pipeline.shared import Shared
from services.pipeline.source import ConsumerSource
from services.pipeline.together import Together
from services.pipeline.topic import TopicWatch
from services.pipeline.turns import Turns
from services.process.supervisor import Worker
from services.records import mapping as mappings
from services.store.faults import Rekeyed
from services.store.store import Store

log = structlog.get_logger("pipeline")

REJOIN_AFTER = 2 * member.SESSION_TIMEOUT_MS / 1000
POLL_MS = 100
FETCH_RECORDS = 4_000
CACHE_BYTES = 64 * 1024 * 1024
KAFKA_COMMIT_EVERY = 5.0
PROBE_EVERY = 5.0
AGAIN_AFTER = 1.0


class Pipeline(Worker, ConsumerRebalanceListener):  # type: ignore[misc]
    """Consumer, scorers and writers of one engine; they start, fail and restart together.

    At most so many `workers` are processes that score, from the first batch of `full` records on, or with 0 from the
    start; without `full` that is as many as a batch may have. Else scoring is done in this process.
    `start_from` is where a partition begins of which nothing was ever read. `until_fit` waits for a fit that is due and
    gives how many more transactions may be stored before the next; without it a backlog does not wait for fits. A topic
    that is not keyed by user is read through a copy that is; `on_rekeyed` hears so, at every start.
    """

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
        cache_bytes: int = CACHE_BYTES,
        workers: int = 0,
        full: int | None = None,
        isolation: Isolation = "read_committed",
        start_from: StartFrom = "earliest",
        until_fit: Callable[[], Awaitable[int]] | None = None,
        keyed: Keyed = "auto",
        on_rekeyed: Callable[[Keying], None] = lambda keying: None,
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
        self._cache_bytes = cache_bytes
        self._isolation: Isolation = isolation
        self._start_from: StartFrom = start_from
        self._watch = TopicWatch(broker, topic)
        self._watching: asyncio.Task[None] | None = None
        self._keyed: Keyed = keyed
        self._on_rekeyed = on_rekeyed
        self._hops: Hops | None = None
        self._turns = Turns()
        self._assigned = Assigned()
        self._tasks = self._assigned.tasks
        self._backpressure = Backpressure()
        self._ends = Ends(isolation)
        self._rereading = Rereading(broker, isolation)
        self._consumer: Any = None
        self._shared: Shared | None = None
        self._workers = workers
        self._full = batch_size if full is None else full
        self._desks: Desks | None = None
        self._moved_at = 0.0
        self._catch_up = None if until_fit is None else self._caught_up_by(until_fit)

    @contextlib.asynccontextmanager
    async def quiet(self) -> AsyncIterator[None]:
        """Score and commit nothing meanwhile; profiles are read again from the store afterwards."""
        async with self._turns.alone():
            try:
                yield
            finally:
                if self._desks is not None:
                    self._desks.clear()

    async def startup(self) -> None:
        """Start the consumer and let it have its partitions. Raises: PermanentError."""
        await self._store.check_schema()
        desks = self._desks = Desks(self._workers, self._mapping, self._cache_bytes, self._full)
        partitions = await self._broker.partition_count(self._topic)
        keying = Keying(self._store, self._broker.cluster_id, self._topic, self._keyed, partitions, self._exists)
        await keying.load()
        together = {
            desk: Together(self._turns, Batching(desk, self._store, self._bus, keying, self._models), self._batch_size)
            for desk in desks.each
        }
        self._shared = Shared(
            cluster=self._broker.cluster_id,
            topic=self._watch,
            owner=self._owner,
            store=self._store,
            bus=self._bus,
            batch_size=self._batch_size,
            turns=self._turns,
            together=lambda partition: together[desks.of(partition)],
            keying=keying,
        )
        await self._join()
        self._watching = asyncio.create_task(self._watch.watch(), name="topic")

    async def _exists(self, topic: str) -> bool:
        """Whether a topic is there; one that cannot be asked about is taken to be."""
        if self._broker.partitions_of_one is not None:
            # Nobody else reaches it, and it forgets its topics.
            return False
        try:
            return await self._broker.topic_id(topic) is not None
        except Unanswered:
            return True

    async def _join(self) -> None:
        keying = self._keying
        if keying.rekeyed:
            await self._broker.ensure_topic(keying.consumed, keying.partitions, COPY)
            self._on_rekeyed(keying)
            self._hops = self._hops or Hops(self._store, self._broker.cluster_id, self._topic)
            self._hops.start()
        self._watch.follow(keying.consumed)
        await self._watch.look()
        self._watch.changed = False
        alone_on = self._broker.partitions_of_one
        consumer = await member.started(self._broker, self._group, self._isolation)
        self._consumer = consumer
        self._moved_at = time.monotonic()
        if alone_on is None:
            consumer.subscribe([keying.consumed], listener=self)
        else:
            partitions = [TopicPartition(keying.consumed, number) for number in range(alone_on)]
            consumer.assign(partitions)
            await self.on_partitions_assigned(partitions)

    async def main_loop(self) -> None:
        """Poll for ever, also while everything is paused: a member that does not poll is thrown out."""
        committed_at = probed_at = time.monotonic()
        while True:
            await self._rejoin_where_keyed_otherwise()
            if self._catch_up is not None:
                self._catch_up.check()
            held = self._rereading.held()
            self._backpressure.apply(self._consumer, {p: t.inbox for p, t in self._tasks.items() if p not in held})
            fetched = await self._poll()
            for partition, task in list(self._tasks.items()):
                task.inbox.offer(fetched.get(partition, ()))
                if task.inbox.opened:
                    with contextlib.suppress(IllegalStateError):
                        task.inbox.reach(await self._consumer.position(partition))
            now = time.monotonic()
            if fetched:
                self._moved_at = now
            if self._watch.changed and not self._keying.rekeyed:
                # What was read of the old topic can be read nowhere else: it is stored first.
                await self._end(list(self._tasks), drain=True)
                await self._rejoin()
            if now - committed_at > KAFKA_COMMIT_EVERY:
                committed_at = now
                await self._commit_to_kafka()
            if now - probed_at > PROBE_EVERY:
                probed_at = now
                await self._probe()
            self.degraded = (
                self._watch.id is None
                or bool(self._rereading.corrupt)
                or any(
                    task.state == "degraded" or self._ends.open_transaction(partition) is not None
                    for partition, task in self._tasks.items()
                )
            )
            self.beat(self._describe())

    async def _poll(self) -> Mapping[TopicPartition, Sequence[Any]]:
        try:
            fetched: Mapping[TopicPartition, Sequence[Any]] = await self._consumer.getmany(
                timeout_ms=POLL_MS, max_records=FETCH_RECORDS
            )
        except NoOffsetForPartitionError:
            # Just assigned: its task has not said yet where to read.
            return {}
        except OffsetOutOfRangeError as error:
            for partition, offset in error.args[0].items():
                if partition in self._tasks:
                    self._tasks[partition].out_of_range(offset)
                    with contextlib.suppress(IllegalStateError):
                        self._consumer.pause(partition)
            return {}
        except Exception as error:
            if not is_of_a_record(error):
                raise
            await self._rereading.read_on(self._consumer, self._tasks, error)
            return {}
        for partition in fetched:
            self._rereading.passed(partition)
        return fetched

    async def shutdown(self) -> None:
        """Finish the batches in flight, end the terms, leave the group."""
        if self._watching is not None:
            self._watching.cancel()
        if self._catch_up is not None:
            await self._catch_up.stop()
        await self._end(list(self._tasks))
        if self._hops is not None:
            await self._hops.stop()
        await self._rereading.stop()
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            await member.stop(consumer)
        if self._desks is not None:
            desks, self._desks = self._desks, None
            await desks.close()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Pause before anything else: aiokafka hands out records while this listener still runs."""
        partitions = list(assigned)
        if self._consumer is None:
            return
        self._consumer.pause(*partitions)
        for partition in partitions:
            # Anywhere, so that aiokafka does not look for a place itself; the task seeks before anything flows.
            self._consumer.seek(partition, 0)
            self._begin(partition)
        if self._catch_up is not None:
            self._catch_up.begin()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Let the batches in flight finish; whatever does not is fenced by the next owner."""
        await self._end(list(revoked))

    def _begin(self, partition: TopicPartition) -> None:
        assert self._shared is not None
        # All of a copy has to be read, whatever was asked of the topic itself.
        start_from: StartFrom = "earliest" if self._keying.rekeyed else self._start_from
        source = ConsumerSource(self._consumer, partition, start_from)
        self._assigned.begin(partition, PartitionTask(self._shared, partition.partition, source))

    async def _end(self, partitions: Iterable[TopicPartition], *, drain: bool = False) -> None:
        for partition in await self._assigned.end(partitions, drain=drain):
            self._ends.forget(partition)
            self._rereading.passed(partition)

    async def _rejoin_where_keyed_otherwise(self) -> None:
        try:
            self._assigned.raise_errors()
            self._check_copy()
        except NotKeyedByUser as found:
            await self._keying.rekey(found)
        except CopyLost as lost:
            await self._keying.replace(str(lost))
        except Rekeyed:
            await self._keying.load()
        else:
            return
        await self._rejoin()

    def _check_copy(self) -> None:
        """Raises: CopyLost."""
        if self._keying.rekeyed and (self._watch.gone or self._watch.changed):
            raise CopyLost(f"{self._watch.name} was deleted" + (" and made again" if self._watch.changed else ""))

    async def _commit_to_kafka(self) -> None:
        """For lag shown by other tools only; the offsets that count are in PostgreSQL."""
        offsets = {partition: task.reached for partition, task in self._tasks.items() if task.reached > 0}
        if offsets and self._broker.partitions_of_one is None:
            with contextlib.suppress(KafkaError, asyncio.TimeoutError):
                async with asyncio.timeout(2):
                    await self._consumer.commit(offsets)

    async def _probe(self) -> None:
        """Join again with a new consumer when fetches get no answer."""
        stuck = await self._ends.probe(self._consumer, dict(self._tasks))
        now = time.monotonic()
        if not stuck:
            self._moved_at = now
        elif now - self._moved_at > REJOIN_AFTER:
            log.warning("fetches get no answer; joining again with a new consumer")
            await self._rejoin()

    async def _rejoin(self) -> None:
        if self._catch_up is not None:
            await self._catch_up.stop()
        await self._end(list(self._tasks))
        consumer, self._consumer = self._consumer, None
        await member.stop(consumer)
        while True:
            try:
                await self._join()
                return
            except (KafkaError, BrokerError, Unanswered, OSError, TimeoutError) as error:
                self.degraded = True
                self.beat(f"Kafka does not answer: {reason_of(error)}")
                await asyncio.sleep(AGAIN_AFTER)

    def _describe(self) -> str:
        states = [task.state for task in self._tasks.values()]
        if self._watch.id is None:
            return f"there is no topic {self._watch.name} any more: waiting until it is made again"
        if not states:
            return "waiting for partitions"
        counted = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
        paused = self._backpressure.paused
        said = [f"partitions: {counted}" + (f", {paused} paused" if paused else "")]
        for partition in sorted(self._tasks):
            held_for = self._ends.open_transaction(partition)
            if held_for is not None:
                said.append(f"partition {partition.partition}: a transaction is open for {held_for:.0f} s")
        waits_for = {task.waits_for for task in self._tasks.values() if task.state == "degraded"}
        said += [f"{trouble}; records that wait: {self.lag:,}" for trouble in sorted(waits_for)]
        said += self._rereading.corrupt
        said += () if self._desks is None else self._desks.troubles
        if self._bus.topic_resets:
            said.append(f"{self._bus.topic_resets} read from the beginning: the topic was made again or shortened")
        return "; ".join(said)

    @property
    def scorers(self) -> Sequence[int]:
        """The processes that score for this one."""
        return () if self._desks is None else self._desks.pids

    @property
    def _keying(self) -> Keying:
        assert self._shared is not None
        return self._shared.keying

    @property
    def partitions(self) -> tuple[PartitionStatus, ...]:
        """Every owned partition, by number."""
        return tuple(
            PartitionStatus(
                partition=partition.partition,
                state=task.state,
                next_offset=task.next_offset,
                lag=self._ends.lag(self._consumer, partition, task),
                epoch=task.epoch,
                held_for=self._ends.open_transaction(partition),
                account=task.account,
            )
            for partition, task in sorted(self._tasks.items())
        )

    @property
    def backlog(self) -> Backlog | None:
        """What is left of the records that waited when partitions were assigned."""
        return None if self._catch_up is None else self._catch_up.backlog

    def _caught_up_by(self, until_fit: Callable[[], Awaitable[int]]) -> CatchUp:
        async def ends(numbers: Sequence[int]) -> dict[int, int]:
            partitions = [TopicPartition(self._keying.consumed, number) for number in numbers]
            async with asyncio.timeout(ANSWER_WITHIN):
                found = await self._consumer.end_offsets(partitions)
            return {partition.partition: end for partition, end in found.items()}

        async def before_copy() -> Callable[[], int] | None:
            if self._hops is None:
                return None
            partitions = [TopicPartition(self._topic, number) for number in range(self._keying.partitions)]
            async with asyncio.timeout(ANSWER_WITHIN):
                found = await self._consumer.end_offsets(partitions)
            await self._hops.known()
            waited = {partition.partition: end for partition, end in found.items()}
            return lambda: self.behind(waited)

        def times(records: Sequence[Record]) -> Awaitable[Sequence[float]]:
            assert self._desks is not None
            return self._desks.in_thread(event_times, records, self._mapping)

        return CatchUp(
            tasks=lambda: {partition.partition: task for partition, task in self._tasks.items()},
            ends=ends,
            until_fit=until_fit,
            event_times=times,
            before_copy=before_copy,
        )

    @property
    def queued(self) -> int:
        """Records waiting to be scored."""
        return sum(len(task.inbox) for task in self._tasks.values())

    def behind(self, ends: Mapping[int, int]) -> int:
        """How many records before these end offsets (by partition) are not stored yet."""
        if self._hops is not None:
            return self._hops.behind(ends)
        stored = {partition.partition: task.reached for partition, task in self._tasks.items()}
        return sum(max(0, end - stored.get(partition, 0)) for partition, end in ends.items())

    @property
    def lag(self) -> int:
        """Records in Kafka that are not stored yet, as far as the last fetches and probes say."""
        return sum(max(0, status.lag) for status in self.partitions)
