"""Headers of confluent-kafka's messages, also those whose names it cannot read."""

import asyncio
from operator import methodcaller
from typing import Any

from aiokafka import TopicPartition

from services.brokers.broker import Broker, Isolation
from services.brokers.log import Headers, LogReader

_headers_of = methodcaller("headers")
"""Never `message.headers()`: where it fails it gives a list with holes, and an interpreter that has come to know the
call no longer looks whether it failed. The holes then end the process, or another call with this one's error."""


class HeaderReader:
    """Reads what the client refuses from Kafka's log: a batch at a time, as long as records of it come.

    For one thread that blocks, with an event loop of its own.
    """

    def __init__(self, broker: Broker, isolation: Isolation) -> None:
        self._broker = broker
        self._isolation: Isolation = isolation
        self._loop: asyncio.Runner | None = None
        self._reader: LogReader | None = None
        self._known: dict[TopicPartition, dict[int, Headers]] = {}

    def of(self, message: Any) -> Headers:
        """The headers of a message; asked a second time, the client gives some that nothing may touch.

        Raises: KafkaError, TimeoutError or OSError where Kafka does not answer; OffsetOutOfRangeError, CorruptLog.
        """
        try:
            return tuple(_headers_of(message) or ())
        except (UnicodeDecodeError, SystemError):
            return self._read(TopicPartition(message.topic(), message.partition()), message.offset())

    def _read(self, partition: TopicPartition, offset: int) -> Headers:
        if offset not in self._known.get(partition, {}):
            if self._loop is None:
                self._loop = asyncio.Runner()
            self._known[partition] = self._loop.run(self._fetch(partition, offset))
        return self._known[partition][offset]

    async def _fetch(self, partition: TopicPartition, offset: int) -> dict[int, Headers]:
        if self._reader is None:
            self._reader = LogReader(self._broker, self._isolation)
            await self._reader.__aenter__()
        (batch, *_) = (await self._reader.fetch(partition, offset, 1)).batches
        return {record.offset: record.headers for record in batch.records}

    def close(self) -> None:
        """Disconnect."""
        if self._loop is not None:
            if self._reader is not None:
                self._loop.run(self._reader.__aexit__(None, None, None))
            self._loop.close()
            self._loop = None
        self._known.clear()
