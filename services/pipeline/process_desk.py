"""A scorer in a process of its own, once there is enough to do for one."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from itertools import islice
from math import inf

import structlog

from detectors.models import Models
from services.pipeline.child import Child
from services.pipeline.desk import Desk
from services.pipeline.failures import NoScorer
from services.pipeline.frames import Answer, Setup, Taken
from services.pipeline.scorer import Answered, Looked, Outcome
from services.pipeline.scoring import Record, Seat
from services.store.batch import StoredRows
from services.store.encoded import Encoded

log = structlog.get_logger("pipeline")

AGAIN_AFTER = 60.0


class ChildDesk:
    """A `Desk` at one process, as long as there is that process."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self._values: dict[Seat, dict[int, bytes | None]] = {}

    async def decode(self, taken: Mapping[Seat, Sequence[Record]], *, keys: bool) -> Looked:
        """As of `Scorer`. Raises: ScorerLost."""
        for seat, records in taken.items():
            self._values[seat] = {record.offset: record.value for record in records}
        sent = {seat: Taken.of(records, keys=keys) for seat, records in taken.items()}
        looked: Looked = await self.child.ask("decode", sent, keys)
        return looked

    async def score(self, answered: Answered, models: Models) -> Outcome:
        """As of `Scorer`. Raises: ScorerLost."""
        self.child.use(models)
        answer: Answer = await self.child.ask("score", answered, models.versions)
        models.remember(answer.samples)
        outcome, values = answer.outcome, [self._values.pop(seat) for seat in answered.seats]
        if outcome.plain:
            batch = outcome.scored.prepared.batch
            rows = StoredRows.of(batch.rows)
            offsets = iter(rows.offsets)
            rows.transactions = Encoded(
                [
                    of[offset] or b""
                    for part, of in zip(batch.parts, values, strict=True)
                    for offset in islice(offsets, part.stored)
                ]
            )
        return outcome

    def stored(self, seats: Sequence[Seat]) -> None:
        """As of `Scorer`."""
        self.child.tell("stored", seats)

    def forget(self, seat: Seat) -> None:
        """As of `Scorer`."""
        self._values.pop(seat, None)
        self.child.tell("forget", seat)

    def clear(self) -> None:
        """As of `Scorer`."""
        self.child.tell("clear")


class ProcessDesk:
    """A `Desk` that is `here` until a batch has `full` records, and then at a process, as soon as one is ready; with 0
    it is never here.

    A process takes a second of a processor to start and some 80 MB, which a quiet topic can do without. One that ends
    is replaced, which `restarts` counts; what it had of a batch is lost. Its successor is waited for, because what
    ended it would end this process as well. `unable` says why the last one could not be started, if so: the next is
    tried after `AGAIN_AFTER` seconds.
    """

    def __init__(self, here: Desk, setup: Setup, full: int) -> None:
        self.restarts = 0
        self.unable = ""
        self._failed_at = -inf
        self._here = here
        self._setup = setup
        self._full = full
        self._starting: asyncio.Task[Child | None] | None = None
        self._there: ChildDesk | None = None
        self._at: dict[Seat, Desk] = {}
        """Where the last batch of each was decoded, and its profiles are."""

    @property
    def pid(self) -> int | None:
        """The process, once it is in use."""
        return None if self._there is None or self._there.child.gone else self._there.child.pid

    async def close(self) -> None:
        """End the process."""
        starting, self._starting = self._starting, None
        there, self._there = self._there, None
        ended = [] if there is None else [there.child]
        if starting is not None:
            starting.cancel()
            # It may be ready, and not in use yet.
            (started,) = await asyncio.gather(starting, return_exceptions=True)
            ended += [started] if isinstance(started, Child) else []
        for child in ended:
            await child.end()

    async def decode(self, taken: Mapping[Seat, Sequence[Record]], *, keys: bool) -> Looked:
        """As of `Scorer`. Raises: ScorerLost, NoScorer."""
        desk = await self._desk(sum(map(len, taken.values())))
        for seat in taken:
            before = self._at.get(seat)
            if before is not None and before is not desk:
                before.forget(seat)
            self._at[seat] = desk
        return await desk.decode(taken, keys=keys)

    async def _desk(self, records: int) -> Desk:
        lost = self._there is not None and self._there.child.gone
        due = time.monotonic() - self._failed_at > AGAIN_AFTER
        wanted = self._there is None and due and records >= self._full
        if self._starting is None and (lost or wanted):
            self._starting = asyncio.create_task(self._start(), name="scorer")
        starting = self._starting
        if starting is not None and (lost or starting.done() or not self._full):
            # Others wait, too, and each may be cancelled.
            child = await asyncio.shield(starting)
            if child is None and (lost or not self._full):
                raise NoScorer(self.unable)
            if self._starting is starting:
                self._starting = None
                self.restarts += lost
                self._there = None if child is None else ChildDesk(child)
        return self._there or self._here

    async def _start(self) -> Child | None:
        try:
            child = await Child.start(self._setup)
        except NoScorer as error:
            self.unable, self._failed_at = str(error), time.monotonic()
            log.error(self.unable)
            return None
        self.unable = ""
        return child

    async def score(self, answered: Answered, models: Models) -> Outcome:
        """As of `Scorer`. Raises: ScorerLost."""
        return await self._at[answered.seats[0]].score(answered, models)

    def stored(self, seats: Sequence[Seat]) -> None:
        """As of `Scorer`."""
        # One of them may have been forgotten meanwhile.
        for desk in {self._at[seat] for seat in seats if seat in self._at}:
            desk.stored(seats)

    def forget(self, seat: Seat) -> None:
        """As of `Scorer`."""
        desk = self._at.pop(seat, None)
        if desk is not None:
            desk.forget(seat)

    def clear(self) -> None:
        """As of `Scorer`."""
        for desk in filter(None, (self._here, self._there)):
            desk.clear()
