"""Rows held by the console: a bounded ring, and a filtered window on it that is brought up to date in slices."""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

from domain.filters import EVERYTHING, Filter
from domain.verdict import ScoredTransaction

CAPACITY = 50_000
SLICE_SECONDS = 0.002
_COMPACT_AT = 1024
CHECK_CLOCK_EVERY = 64
_sequence = attrgetter("sequence")


class Ring:
    """The newest `capacity` rows, ascending by sequence, indexed from the oldest."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self.total = 0
        self._rows: list[ScoredTransaction] = []
        self._start = 0

    def __len__(self) -> int:
        return len(self._rows) - self._start

    def __getitem__(self, index: int) -> ScoredTransaction:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._rows[self._start + index]

    def __iter__(self) -> Iterator[ScoredTransaction]:
        return islice(self._rows, self._start, None)

    def append(self, row: ScoredTransaction) -> None:
        """Add the newest row; the oldest leaves a full ring."""
        self._rows.append(row)
        self.total += 1
        if len(self) > self.capacity:
            self._start += 1
            self._compact()

    def all(self) -> list[ScoredTransaction]:
        """The rows now, oldest first."""
        return self._rows[self._start :]

    def newest(self, count: int) -> list[ScoredTransaction]:
        """At most `count` of the newest rows, oldest first."""
        return self._rows[max(self._start, len(self._rows) - count) :]

    def extend(self, rows: Iterable[ScoredTransaction]) -> None:
        """Append rows, oldest first."""
        for row in rows:
            self.append(row)

    def prepend(self, rows: Sequence[ScoredTransaction]) -> None:
        """Put older rows, oldest first, before the oldest one held; the caller minds the capacity."""
        self._rows[self._start : self._start] = rows
        self.total += len(rows)

    def put(self, row: ScoredTransaction) -> None:
        """Put a row in its place by sequence, instead of the one that has the same."""
        place = self._start + self.index(row.sequence)
        self._rows[place : place + self.holds(row.sequence)] = [row]

    def index(self, sequence: int) -> int:
        """Where the first row at or above `sequence` is; `len(self)` when there is none."""
        return bisect_left(self._rows, sequence, lo=self._start, key=_sequence) - self._start

    def holds(self, sequence: int) -> bool:
        """Whether there is a row of that sequence."""
        index = self.index(sequence)
        return index < len(self) and self[index].sequence == sequence

    def drop_before(self, sequence: int) -> None:
        """Drop the rows below `sequence`."""
        self._start += self.index(sequence)
        self._compact()

    def clear(self) -> None:
        """Drop every row."""
        self._rows.clear()
        self._start = 0

    def _compact(self) -> None:
        if self._start >= _COMPACT_AT:
            del self._rows[: self._start]
            self._start = 0


class Held(NamedTuple):
    """A window's filter, the rows that it let through, how many rows were tested, and where it was frozen.

    `refills` and `elsewhere` are the window's own of then.
    """

    filter_text: str
    filter: Filter
    rows: Ring
    tested: int
    frozen_at: int | None
    refills: int
    elsewhere: int


class Window:
    """The rows of a ring that match a filter.

    New rows are tested once each, by `step`. A frozen window keeps what it shows, however much arrives.
    `version` changes whenever what it shows may have changed. `elsewhere` counts rows that the engine held against the
    filter and did not even send.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.ring = Ring(capacity)
        self.rows = Ring(capacity)
        self.filter: Filter = EVERYTHING
        self.filter_text = ""
        self.version = 0
        self.elsewhere = 0
        self._refills = 0
        self._tested = 0
        self._frozen_at: int | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def frozen(self) -> bool:
        """Whether it keeps what it shows."""
        return self._frozen_at is not None

    @property
    def partial(self) -> bool:
        """Whether the engine, in another process, holds rows that it did not send."""
        return self._refills > 0

    @property
    def of(self) -> int:
        """How many rows there are with those that the filter does not let through."""
        return len(self.ring) + self.elsewhere

    @property
    def pending(self) -> int:
        """Rows that arrived and were not tested yet; while frozen, what waits to be shown."""
        return self.ring.total - self._tested

    def freeze(self, frozen: bool) -> None:
        """Keep what is shown now, or let it move again."""
        self._frozen_at = self.ring.total if frozen else None
        self.version += 1

    def apply(self, text: str, filter: Filter) -> None:
        """Show what matches `filter`, which was written as `text`; the window fills again by `step`."""
        self.filter = filter
        self.filter_text = text
        # A new ring, because the old one may be what `restore` will be given.
        self.rows = Ring(self.rows.capacity)
        self._tested = 0
        self.elsewhere = 0
        self.version += 1

    def refill(self, rows: Iterable[ScoredTransaction], elsewhere: int = 0) -> None:
        """Hold these rows, oldest first, instead of all others; a frozen window goes on showing what it shows."""
        self.ring.clear()
        self.ring.extend(rows)
        self.elsewhere = elsewhere
        self._refills += 1
        self._tested = self.ring.total - len(self.ring)
        if self._frozen_at is None:
            self.rows = Ring(self.rows.capacity)
        else:
            shown = self.rows[len(self.rows) - 1].sequence if len(self.rows) else 0
            self._tested += self.ring.index(shown + 1)
            self._frozen_at = self._tested
        self.version += 1

    def hold(self) -> "Held":
        """What is shown now, to be shown again by `restore` after other filters were applied."""
        return Held(
            self.filter_text, self.filter, self.rows, self._tested, self._frozen_at, self._refills, self.elsewhere
        )

    def restore(self, held: "Held") -> None:
        """Show what was held, frozen if it was; what arrived meanwhile is tested by `step`."""
        self.filter_text, self.filter, self.rows, self._tested, self._frozen_at, refills, self.elsewhere = held
        if refills != self._refills:
            # What is held now was let through by another filter: what this one lets through will be a refill, too.
            self._tested = self.ring.total
            self._frozen_at = None if self._frozen_at is None else self._tested
        self.version += 1

    def prepend(self, rows: Sequence[ScoredTransaction]) -> None:
        """Add older rows, oldest first and of lower sequences; few enough to be tested at once."""
        evicted = self.ring.total - len(self.ring)
        self.ring.prepend(rows)
        self.rows.prepend([row for row in rows if self.filter.matches(row)])
        self._tested = max(self._tested, evicted) + len(rows)
        if self._frozen_at is not None:
            self._frozen_at += len(rows)
        self.version += 1

    def drop_history(self) -> None:
        """Drop the rows that are not from this run of the engine."""
        self.ring.drop_before(0)
        self.rows.drop_before(0)
        self.version += 1

    def current(self, row: ScoredTransaction) -> ScoredTransaction:
        """The row as it is held now; itself when it has left."""
        index = self.ring.index(row.sequence)
        held = self.ring[index] if index < len(self.ring) else row
        return held if held.sequence == row.sequence else row

    def replace(self, row: ScoredTransaction) -> None:
        """Hold this row instead of the one that has its sequence.

        A row that is shown stays, changed as it is, until a filter is applied again: what one has just decided on
        does not jump away. One that was not shown is, if it matches now.
        """
        self.ring.put(row)
        evicted = self.ring.total - len(self.ring)
        untested = evicted + self.ring.index(row.sequence) >= self._tested
        if not untested and (self.rows.holds(row.sequence) or self.filter.matches(row)):
            self.rows.put(row)
            self.version += 1

    def step(self, budget: float = SLICE_SECONDS, clock: Callable[[], float] = time.perf_counter) -> bool:
        """Test untested rows for `budget` seconds; False when some are left."""
        end = self.ring.total if self._frozen_at is None else self._frozen_at
        evicted = self.ring.total - len(self.ring)
        position = max(self._tested, evicted)
        if position >= end:
            self._tested = max(self._tested, end)
            return True
        self.rows.drop_before(self.ring[0].sequence)
        self.version += 1
        deadline = clock() + budget
        everything = self.filter is EVERYTHING
        while position < end:
            row = self.ring[position - evicted]
            if everything or self.filter.matches(row):
                self.rows.append(row)
            position += 1
            if position % CHECK_CLOCK_EVERY == 0 and clock() > deadline:
                break
        self._tested = position
        return position == end
