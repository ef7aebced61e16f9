"""A column of words, of which many come again: whatever depends on a word alone is found out once for each."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from detectors.layout import Counts, Numbers

Word = TypeVar("Word", bound=str | None, covariant=True)


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
        numbers: defaultdict[Word, int] = defaultdict()
        numbers.default_factory = numbers.__len__
        places = np.fromiter(map(numbers.__getitem__, self._words), np.int64, len(self._words))
        return [*numbers], places

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

    def keys(self, of: Callable[[list[Word]], list[int]]) -> NDArray[np.int64]:
        """The same of whole numbers, found for all words at once."""
        return np.array(of(self.distinct), np.int64)[self.places]
