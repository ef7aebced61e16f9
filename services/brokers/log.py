"""A partition's log as it lies in Kafka, batch by batch, with what no consumer is shown.

Consumers are given records only: of an offset that they pass over they do not know whether a producer aborted it, a
marker of a transaction stands there, compaction removed it, or they lost it. And a record that their parser refuses,
such as one with a header whose name is not UTF-8, ends them. `LogReader` accounts for every offset.
Source: https://kafka.apache.org/documentation/#messageformat
"""

import asyncio
import struct
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Literal, NamedTuple

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode
from aiokafka.errors import KafkaError, NoError, OffsetOutOfRangeError, StaleMetadata, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.record.legacy_records import LegacyRecordBatch
from aiokafka.record.util import calc_crc32c

from services.brokers.broker import ANSWER_WITHIN, Broker, Isolation
from services.errors import reason_of

FETCH_BYTES = 1024 * 1024
_AGAIN_AFTER = 0.1
_EARLIEST, _LATEST = -2, -1

# Base offset, length, leader epoch, magic, CRC; then what the CRC is of: attributes, last offset delta, first and last
# timestamp, producer id and epoch, first sequence, number of records.
_HEADER = struct.Struct(">qiibIhiqqqhii")
_LENGTH = struct.Struct(">qi")
_MAGIC_AT = 16
_CHECKED_FROM = 21
_MARKER = struct.Struct(">hh")
_ABORT = 0
_CODEC, _APPEND_TIME, _TRANSACTIONAL, _CONTROL = 0x07, 0x08, 0x10, 0x20
_CODECS = {1: gzip_decode, 2: snappy_decode, 3: lz4_decode, 4: zstd_decode}
_LONGEST_NUMBER = 63

Headers = tuple[tuple[str, bytes | None], ...]
Kind = Literal["records", "aborted", "marker"]


class CorruptLog(Exception):
    """What lies at an offset is no batch of records; the message says where and why."""


class LogRecord(NamedTuple):
    """One record. `timestamp` is milliseconds, -1 where there is none; a byte of a header's name that is not UTF-8 is
    written as an escape.
    """

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class LogBatch(NamedTuple):
    """The offsets from `first` to before `following`: those that no record has were removed by compaction."""

    first: int
    following: int
    kind: Kind
    records: Sequence[LogRecord]


class Fetched(NamedTuple):
    """Batches in offset order, `following` behind the last of them, and where the log begins and ends.

    It ends where a consumer of the same isolation does: at the last stable offset, or at the high watermark.
    """

    batches: Sequence[LogBatch]
    following: int
    begins: int
    ends: int


class LogReader:
    """Reads any partition of a cluster from any offset, as a consumer with `isolation` would see it.

    Raises of all methods: KafkaError, TimeoutError or OSError where Kafka does not answer.
    """

    def __init__(self, broker: Broker, isolation: Isolation) -> None:
        self._committed = isolation == "read_committed"
        self._client = AIOKafkaClient(
            bootstrap_servers=broker.bootstrap,
            request_timeout_ms=int(ANSWER_WITHIN * 1000),
            **broker.client_options,
        )

    async def __aenter__(self) -> "LogReader":
        await self._client.bootstrap()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def partitions(self, topic: str) -> list[int]:
        """The partitions of a topic."""
        await self._know(topic)
        return sorted(self._client.cluster.partitions_for_topic(topic) or ())

    async def bounds(self, partition: TopicPartition) -> tuple[int, int]:
        """The first offset of a partition that Kafka still has, and its end."""
        return await self._offset(partition, _EARLIEST), await self._offset(partition, _LATEST)

    async def fetch(self, partition: TopicPartition, offset: int, most_bytes: int = FETCH_BYTES) -> Fetched:
        """What lies at `offset` and behind it, one batch at least, nothing at the end.

        Raises: CorruptLog for the batch at `offset` itself, one further behind only ends what is given;
        OffsetOutOfRangeError.
        """
        request = FetchRequest(
            0,
            1,
            most_bytes,
            int(self._committed),
            [(partition.topic, [(partition.partition, offset, most_bytes)])],
        )
        match await self._ask(partition, request, offset):
            case [high, stable, begins, aborted, *_, raw]:
                pass
            case [high, stable, aborted, raw]:
                begins = -1
            case [high, *_, raw]:
                stable, begins, aborted = high, -1, None
        ends = stable if self._committed and stable >= 0 else high
        known = (aborted or ()) if self._committed else ()
        batches = await asyncio.to_thread(_batches, bytes(raw or b""), known, offset, partition)
        return Fetched(batches, batches[-1].following if batches else offset, begins, ends)

    async def _offset(self, partition: TopicPartition, which: int) -> int:
        request = OffsetRequest(-1, int(self._committed), [(partition.topic, [(partition.partition, which)])])
        return int((await self._ask(partition, request, which))[-1])

    async def _ask(self, partition: TopicPartition, request: Any, offset: int) -> list[Any]:
        """What the partition's leader answers, but for the error; a leader that moved is looked for."""
        deadline = time.monotonic() + ANSWER_WITHIN
        while True:
            try:
                await self._know(partition.topic)
                leader = self._client.cluster.leader_for_partition(partition)
                if leader in (None, -1):
                    raise StaleMetadata(partition)
                response = await self._client.send(leader, request)
                ((_, ((_, code, *answer),)),) = response.topics
                if for_code(code) is OffsetOutOfRangeError:
                    raise OffsetOutOfRangeError({partition: offset})
                if for_code(code) is not NoError:
                    raise for_code(code)(partition)
                return list(answer)
            except KafkaError as error:
                if not error.retriable or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_AGAIN_AFTER)
                await self._client.force_metadata_update()

    async def _know(self, topic: str) -> None:
        if self._client.cluster.partitions_for_topic(topic) is None:
            self._client.add_topic(topic)
            await self._client.force_metadata_update()


