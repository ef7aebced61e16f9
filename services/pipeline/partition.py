"""One detector task: the owner of one partition, with one batch in flight."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

import structlog

from detectors.models import Models
from detectors.state import STATE_VERSION
from domain.accounting import Account
from services.console.bus import Bus
from services.pipeline import scoring
from services.pipeline.inbox import Inbox
from services.pipeline.keying import Keying, NotKeyedByUser
from services.pipeline.narrowing import Narrowing
from services.pipeline.origins import Origins
from services.pipeline.profile_cache import ProfileCache
from services.pipeline.resends import sort_out
from services.pipeline.scoring import Record, ScoredBatch
from services.pipeline.source import Revoked, Source
from services.pipeline.topic import TopicWatch
from services.pipeline.turns import Turns
from services.records.mapping import Mapping
from services.store.batch import DeadRecord, Origin, Passed, Term
from services.store.faults import BadData, DuplicateId, Fenced, ForeignProfile, Rekeyed, StoreError, Transient
from services.store.store import Opening, Store

log = structlog.get_logger("pipeline")

PartitionState = Literal["restoring", "running", "degraded", "fenced", "stopped"]
Result = TypeVar("Result")

LONGEST_RETRY = 10.0
FENCED_PAUSE = 3.0
SKIPPED_AFTER = 1.0
"""Seconds without a record after which progress is stored over offsets that have none, such as commit markers."""

LATE_AFTER = timedelta(minutes=1)


@dataclass(frozen=True)
class Shared:
    """What the partition tasks of one process have in common; `owner` names the process in the store."""

    cluster: str
    topic: TopicWatch
    owner: str
    store: Store
    executor: Executor
    models: Callable[[], Models]
    mapping: Mapping | None
    bus: Bus
    batch_size: int
    turns: Turns
    profiles: ProfileCache
    keying: Keying


class PartitionFailed(Exception):
    """A partition cannot go on; the message names it and the record that it was at."""


class PartitionTask:
    """Takes records of one partition, scores them and commits them behind its fence."""

    def __init__(self, shared: Shared, partition: int, source: Source) -> None:
        self.partition = partition
        self.state: PartitionState = "restoring"
        self.next_offset = -1
        self.account = Account()
        self.waits_for = ""
        """Which server does not answer, while the state is degraded."""
        self.inbox = Inbox(shared.batch_size)
        self._shared = shared
        self._store = shared.store
        self._bus = shared.bus
        self._term = Term(shared.cluster, shared.topic.name, partition, 0)
        self._source = source
        self._profiles = shared.profiles
        self._narrowing = Narrowing(shared.batch_size)
        self._batch_began = 0.0
        self._taken: Sequence[Record] = ()
        self._unreachable = False
        self._lost = 0
        self._stopping = self._draining = False
        self._origins: Origins | None = None
        self._latest_event = datetime(1970, 1, 1, tzinfo=UTC)

    @property
    def epoch(self) -> int:
        """The epoch of the open term."""
        return self._term.epoch

    @property
    def reached(self) -> int:
        """The offset up to which everything is stored, also over offsets that have no record; -1 before the start."""
        idle = self.inbox.opened and not self.inbox and not self._taken
        return self.inbox.position if idle else self.next_offset

    @property
    def idle(self) -> bool:
        """Whether nothing that may be taken from the inbox is still to be stored."""
        return not self.inbox.ready and not self._taken

    def out_of_range(self, offset: int) -> None:
        """Kafka has no record at `offset` and will have none: it expired, or the topic got shorter."""
        if offset == self.inbox.position:
            self._unreachable = True
            # What is in the inbox is stored first; then the term is opened again.
            self.inbox.shut()

    def stop_soon(self, *, drain: bool = False) -> None:
        """End after the batch in flight; with `drain` only once everything in the inbox is stored."""
        self._draining = drain
        self._stopping = not drain
        self.inbox.shut()

    async def run(self) -> None:
        """Restore, then batch after batch until told to stop; being fenced leads back to restoring.

        Raises: PartitionFailed; NotKeyedByUser, or Rekeyed where another engine found that before.
        """
        try:
            while not (self._stopping or self._draining):
                try:
                    await self._restore()
                    while await self._next_batch():
                        pass
                except (Fenced, Revoked) as fenced:
                    self.state = "fenced"
                    self.inbox.close()
                    log.warning("fenced", partition=self.partition, detail=str(fenced))
                    # If the partition is no longer ours the consumer learns so within a heartbeat and ends us.
                    await asyncio.sleep(FENCED_PAUSE)
        except (PartitionFailed, NotKeyedByUser, Rekeyed):
            raise
        except Exception as error:
            raise self._failure(error, self.next_offset) from error
        finally:
            self.state = "stopped"
            self._profiles.forget(self.partition)

    async def close(self) -> None:
        """End the term in good order, after `run` has ended."""
        await self._store.close_term(self._term)

    async def _next_batch(self) -> bool:
        while not self.inbox.ready:
            if self._stopping or not self.inbox.opened:
                return False
            skipped = not self.inbox and self.inbox.position > self.next_offset
            await self.inbox.wait(SKIPPED_AFTER)
            if skipped and not self.inbox:
                break
        turns, limit = self._shared.turns, self._narrowing.limit
        early = turns.early(self._batch_began)
        if early > 0 and self.inbox.ready < limit:
            await asyncio.sleep(early)
        async with turns.turn() as self._batch_began:
            if self._stopping:
                return False
            self._taken = self.inbox.take(limit)
            await self._process(self._taken, self.inbox.following)
            self._taken = ()
        self._narrowing.widen()
        return True

    async def _restore(self) -> None:
        self.state = "restoring"
        self.inbox.close()
        self._taken = ()
        self._profiles.forget(self.partition)
        opening = await self._open()
        first = await self._source.hold()
        unreachable, self._unreachable = self._unreachable, False
        if not opening.incarnation:
            opening = await self._begin(await self._source.beginning())
        elif await self._is_another_topic(opening.topic_id, look=unreachable):
            opening = await self._begin_again(opening, first, "the topic was deleted and made again")
        elif unreachable and first <= opening.next_offset:
            opening = await self._begin_again(opening, first, "the topic was made again or shortened")
        elif first > opening.next_offset:
            self._note_loss(opening.next_offset, first)
        self._lost = max(0, first - opening.next_offset)
        self.account = opening.account
        self._narrowing.begin(opening)
        keying = self._shared.keying
        self._origins = Origins(keying.topic, opening.sources) if keying.rekeyed else None
        self.next_offset = opening.next_offset
        start = max(first, opening.next_offset)
        self._source.flow(start)
        self.inbox.open(start)
        self.state = "running"

    async def _is_another_topic(self, read_before: str, *, look: bool) -> bool:
        topic = self._shared.topic
        if not look and topic.id in (None, "", read_before):
            return False
        # Another process may have seen the change before we did, and an offset that is gone may be the first sign.
        await topic.look()
        return topic.id not in (None, "", read_before)

    async def _open(self) -> Opening:
        term, shared = self._term, self._shared
        opening = await self._until_answered(
            lambda: self._store.open_term(
                term.cluster, term.topic, term.partition, shared.owner, topic_id=shared.topic.id or ""
            )
        )
        self._term = term._replace(epoch=opening.epoch, incarnation=opening.incarnation)
        return opening

    async def _begin(self, offset: int) -> Opening:
        opening = await self._until_answered(
            lambda: self._store.begin_incarnation(self._term, self._shared.topic.id or "", offset)
        )
        self._term = self._term._replace(incarnation=opening.incarnation)
        return opening

    async def _begin_again(self, before: Opening, first: int, why: str) -> Opening:
        """Read what is another log under the same name from its beginning, as an incarnation of its own."""
        opening = await self._begin(first)
        self._bus.topic_resets += 1
        log.error(
            f"{why}: reading it from its beginning",
            topic=self._term.topic,
            partition=self.partition,
            stored_up_to=before.next_offset,
            begins_at=first,
        )
        return opening

    async def _process(self, records: Sequence[Record], following: int) -> None:
        """Store these records, so that the offset `following` is next; halve them down to one that cannot be stored."""
        try:
            await self._score_and_commit(records, following)
        except DuplicateId:
            # Another partition stored one of the ids between our look and our commit: look again.
            await self._process(records, following)
        except BadData as error:
            if len(records) == 1:
                await self._bury(records[0], following, f"PostgreSQL refused it: {error}")
            else:
                await self._halve(records, following)
        except (StoreError, PartitionFailed, NotKeyedByUser):
            raise
        except Exception as error:
            if len(records) > 1:
                await self._halve(records, following)
                return
            if records:
                # At the next starts it is tried alone, and becomes a dead letter once that has failed as well.
                await self._until_answered(lambda: self._store.mark_attempt(self._term, 1))
            raise self._failure(error, records[0].offset if records else following) from error

    def _failure(self, error: Exception, offset: int) -> PartitionFailed:
        where = f"{self._term.topic} partition {self.partition} at offset {offset}"
        return PartitionFailed(f"{where}: {type(error).__name__}: {error}")

    async def _halve(self, records: Sequence[Record], following: int) -> None:
        middle = len(records) // 2
        await self._process(records[:middle], records[middle].offset)
        await self._process(records[middle:], following)

    async def _score_and_commit(self, records: Sequence[Record], following: int) -> None:
        narrowing = self._narrowing
        if narrowing.careful and records:
            if narrowing.poisoned:
                narrowing.poisoned = False
                rest = records[1:]
                after = rest[0].offset if rest else following
                await self._bury(records[0], after, "scoring it stopped the process more than once")
                records = rest
                if not records:
                    return
            await self._until_answered(lambda: self._store.mark_attempt(self._term, len(records)))
        loop = asyncio.get_running_loop()
        fetched = len(records)
        records, origin = self._without_repeats(records)
        repeats, now = fetched - len(records), datetime.now(UTC)
        found = await self._until_answered(
            lambda: loop.run_in_executor(self._shared.executor, scoring.decode, records, self._shared.mapping, now)
        )
        self._shared.keying.check(self.partition, records, found.transactions)
        ids = [record.transaction.transaction_id for record in found.transactions]
        stored = await self._until_answered(lambda: self._store.known(ids)) if ids else {}
        decoded, changed, resends, updates = sort_out(found.transactions, stored)
        passed = Passed(resends, found.skipped.total() + updates, repeats)
        dead = sorted((*found.dead, *changed))
        lent = self._profiles.lend(self.partition, {record.transaction.user_id for record in decoded})
        if lent.unknown:
            lent.encoded.update(await self._load(lent.unknown))
        scored = await loop.run_in_executor(
            self._shared.executor,
            scoring.score,
            self._term,
            self.next_offset,
            following,
            decoded,
            dead,
            lent.encoded,
            lent.decoded,
            self._shared.models(),
        )
        try:
            await self._commit(scored, origin, passed)
        except ForeignProfile as refused:
            raise self._shared.keying.foreign(self.partition, decoded, refused) from refused
        self._bus.duplicates += resends
        self._bus.skipped.update(found.skipped + Counter(updated=updates))
        self._bus.remarks.update(found.remarks)
        self._bus.repeats += repeats

    def _without_repeats(self, records: Sequence[Record]) -> tuple[Sequence[Record], Origin | None]:
        return (records, None) if self._origins is None else self._origins.without_repeats(records)

    async def _load(self, users: Sequence[str]) -> dict[str, bytes]:
        found = await self._until_answered(lambda: self._store.profiles(users, STATE_VERSION))
        for user in users:
            self._profiles.keep(self.partition, user, found.get(user))
        return found

    async def _bury(self, record: Record, following: int, reason: str) -> None:
        dead = (DeadRecord(record.offset, record.value or b"", reason),)
        _, origin = self._without_repeats([record])
        scored = scoring.score(self._term, self.next_offset, following, (), dead, {}, {}, Models(None, None))
        await self._commit(scored, origin, Passed())

    async def _commit(self, scored: ScoredBatch, origin: Origin | None, passed: Passed) -> None:
        passed = passed._replace(lost=self._lost)
        prepared = scored.prepared._replace(batch=scored.prepared.batch._replace(origin=origin, passed=passed))
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
        if self._origins is not None and origin is not None:
            self._origins.stored(origin)
        self._publish(scored._replace(prepared=prepared))

    def _publish(self, scored: ScoredBatch) -> None:
        """Only now, after COMMIT, do profiles and rows become visible."""
        batch = scored.prepared.batch
        self.next_offset = batch.following
        self.account += batch.account
        self._lost = 0
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
        self._bus.clock.observe(scored.happened)
        self._bus.publish(batch.rows, (now - at for at in scored.produced_at))
        for dead in batch.dead:
            topic, partition, _, offset = batch.place(dead.offset)
            log.warning("dead letter", topic=topic, partition=partition, offset=offset, reason=dead.reason)

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
        who = "the schema registry" if isinstance(error, scoring.RegistryAway) else "PostgreSQL"
        self.waits_for = who
        log.warning(f"{who} does not answer", partition=self.partition, error=str(error))

    def _note_loss(self, expected: int, first: int) -> None:
        self._bus.offset_gaps += 1
        log.error(
            "Kafka dropped records before they were read",
            topic=self._term.topic,
            partition=self.partition,
            expected=expected,
            begins_at=first,
            lost=first - expected,
        )


def _delays() -> Any:
    return itertools.chain((0.1, 0.3, 1.0, 3.0), itertools.repeat(LONGEST_RETRY))
