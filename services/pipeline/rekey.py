"""The re-keyer: copies a topic that is not keyed by user into one that is, from which the pipeline reads.

At most one engine re-keys a topic, the one that holds a lock in PostgreSQL; others stand by. It reads every partition,
because records of one user come in any of them, and sends each record on in the order of event times, as far as they
are in Kafka when it reads. Then, at most five times a second, it waits until all it sent is acknowledged, and stores
the next offsets of the original in `progress` behind its epoch. Why nothing is lost or doubled when it is killed in
between is explained in services/pipeline/origins.py.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from domain.engine import Rekeying
from services.brokers.broker import Broker, Isolation, StartFrom, Unanswered
from services.brokers.log import CorruptLog, LogReader
from services.console.bus import Bus
from services.errors import reason_of
from services.pipeline.copied import places_in
from services.pipeline.copy_topic import delete_before, widen
from services.pipeline.copying import Copier, CopyFailed, OutOfRange
from services.pipeline.headers import HeaderReader
from services.pipeline.keying import Keying
from services.pipeline.routing import router
from services.process.supervisor import Worker, is_cancelled
from services.records.mapping import Mapping
from services.records.registry import Unreachable
from services.store.faults import Fenced, Transient
from services.store.rekeying import Sources, Taken, delivered_to
from services.store.store import Store

log = structlog.get_logger("rekeyer")
Result = TypeVar("Result")

AGAIN_AFTER = 1.0
IN_FLIGHT = 10_000
EMBEDDED_IN_FLIGHT = 2_000
AHEAD = 200_000
"""Records that may wait in the copy: what is read long after it was sent takes disk, and is no longer in memory."""

EMBEDDED_AHEAD = 8_000
"""The embedded broker keeps about 5 MB a partition; this many records are far from filling it."""

HELD_SECONDS = 0.05
UNLIMITED = sys.maxsize
KEEP_EVERY = 60.0
LOOK_EVERY = 5.0
RATE_OVER = 5.0
UNWELL = (
    Transient,
    Unanswered,
    Unreachable,
    KafkaError,
    KafkaException,
    OSError,
    TimeoutError,
    CopyFailed,
    CorruptLog,
    OutOfRange,
)


class Rekeyer(Worker):
    """Copies the topic of `keying` as long as no other engine does."""

    name = "rekeyer"

    def __init__(
        self,
        *,
        broker: Broker,
        store: Store,
        bus: Bus,
        keying: Keying,
        mapping: Mapping | None,
        group: str,
        owner: str,
        isolation: Isolation = "read_committed",
        start_from: StartFrom = "earliest",
        until_fit: Callable[[], Awaitable[int]] | None = None,
    ) -> None:
        super().__init__()
        self._broker = broker
        self._store = store
        self._bus = bus
        self._keying = keying
        self._route = router(mapping)
        self._group = group
        self._owner = owner
        self._isolation: Isolation = isolation
        self._start_from: StartFrom = start_from
        self._until_fit = until_fit
        self._in_flight = IN_FLIGHT if broker.durable else EMBEDDED_IN_FLIGHT
        self._ahead = AHEAD if broker.durable else EMBEDDED_AHEAD
        self._servers = {"bootstrap.servers": broker.bootstrap, **broker.librdkafka_options}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rekeyer")
        self._copier: Copier | None = None
        self._rate = 0.0
        self._rated_at, self._rated_records = 0.0, 0

    @property
    def figures(self) -> Rekeying:
        """How it goes, as consoles and `stats` show it."""
        copier = self._copier
        if copier is None:
            return Rekeying(topic=self._keying.topic, through=self._keying.consumed, repeats=self._bus.repeats)
        return Rekeying(
            topic=self._keying.topic,
            through=self._keying.consumed,
            active=True,
            rate=self._rate,
            cost_us=copier.seconds / copier.records * 1e6 if copier.records else 0.0,
            repeats=self._bus.repeats,
            lag=copier.lag,
        )

    async def main_loop(self) -> None:
        """Stand by until the topic is free, then copy until it is taken away."""
        while True:
            try:
                async with self._store.rekeying.locked(self._broker.cluster_id, self._keying.topic) as sources:
                    if sources is None:
                        self.degraded = False
                        self.beat("stands by: another engine re-keys")
                    else:
                        await self._copy(sources)
            except Fenced as fenced:
                log.warning("fenced", topic=self._keying.topic, detail=str(fenced))
            except UNWELL as error:
                if is_cancelled():
                    raise
                self.degraded = True
                self.beat(f"begins again: {reason_of(error)}")
                log.warning("re-keying begins again", topic=self._keying.topic, error=reason_of(error))
            await asyncio.sleep(AGAIN_AFTER)

    async def shutdown(self) -> None:
        """Nothing is left open by `main_loop`."""
        self._thread.shutdown(wait=False)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rekeyer")

    async def _copy(self, sources: Sources) -> None:
        topic, copy = self._keying.topic, self._keying.consumed
        topic_id = await self._broker.topic_id(topic) or ""
        taken = await sources.take(await self._broker.partition_count(topic), self._owner, topic_id, copy)
        if self._broker.partitions_of_one is None:
            await self._in_thread(widen, self._servers, topic, copy)
        copier = await self._in_thread(
            Copier,
            self._servers,
            self._group,
            topic,
            copy,
            self._route,
            HeaderReader(self._broker, self._isolation),
            self._isolation,
        )
        try:
            await self._in_thread(copier.find_copy)
            known = delivered_to(each.delivered for each in taken.values())
            taken = {
                each: await self._begun(sources, copier, each, taken[each], topic_id, known) for each in sorted(taken)
            }
            await self._in_thread(
                copier.begin,
                {partition: each.next_offset for partition, each in taken.items()},
                {partition: each.incarnation for partition, each in taken.items()},
            )
            self._copier, self._rated_at, self._rated_records = copier, time.monotonic(), 0
            kept_at = looked_at = time.monotonic()
            room = await self._room(copier) if copier.lag else UNLIMITED
            while True:
                room -= await self._in_thread(copier.round, min(room, self._in_flight))
                if await self._store_progress(sources, copier):
                    await self._hold_back(copier, self._ahead)
                if room <= 0:
                    await self._hold_back(copier, 0)
                    room = await self._room(copier)
                self._tell(copier)
                now = time.monotonic()
                if now - kept_at > KEEP_EVERY:
                    kept_at = now
                    await self._delete_stored(copy)
                if now - looked_at > LOOK_EVERY:
                    looked_at = now
                    if copy != self._keying.consumed or await self._is_another(len(taken), topic_id):
                        return
        finally:
            self._copier = None
            copier.stop()
            await asyncio.shield(self._in_thread(copier.close))

    async def _begun(
        self, sources: Sources, copier: Copier, partition: int, taken: Taken, topic_id: str, known: Sequence[int]
    ) -> Taken:
        """Where to copy from: where it was left, unless the topic is another one, or shorter, or has lost records.

        `known` is where the partitions of the copy ended when that was stored.
        """
        if not taken.incarnation:
            beginning = await self._in_thread(copier.beginning, partition, self._start_from)
            return await sources.begin(partition, taken, topic_id, beginning)
        marks = await self._in_thread(copier.watermarks, partition)
        if topic_id not in ("", taken.topic_id) or taken.next_offset > marks.high:
            self._bus.topic_resets += 1
            log.error(
                "the topic was made again or shortened: reading it from its beginning",
                topic=self._keying.topic,
                partition=partition,
                copied_up_to=taken.next_offset,
                begins_at=marks.low,
            )
            return await sources.begin(partition, taken, topic_id, marks.low)
        if taken.next_offset < marks.low:
            copied = await self._copied(copier, partition, taken, known, marks.low)
            await sources.pass_over(partition, marks.low, copied, copier.delivered)
            lost = marks.low - taken.next_offset - copied
            if lost:
                self._note_loss(partition, taken.next_offset, marks.low, lost)
            return taken._replace(next_offset=marks.low)
        return taken

    async def _copied(self, copier: Copier, partition: int, taken: Taken, known: Sequence[int], before: int) -> int:
        """How many records of a partition below `before` a re-keyer copied that ended before it could store so."""
        found = set()
        async with LogReader(self._broker, "read_uncommitted") as reader:
            for number in range(len(copier.delivered)):
                end_of_copy = TopicPartition(copier.copy, number)
                async for _, place in places_in(reader, end_of_copy, known[number] if number < len(known) else 0):
                    found.add(place)
        return sum(
            (source, incarnation) == (partition, taken.incarnation) and taken.next_offset <= offset < before
            for source, incarnation, offset in found
        )

    async def _is_another(self, partitions: int, topic_id: str) -> bool:
        """Whether the topic got more partitions, or was made again; while there is none, it may be made again."""
        found = await self._broker.topic_id(self._keying.topic)
        if found is None:
            return False
        return found != topic_id or await self._broker.partition_count(self._keying.topic) != partitions

    async def _store_progress(self, sources: Sources, copier: Copier) -> bool:
        moved = await self._in_thread(copier.acknowledged)
        if moved:
            await sources.move(moved, copier.delivered)
            copier.stored(moved)
        return bool(moved)

    async def _room(self, copier: Copier) -> int:
        """How many records of a backlog may be sent before the next fit, so that it meets the models of its time.

        A fit waits for none of what comes in while it runs: what is left then ends before the next.
        """
        if self._until_fit is None:
            return UNLIMITED
        await self._hold_back(copier, 0)
        self.beat("waits for a fit")
        room = await self._until_fit()
        return UNLIMITED if copier.lag < room else room

    async def _hold_back(self, copier: Copier, most: int) -> None:
        """Wait while more is in the copy and not stored yet than may be."""
        while (ahead := copier.ahead_of(await self._stored(copier.copy))) > most:
            self.beat(f"waits for the pipeline, {ahead:,} records ahead")
            await asyncio.sleep(HELD_SECONDS)

    async def _stored(self, copy: str) -> dict[int, int]:
        if copy != self._keying.consumed:
            raise Fenced(f"{self._keying.topic} has another copy now")
        rows = await self._store.rekeying.hops(self._broker.cluster_id, self._keying.topic)
        return {row["partition"]: row["next_offset"] for row in rows if row["topic"] == copy}

    async def _delete_stored(self, copy: str) -> None:
        """Let Kafka forget what is stored. The embedded broker forgets by itself."""
        stored = await self._stored(copy)
        if stored and self._broker.partitions_of_one is None:
            await self._in_thread(delete_before, self._servers, copy, stored)

    def _tell(self, copier: Copier) -> None:
        now = time.monotonic()
        if now - self._rated_at >= RATE_OVER:
            self._rate = (copier.records - self._rated_records) / (now - self._rated_at)
            self._rated_at, self._rated_records = now, copier.records
        cost = copier.seconds / copier.records * 1e6 if copier.records else 0.0
        self.degraded = bool(copier.trouble)
        detail = f"re-keys {self._keying.topic}: {self._rate:,.0f}/s, {cost:.0f} us a record, lag {copier.lag:,}"
        if self._bus.repeats:
            detail += f", {self._bus.repeats:,} repeats dropped"
        self.beat(copier.trouble or detail)

    def _note_loss(self, partition: int, expected: int, found: int, lost: int) -> None:
        self._bus.offset_gaps += 1
        log.error(
            "Kafka dropped records before they were re-keyed",
            topic=self._keying.topic,
            partition=partition,
            expected=expected,
            begins_at=found,
            lost=lost,
        )

    async def _in_thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(work, *arguments))
