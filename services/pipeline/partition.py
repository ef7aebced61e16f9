"""One detector task: the owner of one partition, with one batch in flight."""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

import structlog

from detectors.models import Models
from detectors.state import STATE_VERSION
from services.console.bus import Bus
from services.pipeline import scoring
from services.pipeline.profile_cache import ProfileCache
from services.pipeline.scoring import DecodedRecord, Record
from services.records.mapping import Mapping
from services.store.batch import DeadRecord, Term
from services.store.faults import BadData, DuplicateId, Fenced, Transient
from services.store.store import Opening, Store

log = structlog.get_logger("pipeline")

PartitionState = Literal["restoring", "running", "degraded", "fenced", "stopped"]
Result = TypeVar("Result")

HIGH_WATER_BATCHES = 4
HIGH_WATER_BYTES = 8 * 1024 * 1024
LONGEST_RETRY = 10.0
FENCED_PAUSE = 3.0
SUSPICIOUS_RESTORES = 3
LATE_AFTER = timedelta(minutes=1)


class PartitionTask:
    """Takes records of one partition, scores them and commits them behind its fence.

    `seek` moves the consumer to an offset and lets the partition flow; it is called once the term is open.
    `slots` bounds how many partitions score and commit at once, `pace` is the least number of seconds between
    the beginnings of two batches that are not full: while a partition waits, its next batch grows.
    """

    def __init__(
        self,
        *,
        cluster: str,
        topic: str,
        partition: int,
        owner: str,
        store: Store,
        executor: Executor,
        models: Callable[[], Models],
        mapping: Mapping | None,
        bus: Bus,
        batch_size: int,
        cache_bytes: int,
        seek: Callable[[int], Awaitable[int]],
        slots: asyncio.Semaphore,
        pace: Callable[[], float],
    ) -> None:
        self.partition = partition
        self.state: PartitionState = "restoring"
        self.next_offset = -1
        self.queued = 0
        self._term = Term(cluster, topic, partition, 0)
        self._owner = owner
        self._store = store
        self._executor = executor
        self._models = models
        self._mapping = mapping
        self._bus = bus
        self._batch_size = batch_size
        self._limit = batch_size
        self._careful = False
        self._poison: int | None = None
        self._cache = ProfileCache(cache_bytes)
        self._seek = seek
        self._slots = slots
        self._pace = pace
        self._batch_began = 0.0
        self._expected_from_kafka = -1
        self._queue: deque[Record] = deque()
        self._queued_bytes = 0
        self._arrived = asyncio.Event()
        self._stopping = False
        self._latest_event = datetime(1970, 1, 1, tzinfo=UTC)

    @property
    def epoch(self) -> int:
        """The epoch of the open term."""
        return self._term.epoch

    @property
    def full(self) -> bool:
        """Whether the partition should be paused."""
        return self.queued >= HIGH_WATER_BATCHES * self._batch_size or self._queued_bytes >= HIGH_WATER_BYTES

    @property
    def drained_enough(self) -> bool:
        """Whether a paused partition may flow again."""
        return self.queued <= HIGH_WATER_BATCHES * self._batch_size // 2 and self._queued_bytes <= HIGH_WATER_BYTES // 2

    def offer(self, records: Sequence[Record]) -> None:
        """Queue records from the consumer; those from before the seek are dropped."""
        if self.state not in ("running", "degraded"):
            return
        for record in records:
            if record.offset < self._expected_from_kafka:
                continue
            if record.offset > self._expected_from_kafka:
                self._note_gap(self._expected_from_kafka, record.offset)
            self._expected_from_kafka = record.offset + 1
            self._queue.append(record)
            self.queued += 1
            self._queued_bytes += len(record.value or b"")
        self._arrived.set()

    def stop_soon(self) -> None:
        """End after the batch in flight."""
        self._stopping = True
        self._arrived.set()

    async def run(self) -> None:
        """Restore, then batch after batch until told to stop; being fenced leads back to restoring."""
        try:
            while not self._stopping:
                try:
                    await self._restore()
                    while await self._next_batch():
                        pass
                except Fenced as fenced:
                    self.state = "fenced"
                    log.warning("fenced", partition=self.partition, detail=str(fenced))
                    # If the partition is no longer ours the consumer learns so within a heartbeat and ends us.
                    await asyncio.sleep(FENCED_PAUSE)
        finally:
            self.state = "stopped"

    async def close(self) -> None:
        """End the term in good order, after `run` has ended."""
        await self._store.close_term(self._term)

    async def _next_batch(self) -> bool:
        while not self._queue:
            if self._stopping:
                return False
            self._arrived.clear()
            await self._arrived.wait()
        early = self._batch_began + self._pace() - time.monotonic()
        if early > 0 and len(self._queue) < self._limit:
            await asyncio.sleep(early)
        async with self._slots:
            self._batch_began = time.monotonic()
            if self._stopping:
                return False
            count = min(self._limit, len(self._queue))
            records = [self._queue.popleft() for _ in range(count)]
            self.queued -= count
            self._queued_bytes -= sum(len(record.value or b"") for record in records)
            await self._process(records)
        if self._careful:
            self._limit = min(self._batch_size, self._limit * 2)
            self._careful = self._limit < self._batch_size
        return True

    async def _restore(self) -> None:
        self.state = "restoring"
        self._queue.clear()
        self.queued = self._queued_bytes = 0
        self._cache.clear()
        opening = await self._open()
        self._beware(opening)
        self.next_offset = self._expected_from_kafka = opening.next_offset
        first = await self._seek(opening.next_offset)
        if first > opening.next_offset:
            self._note_gap(opening.next_offset, first)
            self._expected_from_kafka = first
        self.state = "running"

    async def _open(self) -> Opening:
        term = self._term
        opening = await self._until_answered(
            lambda: self._store.open_term(term.cluster, term.topic, term.partition, self._owner)
        )
        self._term = term._replace(epoch=opening.epoch)
        return opening

    def _beware(self, opening: Opening) -> None:
        """Score smaller and smaller batches when the process keeps dying at this offset."""
        self._poison = None
        if opening.attempts:
            self._careful = True
            self._limit = max(1, opening.attempt_size // 2)
            if opening.attempt_size == 1 and opening.attempts > 1:
                self._poison = opening.next_offset
        elif opening.restores >= SUSPICIOUS_RESTORES:
            self._careful = True
            self._limit = self._batch_size

    async def _process(self, records: Sequence[Record]) -> None:
        """Store these records; on a value PostgreSQL refuses, halve them down to the one it is in."""
        try:
            await self._score_and_commit(records)
        except DuplicateId:
            # Another partition stored one of the ids between our look and our commit: look again.
            await self._process(records)
        except BadData as error:
            if len(records) == 1:
                await self._bury(records[0], f"PostgreSQL refused it: {error}")
                return
            middle = len(records) // 2
            await self._process(records[:middle])
            await self._process(records[middle:])

    async def _score_and_commit(self, records: Sequence[Record]) -> None:
        if self._careful:
            if records[0].offset == self._poison:
                self._poison = None
                await self._bury(records[0], "the process died more than once while scoring it")
                records = records[1:]
                if not records:
                    return
            await self._until_answered(lambda: self._store.mark_attempt(self._term, len(records)))
        loop = asyncio.get_running_loop()
        decoded, dead = await loop.run_in_executor(
            self._executor, scoring.decode, records, self._mapping, datetime.now(UTC)
        )
        decoded, changed = await self._without_duplicates(decoded)
        dead = sorted((*dead, *changed))
        users = {record.transaction.user_id for record in decoded}
        missing = self._cache.missing(users)
        if missing:
            found = await self._until_answered(lambda: self._store.profiles(missing, STATE_VERSION))
            for user in missing:
                self._cache.put(user, found.get(user))
        scored = await loop.run_in_executor(
            self._executor,
            scoring.score,
            self._term,
            self.next_offset,
            records[-1].offset + 1,
            decoded,
            dead,
            self._cache.get(users),
            self._cache.lend(users),
            self._models(),
        )
        await self._commit(scored)

    async def _bury(self, record: Record, reason: str) -> None:
        dead = (DeadRecord(record.offset, record.value or b"", reason),)
        scored = scoring.score(self._term, self.next_offset, record.offset + 1, (), dead, {}, {}, Models(None, None))
        await self._commit(scored)

    async def _without_duplicates(self, decoded: list[DecodedRecord]) -> tuple[list[DecodedRecord], list[DeadRecord]]:
        """Drop resends; an id that comes again with other content becomes a dead letter."""
        if not decoded:
            return [], []
        ids = [record.transaction.transaction_id for record in decoded]
        known = await self._until_answered(lambda: self._store.known(ids))
        fresh: list[DecodedRecord] = []
        changed: list[DeadRecord] = []
        for record in decoded:
            transaction = record.transaction
            content = (transaction.user_id, transaction.amount, transaction.timestamp)
            stored = known.get(transaction.transaction_id)
            if stored is None:
                known[transaction.transaction_id] = content
                fresh.append(record)
            elif stored[0] in (None, content[0]) and stored[1:] in ((None, None), content[1:]):
                self._bus.duplicates += 1
            else:
                reason = f"transaction id {transaction.transaction_id!r} was used before by another transaction"
                changed.append(DeadRecord(record.offset, record.payload, reason))
        return fresh, changed

    async def _commit(self, scored: scoring.ScoredBatch) -> None:
        prepared = scored.prepared
        delays = _delays()
        while True:
            try:
                await self._store.commit(prepared)
                break
            except Transient as error:
                self._degrade(error)
                # The outcome is unknown: the stored offset tells whether the batch went in.
                epoch = self._term.epoch
                await asyncio.sleep(next(delays))
                opening = await self._open()
                if opening.epoch != epoch + 1:
                    raise Fenced("another owner opened the partition meanwhile") from error
                if opening.next_offset == prepared.batch.following:
                    break
                if opening.next_offset != prepared.batch.expected:
                    raise Fenced("another owner moved the partition meanwhile") from error
                prepared = prepared._replace(batch=prepared.batch._replace(term=self._term))
        self.state = "running"
        self._publish(scored)

    def _publish(self, scored: scoring.ScoredBatch) -> None:
        """Only now, after COMMIT, do profiles and rows become visible."""
        batch = scored.prepared.batch
        self.next_offset = batch.following
        for user, state in batch.profiles.items():
            self._cache.put(user, state, scored.states[user])
        now = time.time()
        self._bus.dead_letters += len(batch.dead)
        for row in batch.rows:
            at = row.transaction.timestamp
            if at < self._latest_event - LATE_AFTER:
                self._bus.late += 1
            elif at > self._latest_event:
                self._latest_event = at
        self._bus.publish(batch.rows, (now - at for at in scored.produced_at))
        for dead in batch.dead:
            log.warning("dead letter", partition=self.partition, offset=dead.offset, reason=dead.reason)

    async def _until_answered(self, ask: Callable[[], Awaitable[Result]]) -> Result:
        """Ask PostgreSQL until it answers; being away is its trouble, not the record's."""
        for delay in _delays():
            try:
                return await ask()
            except Transient as error:
                self._degrade(error)
                await asyncio.sleep(delay)
        raise AssertionError("delays never end")

    def _degrade(self, error: Exception) -> None:
        if self.state == "running":
            self.state = "degraded"
        log.warning("PostgreSQL does not answer", partition=self.partition, error=str(error))

    def _note_gap(self, expected: int, found: int) -> None:
        self._bus.offset_gaps += 1
        log.error("offset gap", partition=self.partition, expected=expected, found=found, lost=found - expected)


def _delays() -> Any:
    return itertools.chain((0.1, 0.3, 1.0, 3.0), itertools.repeat(LONGEST_RETRY))
