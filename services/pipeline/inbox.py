"""The inbox of one partition: records that were read from Kafka and wait to be scored."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from services.pipeline.scoring import Record

HIGH_WATER_BATCHES = 4
HIGH_WATER_BYTES = 8 * 1024 * 1024


class Inbox:
    """Records in offset order, bounded by number and bytes through `full` and `drained_enough`.

    It takes nothing in until `open` says from which offset on, and nothing after `close`. `on_gap` hears the
    expected and the found offset where records are missing between them.
    """

    def __init__(self, batch_size: int, on_gap: Callable[[int, int], None]) -> None:
        self._most_records = HIGH_WATER_BATCHES * batch_size
        self._on_gap = on_gap
        self._records: deque[Record] = deque()
        self._bytes = 0
        self._expected = -1
        self.opened = False
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return len(self._records)

    @property
    def full(self) -> bool:
        """Whether the partition should be paused."""
        return len(self._records) >= self._most_records or self._bytes >= HIGH_WATER_BYTES

    @property
    def drained_enough(self) -> bool:
        """Whether a paused partition may flow again."""
        return len(self._records) <= self._most_records // 2 and self._bytes <= HIGH_WATER_BYTES // 2

    def open(self, offset: int) -> None:
        """Take in records from `offset` on."""
        self._expected = offset
        self.opened = True

    def close(self) -> None:
        """Drop what is here and whatever comes."""
        self.opened = False
        self._records.clear()
        self._bytes = 0

    def offer(self, records: Sequence[Record]) -> None:
        """Queue records from the consumer; those from before the seek are dropped."""
        if not self.opened:
            return
        for record in records:
            if record.offset < self._expected:
                continue
            if record.offset > self._expected:
                self._on_gap(self._expected, record.offset)
            self._expected = record.offset + 1
            self._records.append(record)
            self._bytes += len(record.value or b"")
        self._arrived.set()

    def take(self, most: int) -> list[Record]:
        """The next records, `most` of them or all that there are."""
        taken = [self._records.popleft() for _ in range(min(most, len(self._records)))]
        self._bytes -= sum(len(record.value or b"") for record in taken)
        return taken

    async def wait(self) -> None:
        """Wait until something is offered, or until `wake`."""
        self._arrived.clear()
        await self._arrived.wait()

    def wake(self) -> None:
        """End a wait although nothing came."""
        self._arrived.set()
