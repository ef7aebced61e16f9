"""A column of words, of which many come again: whatever depends on a word alone is found out once for each."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cached_property
from typing import Generic, TypeVar, overload

import numpy as np

from detectors.layout import Counts, Numbers

Value = TypeVar("Value", bound=Hashable)
Word = TypeVar("Word", bound=str | None, covariant=True)


def numbered(values: Sequence[Value]) -> tuple[list[Value], Counts]:
    """Each value once, in the order of its first place, and the place among these of each of n, shape (n,)."""
    numbers: defaultdict[Value, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    places = np.fromiter(map(numbers.__getitem__, values), np.int64, len(values))
    return [*numbers], places


class Words(Sequence[Word], Generic[Word]):
    """The words of n transactions, None for a missing one."""

    def __init__(self, words: list[Word]) -> None:
        self._words = words

    def __len__(self) -> int:
        return len(self._words)

    def __iter__(self) -> Iterator[Word]:
        return iter(self._words)

    @overload
    def __getitem__(self, number: int) -> Word: ...
    @overload
    def __getitem__(self, number: slice) -> "Words[Word]": ...
    def __getitem__(self, number: int | slice) -> "Word | Words[Word]":
        return Words(self._words[number]) if isinstance(number, slice) else self._words[number]

    @cached_property
    def _coded(self) -> tuple[list[Word], Counts]:
        return numbered(self._words)

    @property
    def distinct(self) -> list[Word]:
        """Each word once, in the order of its first row."""
        return self._coded[0]

    @property
    def places(self) -> Counts:
        """Where in `distinct` the word of each row is, shape (n,)."""
        return self._coded[1]

    def numbers(self, of: Callable[[Word], float]) -> Numbers:
        """A number for each row that depends on its word, shape (n,)."""
        return np.array([of(word) for word in self.distinct], np.float64)[self.places]
