"""One detector task: the owner of one partition, with one batch in flight."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, TypeVar

import structlog

from detectors.formats import STATE_VERSION
from detectors.models import Models
from domain.accounting import Account
from services.pipeline import scoring
from services.pipeline.failures import NoScorer, PartitionFailed, ScorerLost, Told
from services.pipeline.inbox import Inbox
from services.pipeline.keying import CopyLost, NotKeyedByUser
from services.pipeline.narrowing import Narrowing
from services.pipeline.origins import Origins
from services.pipeline.publishing import Publisher
from services.pipeline.scorer import Answered, Seat
from services.pipeline.scoring import Record, ScoredBatch
from services.pipeline.shared import Shared
from services.pipeline.source import Revoked, Source
from services.store.batch import DeadRecord, Origin, Passed, Term
from services.store.faults import (
    BadData,
    CommitUnanswered,
    DiskFull,
    DuplicateId,
    Fenced,
    ForeignProfile,
    NewerProfile,
    Rekeyed,
    StoreError,
    Transient,
)
from services.store.store import Opening

log = structlog.get_logger("pipeline")

PartitionState = Literal["restoring", "running", "degraded", "fenced", "stopped"]
Result = TypeVar("Result")

LONGEST_RETRY = 10.0
FENCED_PAUSE = 3.0
SKIPPED_AFTER = 1.0
"""Seconds without a record after which progress is stored over offsets that have none, such as commit markers."""


class PartitionTask:
    """Takes records of one partition, scores them and commits them behind its fence."""

    def __init__(self, shared: Shared, partition: int, source: Source) -> None:
        self.partition = partition
        self.state: PartitionState = "restoring"
        self.next_offset = -1
        self.account = Account()
        self.waits_for = ""
        """What keeps it from going on, while the state is degraded."""
        self.inbox = Inbox(shared.batch_size)
        self._shared = shared
        self._store = shared.store
        self._bus = shared.bus
        self._term = Term(shared.cluster, shared.topic.name, partition, 0)
        self._source = source
        self._desk = shared.desk(partition)
        self._narrowing = Narrowing(shared.batch_size)
        self._batch_began = 0.0
        self._taken: Sequence[Record] = ()
        self._unreachable = False
        self._lost = 0
        self._stopping = self._draining = False
        self._origins: Origins | None = None
        self._publisher = Publisher(shared.bus)

    @property
    def epoch(self) -> int:
        """The epoch of the open term."""
        return self._term.epoch

    @property
    def _seat(self) -> Seat:
        return Seat(self.partition, self._term.epoch)

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

        Raises: PartitionFailed; NotKeyedByUser, or Rekeyed where another engine found that before; CopyLost; NoScorer.
        """
        try:
            while not (self._stopping or self._draining):
                try:
                    await self._restore()
                    while await self._next_batch():
                        pass
                except ScorerLost as lost:
                    # What of the batch it had is lost: it is read again, from what is stored.
                    log.error("restoring", partition=self.partition, detail=str(lost))
                except (Fenced, Revoked) as fenced:
                    self.state = "fenced"
                    self.inbox.close()
                    log.warning("fenced", partition=self.partition, detail=str(fenced))
                    # If the partition is no longer ours the consumer learns so within a heartbeat and ends us.
                    await asyncio.sleep(FENCED_PAUSE)
        except (PartitionFailed, NotKeyedByUser, Rekeyed, CopyLost, NewerProfile, NoScorer):
            raise
        except Exception as error:
            raise self._failure(error, self.next_offset) from error
        finally:
            self.state = "stopped"
            self._desk.forget(self._seat)

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
        turns, limit, careful = self._shared.turns, self._narrowing.limit, self._narrowing.careful
        early = turns.early(self._batch_began)
        if early > 0 and self.inbox.ready < limit:
            await asyncio.sleep(early)
        full = self.inbox.ready >= limit
        # A batch that is tried with care is alone: of another in flight the process might die, and this one be blamed.
        async with turns.alone() if careful else turns.turn(full=full) as self._batch_began:
            if self._stopping:
                return False
            self._taken = self.inbox.take(limit)
            await self._process(self._taken, self.inbox.following)
            self._narrowing.passed(len(self._taken))
            self._taken = ()
        return True

    async def _restore(self) -> None:
        self.state = "restoring"
        self.inbox.close()
        self._taken = ()
        self._desk.forget(self._seat)
        opening = await self._open()
        first = await self._source.hold()
        unreachable, self._unreachable = self._unreachable, False
        keying = self._shared.keying
        if not opening.incarnation:
            opening = await self._begin(await self._source.beginning())
        elif keying.rekeyed:
            await self._check_copy(opening, first, unreachable=unreachable)
        elif await self._is_another_topic(opening.topic_id, look=unreachable):
            opening = await self._begin_again(opening, first, "the topic was deleted and made again")
        elif unreachable and first <= opening.next_offset:
            opening = await self._begin_again(opening, first, "the topic was made again or shortened")
        elif first > opening.next_offset:
            self._note_loss(opening.next_offset, first)
        self._lost = max(0, first - opening.next_offset)
        self.account = opening.account
        self._narrowing.begin(opening)
        self._origins = Origins(keying.topic, opening.sources) if keying.rekeyed else None
        self.next_offset = opening.next_offset
        start = max(first, opening.next_offset)
        self._source.flow(start)
        self.inbox.open(start)
        self.state = "running"

    async def _check_copy(self, opening: Opening, first: int, *, unreachable: bool) -> None:
        """Raises: CopyLost where the copy lacks what is next: the original has it, so that it need not be lost."""
        where = f"{self._term.topic} partition {self.partition}"
        if await self._is_another_topic(opening.topic_id, look=unreachable):
            raise CopyLost(f"{where} was deleted and made again")
        if unreachable or first > opening.next_offset:
            raise CopyLost(f"{where} has no record at offset {opening.next_offset}, which is next")

    async def _is_another_topic(self, read_before: str, *, look: bool) -> bool:
        topic = self._shared.topic
        if not look and topic.id in (None, "", read_before):
            return False
        # Another process may have seen the change before we did, and an offset that is gone may be the first sign.
        await topic.look()
        return topic.id not in (None, "", read_before)

    async def _open(self) -> Opening:
        term, owner, topic = self._term, self._shared.owner, self._shared.topic
        opening = await self._until_answered(
            lambda: self._store.open_term(term.cluster, term.topic, term.partition, owner, topic_id=topic.id or "")
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
            # Another partition stored one of the ids between our look and our commit, or two of the batch share a hash:
            # look again, at half of them.
            if len(records) > 1:
                await self._halve(records, following)
            else:
                await self._process(records, following)
        except BadData as error:
            if len(records) == 1:
                await self._bury(records[0], following, f"PostgreSQL refused it: {error}")
            else:
                await self._halve(records, following)
        except (StoreError, PartitionFailed, NotKeyedByUser, ScorerLost, NoScorer):
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
        fetched = len(records)
        records, origin = self._without_repeats(records)
        repeats = fetched - len(records)
        keying, desk, partition, seat = self._shared.keying, self._desk, self.partition, self._seat
        found = await self._until_answered(lambda: desk.decode(seat, records, keys=keying.looks))
        if found.misplaced is not None:
            raise keying.of(partition, found.misplaced)
        stored = await self._until_answered(lambda: self._store.known(found.ids, found.first, found.last))
        profiles: dict[str, bytes] = {}
        if found.unknown:
            profiles = await self._until_answered(lambda: self._store.profiles(found.unknown, STATE_VERSION))
        answered = Answered(self._term, self.next_offset, following, stored, profiles)
        outcome = await desk.score(seat, answered, self._shared.models())
        scored, skipped = outcome.scored, outcome.skipped + Counter(updated=outcome.updates)
        try:
            await self._commit(scored, origin, Passed(outcome.resends, skipped.total(), repeats))
        except ForeignProfile as refused:
            raise keying.foreign(partition, scored.prepared.batch.rows, refused) from refused
        desk.stored(seat)
        self._bus.duplicates += outcome.resends
        self._bus.skipped.update(skipped)
        self._bus.remarks.update(outcome.remarks)
        self._bus.repeats += repeats
        for offset, told in outcome.faults.items():
            log.error("a record could not be decoded", partition=partition, offset=offset, exc_info=Told(told))

    def _without_repeats(self, records: Sequence[Record]) -> tuple[Sequence[Record], Origin | None]:
        return (records, None) if self._origins is None else self._origins.without_repeats(records)

    async def _bury(self, record: Record, following: int, reason: str) -> None:
        dead = (DeadRecord(record.offset, record.value or b"", reason),)
        _, origin = self._without_repeats([record])
        scored = scoring.score(self._term, self.next_offset, following, (), dead, {}, {}, Models(None, None))
        await self._commit(scored, origin, Passed())

    async def _commit(self, scored: ScoredBatch, origin: Origin | None, passed: Passed) -> None:
        passed = passed._replace(lost=self._lost)
        prepared = scored.prepared._replace(batch=scored.prepared.batch._replace(origin=origin, passed=passed))
        delays = _delays()
        unanswered: list[str] = []
        while True:
            try:
                await self._store.commit(prepared)
                break
            except Transient as error:
                if isinstance(error, CommitUnanswered):
                    unanswered.append(error.transaction)
                self._degrade(error)
                # The same again: if it was stored the fence has moved, and whoever still stores it is waited for there.
                await asyncio.sleep(next(delays))
            except Fenced:
                # By ourselves, where one of those was committed that got no answer. Otherwise by another owner.
                if not unanswered or not await self._until_answered(lambda: self._store.any_committed(unanswered)):
                    raise
                break
        self.state = "running"
        if self._origins is not None and origin is not None:
            self._origins.stored(origin)
        self._publish(scored._replace(prepared=prepared))

    def _publish(self, scored: ScoredBatch) -> None:
        """Only now, after COMMIT, do rows become visible."""
        batch = scored.prepared.batch
        self.next_offset = batch.following
        self.account += batch.account
        self._lost = 0
        self._publisher.publish(scored)

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
        if isinstance(error, DiskFull):
            self.waits_for = "PostgreSQL has no room left on its disk"
        elif isinstance(error, scoring.RegistryAway):
            self.waits_for = "the schema registry does not answer"
        else:
            self.waits_for = "PostgreSQL does not answer"
        log.warning(self.waits_for, partition=self.partition, error=str(error))

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
