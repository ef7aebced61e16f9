"""The newest rows that the console holds, in order of their sequence."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter

from domain.verdict import ScoredTransaction

CAPACITY = 50_000
_COMPACT_AT = 1024
_sequence = attrgetter("sequence")


class RowBuffer:
    """The newest `capacity` rows, ascending by sequence, indexed from the oldest.

    `lowest` is the lowest sequence that it was ever given, 0 at most: older rows are numbered below it, so that no
    number is given to a second transaction.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self.total = 0
        self.lowest = 0
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
        """Add the newest row; a full buffer drops its oldest."""
        self._rows.append(row)
        self.total += 1
        if len(self) > self.capacity:
            self._start += 1
            self._compact()

    def all(self) -> list[ScoredTransaction]:
        """A copy of the rows, oldest first."""
        return self._rows[self._start :]

    def newest(self, count: int) -> list[ScoredTransaction]:
        """At most `count` of the newest rows, oldest first."""
        return self._rows[max(self._start, len(self._rows) - count) :]

    def extend(self, rows: Iterable[ScoredTransaction]) -> None:
        """Append rows, oldest first."""
        for row in rows:
            self.append(row)

    def prepend(self, rows: Sequence[ScoredTransaction]) -> None:
        """Add older rows, oldest first, at the start. The caller must not exceed the capacity."""
        self._rows[self._start : self._start] = rows
        self.lowest = min([self.lowest, *(row.sequence for row in rows[:1])])
        self.total += len(rows)

    def put(self, row: ScoredTransaction) -> None:
        """Insert a row by its sequence, or replace the row that has the same sequence."""
        place = self._start + self.index(row.sequence)
        self._rows[place : place + self.holds(row.sequence)] = [row]

    def index(self, sequence: int) -> int:
        """The index of the first row with at least this sequence; `len(self)` when there is none."""
        return bisect_left(self._rows, sequence, lo=self._start, key=_sequence) - self._start

    def holds(self, sequence: int) -> bool:
        """Whether a row has exactly this sequence."""
        index = self.index(sequence)
        return index < len(self) and self[index].sequence == sequence

    def drop_before(self, sequence: int) -> None:
        """Drop the rows with a lower sequence."""
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
