"""Where the batches of partitions are scored: in this process or another one."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import Protocol

from detectors.models import Models
from services.pipeline.scorer import Answered, Looked, Outcome, Scorer
from services.pipeline.scoring import Record, Seat


class Desk(Protocol):
    """A `Scorer` that is asked in turn: what is asked first is done first."""

    async def decode(self, taken: Mapping[Seat, Sequence[Record]], *, keys: bool) -> Looked:
        """As of `Scorer`."""
        ...

    async def score(self, answered: Answered, models: Models) -> Outcome:
        """As of `Scorer`."""
        ...

    def stored(self, seats: Sequence[Seat]) -> None:
        """As of `Scorer`."""

    def forget(self, seat: Seat) -> None:
        """As of `Scorer`."""

    def clear(self) -> None:
        """As of `Scorer`."""


class ThreadDesk:
    """A scorer in this process. Its `executor` has one thread, which is all that touches the scorer."""

    def __init__(self, scorer: Scorer, executor: Executor) -> None:
        self._scorer = scorer
        self._executor = executor

    async def decode(self, taken: Mapping[Seat, Sequence[Record]], *, keys: bool) -> Looked:
        """As of `Scorer`."""
        return await asyncio.wrap_future(self._executor.submit(self._scorer.decode, taken, keys=keys))

    async def score(self, answered: Answered, models: Models) -> Outcome:
        """As of `Scorer`."""
        return await asyncio.wrap_future(self._executor.submit(self._scorer.score, answered, models))

    def stored(self, seats: Sequence[Seat]) -> None:
        """As of `Scorer`."""
        self._executor.submit(self._scorer.stored, seats)

    def forget(self, seat: Seat) -> None:
        """As of `Scorer`."""
        self._executor.submit(self._scorer.forget, seat)

    def clear(self) -> None:
        """As of `Scorer`."""
        self._executor.submit(self._scorer.clear)
