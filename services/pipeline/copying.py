"""Copies a topic into one that is keyed by user, in one thread: read, merged by event time, sent, acknowledged."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from services.brokers.broker import Isolation, StartFrom
from services.brokers.log import Headers
from services.brokers.quiet import QUIET
from services.pipeline.copy_topic import LARGEST, LIMIT
from services.pipeline.headers import HeaderReader
from services.pipeline.merge import Merge
from services.pipeline.origins import source_of
from services.pipeline.routing import Router, partition_of
from services.store.rekeying import Moved

log = structlog.get_logger("rekeyer")

ROUND_SECONDS = 0.2
"""How long is read and sent before the offsets are stored: a commit of PostgreSQL's must not become a cost a record."""

CHUNK = 500
WAITING_RECORDS = 32_000
WAITING_BYTES = 32 * 1024 * 1024
"""What may be in memory of all partitions together, as long as one is waited for."""

ANSWER_WITHIN = 10.0
_TOO_LARGE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE).str()


class OutOfRange(Exception):
    """The original has no record at the offset that is next; the message says where."""


class CopyFailed(Exception):
    """A record could not be sent, so that those behind it must not be either."""


class Watermarks(NamedTuple):
    """The first offset of a partition that has a record, and the next that will have one."""

    low: int
    high: int


class Waiting(NamedTuple):
    """A record that is not sent yet, with its headers and whose it is; None of what is no transaction."""

    message: Any
    headers: Headers
    user: str | None


