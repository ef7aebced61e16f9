"""Sends transactions to Kafka: idempotent, acknowledged by all replicas."""

import asyncio
import contextlib
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from domain.transaction import GroundTruth, Transaction
from services.brokers.broker import Broker
from services.records import wire

SEND_WITHIN = 60.0
MOST_IN_FLIGHT = 5_000
LAG_LIMIT = 20_000
EMBEDDED_LAG_LIMIT = 8_000
"""The embedded broker keeps about 5 MB a partition; this many records are far from filling it."""


class Outgoing(NamedTuple):
    """A record ready to send; `truth` and `replay` travel in headers."""

    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


def outgoing(
    transaction: Transaction,
    truth: GroundTruth | None,
    *,
    replay: bool = False,
    updated: bool = False,
    simulated: bool = False,
) -> Outgoing:
    """Encode a transaction; all transactions of a user share a partition through the key.

    Those of a `replay`, and `simulated` ones at a pace of their own, bring their own clock.
    """
    headers = [(wire.TRUTH_HEADER, wire.encode_truth(truth))] if truth is not None else []
    if replay:
        headers.append((wire.CLOCK_HEADER, wire.CLOCK_REPLAY))
    elif simulated:
        headers.append((wire.CLOCK_HEADER, wire.CLOCK_SIMULATION))
    if updated:
        headers.append((wire.UPDATED_HEADER, b""))
    return Outgoing(transaction.user_id.encode(errors="replace"), wire.encode(transaction), headers)


def refused(raw: bytes, reason: str) -> Outgoing:
    """A row that is no transaction, on its way to the dead letters with what is wrong with it."""
    return Outgoing(b"", raw, [(wire.REFUSED_HEADER, reason.encode(errors="replace"))])


class Sender:
    """An idempotent Kafka producer that keeps at most `MOST_IN_FLIGHT` records unacknowledged."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self._broker = broker
        self._topic = topic
        self._producer: Any = None
        self._room = asyncio.Semaphore(MOST_IN_FLIGHT)
        self._in_flight: set[asyncio.Future[Any]] = set()
        self._failure: BaseException | None = None
        self.acknowledged = 0
        self.ends: dict[int, int] = {}
        """By partition, the offset after the last acknowledged record."""

    async def start(self) -> None:
        """Connect. Raises KafkaError when the broker does not answer."""
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._broker.bootstrap,
            enable_idempotence=True,
            acks="all",
            linger_ms=10,
            max_batch_size=256 * 1024,
            max_request_size=4 * 1024 * 1024,
            compression_type="lz4",
            **self._broker.client_options,
        )
        await self._producer.start()

    async def send(self, record: Outgoing, partition: int | None = None) -> asyncio.Future[Any]:
        """Queue one record, for the partition of its key unless another is named.

        Returns: its acknowledgement, with partition and offset.
        Raises: KafkaError or TimeoutError when earlier ones were not acknowledged.
        """
        if self._failure is not None:
            raise self._failure
        if self._room.locked():
            # Idempotent batches never expire by themselves.
            async with asyncio.timeout(SEND_WITHIN):
                await self._room.acquire()
        else:
            # Without a turn of the event loop for every record: beside a busy pipeline turns are what is scarce.
            await self._room.acquire()
        future: asyncio.Future[Any] = await self._producer.send(
            self._topic, key=record.key, value=record.value, headers=record.headers, partition=partition
        )
        self._in_flight.add(future)
        future.add_done_callback(self._acknowledge)
        return future

    def _acknowledge(self, future: asyncio.Future[Any]) -> None:
        self._in_flight.discard(future)
        self._room.release()
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            self.acknowledged += 1
            sent = future.result()
            # A partition acknowledges in order: a lower offset is one of a topic that was made again.
            self.ends[sent.partition] = sent.offset + 1
        else:
            self._failure = error

    async def flush(self) -> None:
        """Wait for every acknowledgement. Raises KafkaError or TimeoutError."""
        if self._in_flight:
            async with asyncio.timeout(SEND_WITHIN):
                await asyncio.gather(*self._in_flight, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    async def stop(self) -> None:
        """Flush what can be flushed and disconnect, within a deadline."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            with contextlib.suppress(KafkaError, asyncio.TimeoutError):
                # Not `asyncio.timeout`, whose end is a cancellation in a task that was cancelled before.
                await asyncio.wait_for(producer.stop(), 5)
