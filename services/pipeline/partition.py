"""One detector task: the owner of one partition, with one batch in flight."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal

import structlog

from detectors.models import Models
from domain.accounting import Account
from services.pipeline import scoring
from services.pipeline.batching import Brought, Result, until_answered
from services.pipeline.failures import NoScorer, PartitionFailed, ScorerLost
from services.pipeline.inbox import Inbox
from services.pipeline.keying import CopyLost, NotKeyedByUser
from services.pipeline.narrowing import Narrowing
from services.pipeline.origins import Origins
from services.pipeline.publishing import Lateness
from services.pipeline.scoring import Move, Record, Seat, Share
from services.pipeline.shared import Shared
from services.pipeline.source import Revoked, Source
from services.store.batch import DeadRecord, Part, Term
from services.store.binary import Times
from services.store.faults import (
    BadData,
    DiskFull,
    DuplicateId,
    Fenced,
    NewerProfile,
    Rekeyed,
    StoreError,
    Transient,
)
from services.store.store import Opening

log = structlog.get_logger("pipeline")

PartitionState = Literal["restoring", "running", "degraded", "fenced", "stopped"]

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
        self._together = shared.together(partition)
        self._batching = self._together.batching
        self._narrowing = Narrowing(shared.batch_size)
        self._taken: Sequence[Record] = ()
        self._following = -1
        """Which offset is next once what was taken is stored."""
        self._unreachable = False
        self._lost = 0
        self._stopping = self._draining = False
        self._origins: Origins | None = None
        self._lateness = Lateness()

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
            self._batching.desk.forget(self._seat)

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
        if self._stopping:
            return False
        # A batch that is tried with care is alone: of another in flight the process might die, and this one be blamed.
        turn: AbstractAsyncContextManager[None] = self._shared.turns.alone()
        if not self._narrowing.careful:
            if self.inbox.ready < self._narrowing.limit and await self._together.store(self):
                self._taken = ()
                return True
            turn = self._shared.turns.turn()
        async with turn:
            if self._stopping:
                return False
            if not self._taken:
                self._take()
            await self._process(self._taken, self._following)
            self._narrowing.passed(len(self._taken))
            self._taken = ()
        return True

    def _take(self) -> None:
        self._taken = self.inbox.take(self._narrowing.limit)
        self._following = self.inbox.following

    def take(self) -> Brought | None:
        """What is to be stored with what others take; None where it is to end."""
        if self._stopping:
            return None
        self._take()
        return self._brought(self._taken, self._following)

    def _brought(self, records: Sequence[Record], following: int) -> Brought:
        """These records, so that the offset `following` is next."""
        fresh, origin = (records, None) if self._origins is None else self._origins.without_repeats(records)
        move = Move(self._term, self.next_offset, following, len(records) - len(fresh), self._lost)
        return Brought(self, move, fresh, origin)

    def moved(self, part: Part, times: Times) -> int:
        """A part of a batch is committed that was brought from here: how many of its events, at `times`, are late."""
        if self.state == "degraded":
            self.state = "running"
        if self._origins is not None and part.origin is not None:
            self._origins.stored(part.origin)
        self.next_offset = part.following
        self.account += part.account
        self._lost = 0
        return self._lateness.of(times)

    async def _restore(self) -> None:
        self.state = "restoring"
        self.inbox.close()
        self._taken = ()
        self._batching.desk.forget(self._seat)
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
        await self._batching.store([self._brought(records, following)])

    async def _bury(self, record: Record, following: int, reason: str) -> None:
        brought = self._brought([record], following)
        dead = [DeadRecord(each.offset, each.value or b"", reason) for each in brought.records]
        scored = scoring.score([Share(brought.move, (), dead)], {}, {}, Models(None, None))
        await self._batching.commit(scored, [brought])

    async def _until_answered(self, ask: Callable[[], Awaitable[Result]]) -> Result:
        return await until_answered(ask, self.degrade)

    def degrade(self, error: Transient) -> None:
        """Say that what is to be stored has to wait."""
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
