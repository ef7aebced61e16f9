"""The inbox of one partition: records that were read from Kafka and wait to be scored."""

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import islice

from services.pipeline.scoring import Record

HIGH_WATER_BATCHES = 2
HIGH_WATER_BYTES = 8 * 1024 * 1024


class Inbox:
    """Records in offset order, bounded by number and bytes through `full` and `drained_enough`.

    It takes nothing in until `open` says from which offset on. `position` is the offset that the consumer reads next.
    Offsets between records mean nothing: markers of transactions, aborted records and compacted ones have no record.
    While it is held, only what was released may be taken.
    """

    def __init__(self, batch_size: int) -> None:
        self.opened = False
        self.position = -1
        self.generation = 0
        """Another one whenever what was here is dropped."""
        self._most_records = HIGH_WATER_BATCHES * batch_size
        self._records: deque[Record] = deque()
        self._bytes = 0
        self._holding = False
        self._released = 0
        self._shut = False
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

    @property
    def ready(self) -> int:
        """How many records may be taken; of an inbox that was shut, all."""
        held = self._holding and not self._shut
        return min(self._released, len(self._records)) if held else len(self._records)

    def hold(self) -> None:
        """Let nothing be taken but what is released."""
        if not self._holding:
            self._holding, self._released = True, 0

    def held(self, skip: int) -> list[Record]:
        """What is here and not released, but for the first `skip` of it."""
        return list(islice(self._records, self._released + skip, None))

    def release(self, count: int) -> None:
        """Let the next `count` records be taken, too."""
        self._released += count
        if count:
            self._arrived.set()

    def let_go(self) -> None:
        """Hold nothing back any longer."""
        self._holding = False
        self._arrived.set()

    def open(self, offset: int) -> None:
        """Take in records from `offset` on."""
        self._shut = False
        self.position = offset
        self.opened = True

    def shut(self) -> None:
        """Take nothing more in; what is here may still be taken."""
        self.opened = False
        self._shut = True
        self._arrived.set()

    def close(self) -> None:
        """Drop what is here and whatever comes."""
        self.opened = False
        self.generation += 1
        self._released = 0
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
        """The next records, `most` of them or all that may be taken."""
        taken = [self._records.popleft() for _ in range(min(most, self.ready))]
        self._released = max(0, self._released - len(taken))
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
