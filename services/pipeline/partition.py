"""One detector task: the owner of one partition, with one batch in flight."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

import structlog

from detectors.models import Models
from detectors.state import STATE_VERSION
from services.console.bus import Bus
from services.pipeline import scoring
from services.pipeline.inbox import Inbox
from services.pipeline.narrowing import Narrowing
from services.pipeline.profile_cache import ProfileCache
from services.pipeline.scoring import DecodedRecord, Record
from services.pipeline.source import Source
from services.pipeline.turns import Turns
from services.records.mapping import Mapping
from services.store.batch import DeadRecord, Term
from services.store.faults import BadData, DuplicateId, Fenced, Transient
from services.store.store import Opening, Store

log = structlog.get_logger("pipeline")

PartitionState = Literal["restoring", "running", "degraded", "fenced", "stopped"]
Result = TypeVar("Result")

LONGEST_RETRY = 10.0
FENCED_PAUSE = 3.0
LATE_AFTER = timedelta(minutes=1)


@dataclass(frozen=True)
class Shared:
    """What the partition tasks of one process have in common; `owner` names the process in the store."""

    cluster: str
    owner: str
    store: Store
    executor: Executor
    models: Callable[[], Models]
    mapping: Mapping | None
    bus: Bus
    batch_size: int
    turns: Turns
    profiles: ProfileCache


class PartitionTask:
    """Takes records of one partition, scores them and commits them behind its fence."""

    def __init__(self, shared: Shared, topic: str, partition: int, source: Source) -> None:
        self.partition = partition
        self.state: PartitionState = "restoring"
        self.next_offset = -1
        self.inbox = Inbox(shared.batch_size, self._note_gap)
        self._shared = shared
        self._store = shared.store
        self._bus = shared.bus
        self._term = Term(shared.cluster, topic, partition, 0)
        self._source = source
        self._profiles = shared.profiles
        self._narrowing = Narrowing(shared.batch_size)
        self._batch_began = 0.0
        self._stopping = False
        self._latest_event = datetime(1970, 1, 1, tzinfo=UTC)

    @property
    def epoch(self) -> int:
        """The epoch of the open term."""
        return self._term.epoch

    def stop_soon(self) -> None:
        """End after the batch in flight."""
        self._stopping = True
        self.inbox.wake()

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
            self._profiles.forget(self.partition)

    async def close(self) -> None:
        """End the term in good order, after `run` has ended."""
        await self._store.close_term(self._term)

    async def _next_batch(self) -> bool:
        while not self.inbox:
            if self._stopping:
                return False
            await self.inbox.wait()
        turns, limit = self._shared.turns, self._narrowing.limit
        early = turns.early(self._batch_began)
        if early > 0 and len(self.inbox) < limit:
            await asyncio.sleep(early)
        async with turns.turn() as self._batch_began:
            if self._stopping:
                return False
            await self._process(self.inbox.take(limit))
        self._narrowing.widen()
        return True

    async def _restore(self) -> None:
        self.state = "restoring"
        self.inbox.close()
        self._profiles.forget(self.partition)
        opening = await self._open()
        self._narrowing.begin(opening)
        self.next_offset = opening.next_offset
        first = await self._source.seek(opening.next_offset)
        if first > opening.next_offset:
            self._note_gap(opening.next_offset, first)
        self.inbox.open(first)
        self.state = "running"

    async def _open(self) -> Opening:
        term = self._term
        opening = await self._until_answered(
            lambda: self._store.open_term(term.cluster, term.topic, term.partition, self._shared.owner)
        )
        self._term = term._replace(epoch=opening.epoch)
        return opening

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
        narrowing = self._narrowing
        if narrowing.careful:
            if records[0].offset == narrowing.poison:
                narrowing.poison = None
                await self._bury(records[0], "the process died more than once while scoring it")
                records = records[1:]
                if not records:
                    return
            await self._until_answered(lambda: self._store.mark_attempt(self._term, len(records)))
        loop = asyncio.get_running_loop()
        decoded, dead = await loop.run_in_executor(
            self._shared.executor, scoring.decode, records, self._shared.mapping, datetime.now(UTC)
        )
        decoded, changed = await self._without_duplicates(decoded)
        dead = sorted((*dead, *changed))
        lent = self._profiles.lend(self.partition, {record.transaction.user_id for record in decoded})
        if lent.unknown:
            lent.encoded.update(await self._load(lent.unknown))
        scored = await loop.run_in_executor(
            self._shared.executor,
            scoring.score,
            self._term,
            self.next_offset,
            records[-1].offset + 1,
            decoded,
            dead,
            lent.encoded,
            lent.decoded,
            self._shared.models(),
        )
        await self._commit(scored)

    async def _load(self, users: Sequence[str]) -> dict[str, bytes]:
        found = await self._until_answered(lambda: self._store.profiles(users, STATE_VERSION))
        for user in users:
            self._profiles.keep(self.partition, user, found.get(user))
        return found

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
            self._profiles.keep(self.partition, user, state, scored.states[user])
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
