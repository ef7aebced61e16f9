"""A filtered window on a buffer of rows. It tests rows in short slices, so that drawing never waits for it."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from domain.filters import EVERYTHING, Filter
from domain.verdict import ScoredTransaction
from tui.lists.buffer import CAPACITY, RowBuffer

SLICE_SECONDS = 0.002
CHECK_CLOCK_EVERY = 64


class WindowState(NamedTuple):
    """What a window shows at one moment: its filter, the rows that match, and how far rows were tested."""

    filter_text: str
    filter: Filter
    rows: RowBuffer
    tested: int
    frozen_at: int | None
    refills: int
    unmatched: int


class Window:
    """The rows of a buffer that match a filter.

    `step` tests each new row once. A frozen window keeps what it shows, however much arrives. `version` changes
    whenever what it shows may have changed. `unmatched` counts the rows that an engine in another process tested itself
    and did not send.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.buffer = RowBuffer(capacity)
        self.rows = RowBuffer(capacity)
        self.filter: Filter = EVERYTHING
        self.filter_text = ""
        self.version = 0
        self.unmatched = 0
        self._refills = 0
        self._tested = 0
        self._frozen_at: int | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def frozen(self) -> bool:
        """Whether new rows wait instead of being shown."""
        return self._frozen_at is not None

    @property
    def partial(self) -> bool:
        """Whether an engine in another process has rows that it did not send."""
        return self._refills > 0

    @property
    def of(self) -> int:
        """How many rows there are, matching or not."""
        return len(self.buffer) + self.unmatched

    @property
    def pending(self) -> int:
        """Rows that were not tested yet. While frozen they wait to be shown."""
        return self.buffer.total - self._tested

    def freeze(self, frozen: bool) -> None:
        """Freeze what is shown, or show new rows again."""
        self._frozen_at = self.buffer.total if frozen else None
        self.version += 1

    def apply(self, text: str, filter: Filter) -> None:
        """Show what matches `filter`, which was typed as `text`. `step` then tests the buffer from its start."""
        self.filter = filter
        self.filter_text = text
        # A new buffer: a saved state may hold the old one.
        self.rows = RowBuffer(self.rows.capacity)
        self._tested = 0
        self.unmatched = 0
        self.version += 1

    def refill(self, rows: Iterable[ScoredTransaction], unmatched: int = 0) -> None:
        """Replace every row by these, oldest first. A frozen window goes on showing what it shows."""
        self.buffer.clear()
        self.buffer.extend(rows)
        self.unmatched = unmatched
        self._refills += 1
        self._tested = self.buffer.total - len(self.buffer)
        if self._frozen_at is None:
            self.rows = RowBuffer(self.rows.capacity)
        else:
            shown = self.rows[len(self.rows) - 1].sequence if len(self.rows) else 0
            self._tested += self.buffer.index(shown + 1)
            self._frozen_at = self._tested
        self.version += 1

    def save(self) -> WindowState:
        """What is shown now, for `restore`."""
        return WindowState(
            self.filter_text, self.filter, self.rows, self._tested, self._frozen_at, self._refills, self.unmatched
        )

    def restore(self, state: WindowState) -> None:
        """Show again what was saved, frozen if it was. `step` tests what arrived meanwhile."""
        self.filter_text, self.filter, self.rows, self._tested, self._frozen_at, refills, self.unmatched = state
        if refills != self._refills:
            # The buffer was refilled for another filter. The engine will refill it for this one.
            self._tested = self.buffer.total
            self._frozen_at = None if self._frozen_at is None else self._tested
        self.version += 1

    def prepend(self, rows: Sequence[ScoredTransaction]) -> None:
        """Add older rows, oldest first, with lower sequences. They are tested at once, so they should be few."""
        evicted = self.buffer.total - len(self.buffer)
        self.buffer.prepend(rows)
        self.rows.prepend([row for row in rows if self.filter.matches(row)])
        self._tested = max(self._tested, evicted) + len(rows)
        if self._frozen_at is not None:
            self._frozen_at += len(rows)
        self.version += 1

    def drop_history(self) -> None:
        """Drop the rows that are not from this run of the engine."""
        self.buffer.drop_before(0)
        self.rows.drop_before(0)
        self.version += 1

    def current(self, row: ScoredTransaction) -> ScoredTransaction:
        """The newest version of a row; `row` itself when it has left the buffer."""
        index = self.buffer.index(row.sequence)
        held = self.buffer[index] if index < len(self.buffer) else row
        return held if held.sequence == row.sequence else row

    def replace(self, row: ScoredTransaction) -> None:
        """Replace the row that has the same sequence.

        A row on screen stays there until a filter is applied, so that a row does not vanish under the key that decided
        on it. A row that was not shown appears if it matches now.
        """
        self.buffer.put(row)
        evicted = self.buffer.total - len(self.buffer)
        untested = evicted + self.buffer.index(row.sequence) >= self._tested
        if not untested and (self.rows.holds(row.sequence) or self.filter.matches(row)):
            self.rows.put(row)
            self.version += 1

    def step(self, budget: float = SLICE_SECONDS, clock: Callable[[], float] = time.perf_counter) -> bool:
        """Test rows for `budget` seconds; False when some are still untested."""
        end = self.buffer.total if self._frozen_at is None else self._frozen_at
        evicted = self.buffer.total - len(self.buffer)
        position = max(self._tested, evicted)
        if position >= end:
            self._tested = max(self._tested, end)
            return True
        self.rows.drop_before(self.buffer[0].sequence)
        self.version += 1
        deadline = clock() + budget
        everything = self.filter is EVERYTHING
        while position < end:
            row = self.buffer[position - evicted]
            if everything or self.filter.matches(row):
                self.rows.append(row)
            position += 1
            if position % CHECK_CLOCK_EVERY == 0 and clock() > deadline:
                break
        self._tested = position
        return position == end
