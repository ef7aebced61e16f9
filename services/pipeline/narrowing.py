"""Smaller and smaller batches where the process keeps dying, down to the record it dies of."""

from services.store.store import Opening

SUSPICIOUS_RESTORES = 3


class Narrowing:
    """How many records the next batch may have.

    Once a partition was opened several times at one offset, each of its batches leaves a mark in the store before it
    is scored (`careful`). A batch that was marked and did not end is tried with half as many records, and doubled
    again after each that is stored. With `poisoned` the next record is one that the process died of alone, twice.
    """

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self.limit = batch_size
        self.careful = False
        self.poisoned = False

    def begin(self, opening: Opening) -> None:
        """Start from how earlier owners fared at this offset."""
        self.poisoned = opening.attempt_size == 1 and opening.attempts > 1
        if opening.attempts:
            self.careful = True
            self.limit = max(1, opening.attempt_size // 2)
        elif opening.restores >= SUSPICIOUS_RESTORES:
            self.careful = True
            self.limit = self._batch_size

    def widen(self) -> None:
        """A batch was stored: the next may be twice as large."""
        if self.careful:
            self.limit = min(self._batch_size, self.limit * 2)
            self.careful = self.limit < self._batch_size
