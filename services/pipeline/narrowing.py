"""Smaller and smaller batches where the process keeps dying, down to the record it dies of."""

from services.store.store import Opening

SUSPICIOUS_RESTORES = 2


class Narrowing:
    """How many records the next batch may have.

    Once a partition was opened several times at one offset, each of its batches leaves a mark in the store before it
    is scored (`careful`). Of records that were marked and did not end, half are tried first; where those are stored it
    was one of the others, of which again half come next. With `poisoned` the next record is one that the process died
    of alone, twice. Behind all of them batches grow again.
    """

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._suspects = 0
        self.limit = batch_size
        self.careful = False
        self.poisoned = False

    def begin(self, opening: Opening) -> None:
        """Start from how earlier owners fared at this offset."""
        self.poisoned = opening.attempt_size == 1 and opening.attempts > 1
        if opening.attempts:
            self._suspect(opening.attempt_size)
        elif opening.restores >= SUSPICIOUS_RESTORES:
            self._suspect(self._batch_size)

    def passed(self, records: int) -> None:
        """So many were stored."""
        if not self.careful:
            return
        if self._suspects > records:
            self._suspect(self._suspects - records)
        else:
            self._suspects = 0
            self.limit = min(self._batch_size, self.limit * 2)
            self.careful = self.limit < self._batch_size

    def _suspect(self, records: int) -> None:
        self.careful = True
        self._suspects = records
        self.limit = max(1, records // 2)
