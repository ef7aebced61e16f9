"""Records of several partitions in the order of their times, as far as they are here."""

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Merge(Generic[Item]):
    """Takes the records of each partition in its order and gives, of the first of each, the one with the lowest time.

    A partition without a record here is waited for, unless it is at its end: `at_end` is asked, and `ended` tells.
    The order within a partition stays as it is; among partitions it is that of the times, except for what came late.
    Source: the choice of Kafka Streams' tasks (KIP-353, KIP-695).
    """

    def __init__(self, partitions: Iterable[int], at_end: Callable[[int], bool]) -> None:
        self._at_end = at_end
        self._buffers: dict[int, deque[tuple[float, Item]]] = {partition: deque() for partition in partitions}
        self._first: list[tuple[float, int]] = []
        self._ended: set[int] = set()
        self._awaited = set(self._buffers)

    def size(self, partition: int) -> int:
        """Records of it that wait."""
        return len(self._buffers[partition])

    def add(self, partition: int, time: float, item: Item) -> None:
        """The next record of a partition."""
        buffer = self._buffers[partition]
        if not buffer:
            heapq.heappush(self._first, (time, partition))
            self._awaited.discard(partition)
        self._ended.discard(partition)
        buffer.append((time, item))

    def ended(self, partition: int) -> None:
        """There is no further record of it now."""
        self._ended.add(partition)
        self._awaited.discard(partition)

    def next(self) -> Item | None:
        """The next record of all, None while a partition is waited for or nothing is here."""
        for partition in [each for each in self._awaited if self._at_end(each)]:
            self.ended(partition)
        if self._awaited or not self._first:
            return None
        _, partition = self._first[0]
        buffer = self._buffers[partition]
        _, item = buffer.popleft()
        if buffer:
            heapq.heapreplace(self._first, (buffer[0][0], partition))
        else:
            heapq.heappop(self._first)
            if partition not in self._ended:
                self._awaited.add(partition)
        return item
