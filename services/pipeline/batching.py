"""The way of a batch: decoded, scored, committed, and shown."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import NamedTuple, Protocol, TypeVar

import structlog

from detectors.formats import STATE_VERSION
from detectors.models import Models
from services.console.bus import Bus
from services.pipeline.desk import Desk
from services.pipeline.failures import Told
from services.pipeline.keying import Keying
from services.pipeline.publishing import publish
from services.pipeline.scorer import Answered
from services.pipeline.scoring import Move, Record, ScoredBatch
from services.store.batch import Origin, Part
from services.store.binary import Times
from services.store.faults import CommitUnanswered, Fenced, ForeignProfile, Transient
from services.store.store import Store

log = structlog.get_logger("pipeline")

Result = TypeVar("Result")

LONGEST_RETRY = 10.0


class Owner(Protocol):
    """Who brings the records of a partition."""

    def degrade(self, error: Transient) -> None:
        """What it brought has to wait."""

    def moved(self, part: Part, times: Times) -> int:
        """What it brought is committed, events at these `times`: how many of them are late."""
        ...


class Brought(NamedTuple):
    """What a batch has of one partition. Records of a copy have their `origin`."""

    owner: Owner
    move: Move
    records: Sequence[Record]
    origin: Origin | None

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(len(record.value or b"") for record in self.records)


class Batching:
    """Stores batches that are scored at one desk, each of one partition or more."""

    def __init__(self, desk: Desk, store: Store, bus: Bus, keying: Keying, models: Callable[[], Models]) -> None:
        self.desk = desk
        self._store = store
        self._bus = bus
        self._keying = keying
        self._models = models

    async def store(self, brought: Sequence[Brought]) -> None:
        """Score and commit these together, and show them.

        What one partition waits for, such as a lock, a schema registry or PostgreSQL, is waited for here. Several are
        given up: only one of them may have to wait.

        Raises: NotKeyedByUser, NotTogether; as `Desk` and `Store.commit` do, but Transient only for several.
        """
        keying, desk, store = self._keying, self.desk, self._store
        taken = {each.move.seat: each.records for each in brought}

        async def answer(ask: Callable[[], Awaitable[Result]]) -> Result:
            return await (until_answered(ask, brought[0].owner.degrade) if len(brought) == 1 else ask())

        found = await answer(lambda: desk.decode(taken, keys=keying.looks))
        if found.misplaced is not None:
            raise keying.of(found.misplaced)
        stored = await answer(lambda: store.known(found.ids, found.first, found.last))
        profiles: dict[str, bytes] = {}
        if found.unknown:
            profiles = await answer(lambda: store.profiles(found.unknown, STATE_VERSION))
        outcome = await desk.score(Answered([each.move for each in brought], stored, profiles), self._models())
        try:
            await self.commit(outcome.scored, brought)
        except ForeignProfile as refused:
            batch = outcome.scored.prepared.batch
            raise keying.foreign(batch.parts[0].term.partition, batch.rows, refused) from refused
        desk.stored([*taken])
        self._bus.duplicates += outcome.resends
        self._bus.skipped.update(outcome.skipped)
        self._bus.remarks.update(outcome.remarks)
        self._bus.repeats += sum(each.move.repeats for each in brought)
        for (partition, offset), told in outcome.faults.items():
            log.error("a record could not be decoded", partition=partition, offset=offset, exc_info=Told(told))

    async def commit(self, scored: ScoredBatch, brought: Sequence[Brought]) -> None:
        """Commit a batch, and show it: once for all, whatever becomes of PostgreSQL meanwhile.

        Raises: as `Store.commit`, but Transient only for several partitions, of which nothing is stored then.
        """
        batch = scored.prepared.batch
        parts = tuple(part._replace(origin=each.origin) for part, each in zip(batch.parts, brought, strict=True))
        prepared = scored.prepared._replace(batch=batch._replace(parts=parts))
        delays, degrade = _delays(), _all(brought)
        unanswered: list[str] = []
        while True:
            try:
                await self._store.commit(prepared, waits=len(brought) == 1 or bool(unanswered))
                break
            except Transient as error:
                if isinstance(error, CommitUnanswered):
                    unanswered.append(error.transaction)
                elif len(brought) > 1 and not unanswered:
                    raise
                degrade(error)
                # The same again: if it was stored the fence has moved, and whoever still stores it is waited for there.
                await asyncio.sleep(next(delays))
            except Fenced:
                # By ourselves, where one of those was committed that got no answer. Otherwise by another owner.
                if not unanswered or not await until_answered(lambda: self._store.any_committed(unanswered), degrade):
                    raise
                break
        publish(self._bus, scored._replace(prepared=prepared), [each.owner.moved for each in brought])


async def until_answered(ask: Callable[[], Awaitable[Result]], degrade: Callable[[Transient], None]) -> Result:
    """Ask PostgreSQL until it answers; being away is its trouble, not the record's."""
    for delay in _delays():
        try:
            return await ask()
        except Transient as error:
            degrade(error)
            await asyncio.sleep(delay)
    raise AssertionError("delays never end")


def _delays() -> Iterator[float]:
    return itertools.chain((0.1, 0.3, 1.0, 3.0), itertools.repeat(LONGEST_RETRY))


def _all(brought: Sequence[Brought]) -> Callable[[Transient], None]:
    def degrade(error: Transient) -> None:
        for each in brought:
            each.owner.degrade(error)

    return degrade
