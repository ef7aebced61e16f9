"""The inbox of one partition: records that were read from Kafka and wait to be scored."""

import asyncio
from collections import deque
from collections.abc import Sequence

from services.pipeline.scoring import Record

HIGH_WATER_BATCHES = 4
HIGH_WATER_BYTES = 8 * 1024 * 1024


class Inbox:
    """Records in offset order, bounded by number and bytes through `full` and `drained_enough`.

    It takes nothing in until `open` says from which offset on. `position` is the offset that the consumer reads next.
    Offsets between records mean nothing: markers of transactions, aborted records and compacted ones have no record.
    """

    def __init__(self, batch_size: int) -> None:
        self.opened = False
        self.position = -1
        self._most_records = HIGH_WATER_BATCHES * batch_size
        self._records: deque[Record] = deque()
        self._bytes = 0
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

    @property
    def following(self) -> int:
        """The offset up to which nothing is missing once all that was taken is stored."""
        return self._records[0].offset if self._records else self.position

    def open(self, offset: int) -> None:
        """Take in records from `offset` on."""
        self.position = offset
        self.opened = True

    def shut(self) -> None:
        """Take nothing more in; what is here may still be taken."""
        self.opened = False
        self._arrived.set()

    def close(self) -> None:
        """Drop what is here and whatever comes."""
        self.opened = False
        self._records.clear()
        self._bytes = 0

    def offer(self, records: Sequence[Record]) -> None:
        """Queue records from the consumer; those from before the seek are dropped."""
        if not self.opened or not records:
            return
        for record in records:
            if record.offset >= self.position:
                self.position = record.offset + 1
                self._records.append(record)
                self._bytes += len(record.value or b"")
        self._arrived.set()

    def reach(self, position: int) -> None:
        """The consumer reads on at `position`: there are no more records for it before that."""
        if self.opened:
            self.position = max(self.position, position)

    def take(self, most: int) -> list[Record]:
        """The next records, `most` of them or all that there are."""
        taken = [self._records.popleft() for _ in range(min(most, len(self._records)))]
        self._bytes -= sum(len(record.value or b"") for record in taken)
        return taken

    async def wait(self, seconds: float) -> None:
        """Wait until something is offered, until `shut`, or that long."""
        self._arrived.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        except TimeoutError:
            return