class Copier:
    """A consumer of all partitions of `original` and an idempotent producer into `copy`.

    The records of one partition are sent in order and without a gap: a producer that could not send one fails for good
    (`enable.gapless.guarantee`), and none gives up because of the time it takes (`message.timeout.ms`).
    All but `stop` is called from one thread, and blocks.
    """

    def __init__(
        self,
        servers: Mapping[str, Any],
        group: str,
        original: str,
        copy: str,
        route: Router,
        headers: HeaderReader,
        isolation: Isolation,
    ) -> None:
        self._original = original
        self.copy = copy
        self._route = route
        self._headers = headers
        self._stopping = False
        self._failure: KafkaError | None = None
        self.trouble = ""
        self.records = 0
        self.seconds = 0.0
        """CPU time of this thread on those records."""
        self.delivered: list[int] = []
        """Where each partition of the copy ends, as far as it is acknowledged."""
        self._consumer = Consumer(
            {
                **servers,
                **QUIET,
                # Only a name: partitions are assigned by hand, offsets are not committed.
                "group.id": group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "isolation.level": isolation,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 50,
                "fetch.message.max.bytes": 512 * 1024,
                "queued.max.messages.kbytes": 16 * 1024,
                "error_cb": self._note,
            }
        )
        self._producer = Producer(
            {
                **servers,
                **QUIET,
                "enable.idempotence": True,
                "enable.gapless.guarantee": True,
                "message.timeout.ms": 0,
                # What was read must be sent, however large; how much is on its way is bounded by what a round reads.
                "message.max.bytes": 1_000_000_000,
                "queue.buffering.max.kbytes": LARGEST // 1024,
                "linger.ms": 5,
                "compression.type": "lz4",
                "error_cb": self._note,
                "on_delivery": self._acknowledge,
            }
        )
        self._places: dict[int, TopicPartition] = {}
        self._next: dict[int, int] = {}
        self._sent: dict[int, int] = {}
        self._stored: dict[int, int] = {}
        self._copied: dict[int, int] = {}
        self._merge: Merge[Waiting] = Merge((), lambda partition: True)
        self._last_time: dict[int, float] = {}
        self._paused: set[int] = set()
        self._incarnations: Mapping[int, int] = {}
        self._asked: dict[int, int] = {}
        self._bytes: dict[int, int] = {}
        self._share = 1.0

    def watermarks(self, partition: int) -> Watermarks:
        """Where a partition of the original begins and ends. Raises KafkaException."""
        return self._ask(self._original, partition)

    def beginning(self, partition: int, start_from: StartFrom) -> int:
        """The offset that `start_from` stands for; the end where every record is older. Raises KafkaException."""
        low, high = self._ask(self._original, partition)
        if not isinstance(start_from, datetime):
            return low if start_from == "earliest" else high
        asked = TopicPartition(self._original, partition, int(start_from.timestamp() * 1000))
        (found,) = self._consumer.offsets_for_times([asked], ANSWER_WITHIN)
        return int(found.offset) if found.offset >= 0 else high

    def find_copy(self) -> None:
        """Learn where each partition of the copy ends, which is the first thing to do. Raises KafkaException."""
        found = self._consumer.list_topics(self.copy, ANSWER_WITHIN).topics[self.copy]
        if found.error is not None:
            raise KafkaException(found.error)
        self.delivered = [self._ask(self.copy, partition).high for partition in range(len(found.partitions))]

    def begin(self, offsets: Mapping[int, int], incarnations: Mapping[int, int]) -> None:
        """Copy from these offsets of all partitions on. Raises KafkaException."""
        self._incarnations = incarnations
        self._asked = {partition: self._ask(self._original, partition).high for partition in offsets}
        self._places = {partition: TopicPartition(self._original, partition) for partition in offsets}
        self._next, self._sent, self._stored = dict(offsets), dict(offsets), dict(offsets)
        self._copied = dict.fromkeys(offsets, 0)
        self._last_time = dict.fromkeys(offsets, 0.0)
        self._merge = Merge(offsets, self._at_end)
        self._bytes = dict.fromkeys(offsets, 0)
        self._share = 1 / len(offsets)
        self._consumer.assign([TopicPartition(self._original, partition, at) for partition, at in offsets.items()])

    def round(self, most: int) -> int:
        """Read and send for `ROUND_SECONDS`, or until `most` are sent: returns how many.

        Raises: OutOfRange, KafkaException, CopyFailed.
        """
        began, until, before = time.thread_time(), time.monotonic() + ROUND_SECONDS, self.records
        last = before + most
        # What was left over the last time comes first.
        self._send_merged(last)
        while not self._stopping and self.records < last and time.monotonic() < until:
            first = self._consumer.poll(max(0.0, until - time.monotonic()))
            if first is None:
                break
            for message in (first, *self._consumer.consume(CHUNK, 0)):
                self._take(message)
            self._send_merged(last)
            self._pause()
        self.seconds += time.thread_time() - began
        return self.records - before

    def acknowledged(self) -> dict[int, Moved]:
        """Wait until all that was sent is acknowledged: how far that is, of partitions that moved.

        Raises: CopyFailed, also when told to stop before.
        """
        began = time.thread_time()
        with self._sending():
            while self._producer.flush(0.2) and self._failure is None and not self._stopping:
                pass
            if self._failure is not None:
                raise KafkaException(self._failure)
        self.seconds += time.thread_time() - began
        if len(self._producer):
            raise CopyFailed(f"{self.copy}: stopped before all was acknowledged")
        following = {
            partition: self._sent[partition] if self._merge.size(partition) else self._next[partition]
            for partition in self._next
        }
        return {
            partition: Moved(at, self._copied[partition])
            for partition, at in following.items()
            if at != self._stored[partition]
        }

    def stored(self, moved: Mapping[int, Moved]) -> None:
        """Their next offsets are in PostgreSQL."""
        for partition, each in moved.items():
            self._stored[partition] = each.following
            self._copied[partition] -= each.copied

    def ahead_of(self, stored: Mapping[int, int]) -> int:
        """Acknowledged records of the copy behind these offsets of its partitions."""
        return sum(max(0, end - stored.get(partition, 0)) for partition, end in enumerate(self.delivered))

    @property
    def lag(self) -> int:
        """Records of the original that are not copied yet, as far as the last fetches tell."""
        return sum(max(0, self._high(partition) - at) for partition, at in self._stored.items())

    def stop(self) -> None:
        """End what blocks soon; from any thread."""
        self._stopping = True

    def close(self) -> None:
        """Let go of both, and of what is not sent yet."""
        with contextlib.suppress(KafkaException, SystemError):
            self._producer.purge()
            self._producer.flush(1.0)
        self._consumer.close()
        self._headers.close()

    def _ask(self, topic: str, partition: int) -> Watermarks:
        return Watermarks(*self._consumer.get_watermark_offsets(TopicPartition(topic, partition), ANSWER_WITHIN))

    def _take(self, message: Any) -> None:
        error, partition, offset = message.error(), message.partition(), message.offset()
        if error is not None:
            self._take_error(error, partition, offset)
            return
        if offset < self._next[partition]:
            return
        self._next[partition] = offset + 1
        headers = self._headers.of(message)
        route = self._route(message.value(), headers)
        if route is not None:
            self._last_time[partition] = route.time
        # What is no transaction goes right behind the one before it.
        user = None if route is None else route.user
        self._merge.add(partition, self._last_time[partition], Waiting(message, headers, user))
        self._bytes[partition] += len(message)

    def _take_error(self, error: KafkaError, partition: int, offset: int) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            # Behind the last record may be commit markers, which are no records.
            self._next[partition] = max(self._next[partition], offset)
            self._merge.ended(partition)
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise OutOfRange(f"{self._original} partition {partition} has no record at offset {self._next[partition]}")
        elif error.fatal():
            raise KafkaException(error)
        else:
            self._note(error)

    def _send_merged(self, last: int) -> None:
        with self._sending():
            while self.records < last and (following := self._merge.next()) is not None:
                self._send(following)
            self._producer.poll(0)
        self._resume()

    @contextlib.contextmanager
    def _sending(self) -> Iterator[None]:
        """Turn what the producer raises into CopyFailed: after a fatal error its callbacks end in SystemError."""
        try:
            yield
        except (KafkaException, SystemError) as error:
            raise CopyFailed(self._why(error)) from error

    def _why(self, error: Exception) -> str:
        # `produce` says only that there was a fatal error; `flush` says which.
        try:
            self._producer.flush(1.0)
        except (KafkaException, SystemError) as fatal:
            error = fatal
        found = self._failure or error.args[0]
        said = found.str() if isinstance(found, KafkaError) else str(found)
        advice = f". Raise {LIMIT} of {self.copy}" if _TOO_LARGE in said else ""
        return f"{self.copy}: {said}{advice}"

    def _send(self, waiting: Waiting) -> None:
        message, read, user = waiting
        source, offset = message.partition(), message.offset()
        key = message.key() if user is None else user.encode()
        partition = source % len(self.delivered) if user is None else partition_of(key, len(self.delivered))
        headers: list[Any] = [*read, source_of(source, self._incarnations[source], offset)]
        while True:
            try:
                self._producer.produce(
                    self.copy,
                    message.value(),
                    key=key,
                    partition=partition,
                    # Kafka refuses times that are far ahead, and what it would refuse would hold up everything.
                    timestamp=min(message.timestamp()[1], int(time.time() * 1000)),
                    headers=headers,
                )
                break
            except BufferError:
                if self._stopping:
                    raise CopyFailed(f"{self.copy}: stopped before all was sent") from None
                self._producer.poll(0.1)
        self._sent[source] = offset + 1
        self._copied[source] += 1
        self._bytes[source] -= len(message)
        self.records += 1

    def _pause(self) -> None:
        for partition, place in self._places.items():
            if partition not in self._paused and self._is_full(partition, self._share):
                self._paused.add(partition)
                self._consumer.pause([place])

    def _resume(self) -> None:
        for partition in [each for each in self._paused if not self._is_full(each, self._share / 2)]:
            self._paused.discard(partition)
            self._consumer.resume([self._places[partition]])

    def _is_full(self, partition: int, share: float) -> bool:
        records = max(CHUNK, WAITING_RECORDS * share)
        return self._merge.size(partition) >= records or self._bytes[partition] >= WAITING_BYTES * share

    def _at_end(self, partition: int) -> bool:
        return 0 <= self._high(partition) <= self._next[partition]

    def _high(self, partition: int) -> int:
        fetched = int(self._consumer.get_watermark_offsets(self._places[partition], cached=True)[1])
        return max(fetched, self._asked[partition])

    def _acknowledge(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._failure = self._failure or error
            return
        self.trouble = ""
        partition = message.partition()
        self.delivered[partition] = max(self.delivered[partition], message.offset() + 1)

    def _note(self, error: KafkaError) -> None:
        self.trouble = str(error.str())