def _batches(raw: bytes, aborted: Sequence[tuple[int, int]], offset: int, partition: TopicPartition) -> list[LogBatch]:
    """The batches in an answer that end behind `offset`. Raises CorruptLog."""
    waiting = sorted(aborted, key=lambda each: each[1], reverse=True)
    producers: set[int] = set()
    found: list[LogBatch] = []
    at = offset
    try:
        for piece in _pieces(raw):
            batch, producer, ended = _batch(piece)
            while waiting and waiting[-1][1] <= batch.first:
                producers.add(waiting.pop()[0])
            if producer in producers:
                # An abort marker ends what it is about; a batch before it is none of that producer's later ones.
                if ended:
                    producers.discard(producer)
                if batch.kind == "records":
                    batch = batch._replace(kind="aborted")
            if batch.following > offset:
                found.append(batch)
                at = batch.following
    except Exception as error:
        # Whatever it is, it is in what Kafka sent: decompression alone raises half a dozen kinds.
        if found:
            return found
        where = f"{partition.topic} partition {partition.partition} at offset {at}"
        raise CorruptLog(f"{where}: {reason_of(error)}") from error
    return found


def _pieces(raw: bytes) -> Iterator[bytes]:
    """Each batch by itself; Kafka cuts the last one off where the answer is full."""
    at = 0
    while at + _LENGTH.size <= len(raw):
        end = at + _LENGTH.size + _LENGTH.unpack_from(raw, at)[1]
        if end > len(raw):
            return
        yield raw[at:end]
        at = end


def _batch(raw: bytes) -> tuple[LogBatch, int | None, bool]:
    """A batch, the producer of a transactional one, and whether it is the marker of an aborted transaction."""
    if raw[_MAGIC_AT] < 2:
        return _legacy(raw, raw[_MAGIC_AT]), None, False
    base, _, _, _, crc, attributes, last, first_time, last_time, producer, _, _, count = _HEADER.unpack_from(raw)
    # librdkafka's broker writes the markers of transactions with 0 for their checksum.
    unchecked = bool(attributes & _CONTROL) and crc == 0
    if not unchecked and calc_crc32c(raw[_CHECKED_FROM:]) != crc:
        raise ValueError("its checksum is wrong")
    body = raw[_HEADER.size :]
    if codec := attributes & _CODEC:
        body = bytes(_CODECS[codec](body))
    append_time = last_time if attributes & _APPEND_TIME else None
    records = _records(body, count, base, first_time, append_time)
    kind: Kind = "marker" if attributes & _CONTROL else "records"
    ended = kind == "marker" and bool(records) and _MARKER.unpack_from(records[0].key or b"")[1] == _ABORT
    transactional = bool(attributes & _TRANSACTIONAL)
    return LogBatch(base, base + last + 1, kind, records), producer if transactional else None, ended


def _legacy(raw: bytes, magic: int) -> LogBatch:
    """A record of before Kafka 0.11, or several that were compressed together."""
    read = LegacyRecordBatch(raw, magic)
    if not read.validate_crc():
        raise ValueError("its checksum is wrong")
    records = [LogRecord(each.offset, each.timestamp or -1, each.key, each.value, ()) for each in read]
    # Where several were compressed together, what they came in has the offset of the last.
    following = max([int(read.next_offset), *(each.offset + 1 for each in records)])
    return LogBatch(records[0].offset if records else following - 1, following, "records", records)


def _records(body: bytes, count: int, base: int, first_time: int, append_time: int | None) -> list[LogRecord]:
    records = []
    at = 0
    for _ in range(count):
        length, at = _number(body, at)
        end = at + length
        time_delta, at = _number(body, at + 1)
        offset_delta, at = _number(body, at)
        key, at = _bytes(body, at)
        value, at = _bytes(body, at)
        headers, at = _headers(body, at)
        if at != end:
            raise ValueError(f"a record of {length} bytes has {at - end + length}")
        timestamp = first_time + time_delta if append_time is None else append_time
        records.append(LogRecord(base + offset_delta, timestamp, key, value, headers))
    if at != len(body):
        raise ValueError(f"{len(body) - at} bytes belong to no record")
    return records


def _headers(body: bytes, at: int) -> tuple[Headers, int]:
    count, at = _number(body, at)
    headers = []
    for _ in range(count):
        name, at = _bytes(body, at)
        value, at = _bytes(body, at)
        headers.append(((name or b"").decode(errors="backslashreplace"), value))
    return tuple(headers), at


def _bytes(body: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = _number(body, at)
    if length < 0:
        return None, at
    end = at + length
    if end > len(body):
        raise ValueError("a record ends too early")
    return body[at:end], end


def _number(body: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, zigzag, and what follows it."""
    byte = body[at]
    at += 1
    found, shift = byte & 0x7F, 7
    while byte > 0x7F:
        if shift > _LONGEST_NUMBER:
            raise ValueError("a number is too long")
        byte = body[at]
        at += 1
        found |= (byte & 0x7F) << shift
        shift += 7
    return (found >> 1) ^ -(found & 1), at
