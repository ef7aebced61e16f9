"""Sends a file through Kafka, in step with the models so that its scores can be had again offline."""

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, Protocol

from services.records.files import FileRow, InvalidRow
from services.sending.producer import Sender, outgoing, refused

LAG_POLL = 0.05
SENT_AT_ONCE = 100
"""Rows between two turns of the event loop, which the pipeline of the same process needs too."""


class Outcome(NamedTuple):
    """What became of transactions that were sent: `first` names the first of those in the dead letters."""

    stored: int
    dead_letters: int
    first: tuple[str, ...]


class Consumer(Protocol):
    """What a replay must know of the reader of what it sends.

    `by_id` says that transactions are found again by their ids, and not by their offsets.
    """

    by_id: bool

    async def lag(self, ends: dict[int, int]) -> int:
        """How many records before these end offsets (by partition) are not stored yet."""
        ...

    async def until_fit(self) -> int | None:
        """How many more transactions may be stored before the next fit, None when nobody is waiting for fits."""
        ...

    async def outcome(self, sent: "Offsets") -> Outcome:
        """What became of the transactions at these offsets, all of which have been read."""
        ...


class Offsets:
    """Where the transactions of a replay lie in Kafka: by partition, stretches of offsets.

    `ids` are theirs, where `by_id` says that they will be asked for: what goes through a re-keyed topic is stored from
    other offsets.
    """

    def __init__(self, by_id: bool) -> None:
        self.by_id = by_id
        self.ids: list[str] = []
        self._stretches: dict[int, list[list[int]]] = {}

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Every partition with its stretches as PostgreSQL writes a multirange."""
        for partition, stretches in sorted(self._stretches.items()):
            yield partition, "{" + ",".join(f"[{first},{after})" for first, after in stretches) + "}"

    def add(self, partition: int, offset: int, transaction_id: str) -> None:
        """One more; a partition acknowledges in order, so that most extend the last stretch."""
        if self.by_id:
            self.ids.append(transaction_id)
        stretches = self._stretches.setdefault(partition, [])
        if stretches and stretches[-1][1] == offset:
            stretches[-1][1] += 1
        else:
            stretches.append([offset, offset + 1])


class Replay:
    """Sends the rows of a file at `speed` times their own pace, or as fast as they are stored.

    The event times are the file's: records carry the `event-clock` header, so their age is not held against
    them. `updated` says whether the last row is a change of one that may have been there before.
    """

    def __init__(
        self,
        sender: Sender,
        rows: Iterator[FileRow],
        *,
        speed: float | None,
        lag_limit: int,
        consumer: Consumer,
        sent: Callable[[], None],
        updated: Callable[[], bool] = lambda: False,
    ) -> None:
        self._sender = sender
        self._rows = rows
        self._speed = speed
        self._lag_limit = lag_limit
        self._consumer = consumer
        self._sent = sent
        self._updated = updated
        self.count = 0
        self.offsets = Offsets(consumer.by_id)
        """Of the transactions that were acknowledged."""

    async def run(self) -> None:
        """Send everything and wait for the acknowledgements. Raises KafkaError or TimeoutError."""
        began, first = time.monotonic(), None
        room = await self._consumer.until_fit()
        for row in self._rows:
            if isinstance(row, InvalidRow):
                await self._sender.send(refused(row.raw, row.reason))
                continue
            transaction, truth = row
            updated = self._updated()
            if room is not None and room <= 0:
                await self._sender.flush()
                await self.drained()
                room = await self._consumer.until_fit()
            if self._speed is not None:
                event = transaction.timestamp.timestamp()
                first = event if first is None else first
                ahead = (event - first) / self._speed - (time.monotonic() - began)
                if ahead > 0:
                    self._sent()
                    await asyncio.sleep(ahead)
            acknowledgement = await self._sender.send(outgoing(transaction, truth, replay=True, updated=updated))
            acknowledgement.add_done_callback(partial(self._note, transaction.transaction_id))
            self.count += 1
            room = None if room is None else room - 1
            if self.count % SENT_AT_ONCE == 0:
                self._sent()
                await asyncio.sleep(0)
                await self._below(self._lag_limit)
        await self._sender.flush()
        self._sent()

    async def drained(self) -> None:
        """Wait until everything sent is stored."""
        await self._below(0)

    def _note(self, transaction_id: str, acknowledgement: asyncio.Future[Any]) -> None:
        if not acknowledgement.cancelled() and acknowledgement.exception() is None:
            sent = acknowledgement.result()
            self.offsets.add(sent.partition, sent.offset, transaction_id)

    async def _below(self, limit: int) -> None:
        while await self._consumer.lag(self._sender.ends) > limit:
            await asyncio.sleep(LAG_POLL)
