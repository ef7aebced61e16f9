"""What the tests on a real Apache Kafka do to it: make topics, write transactions, compact, delete."""

import asyncio
import signal
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

from domain.transaction import Transaction
from services.records import wire
from services.store.store import Store
from tests.waiting import until

WITHIN = 20.0
HEADERS = [(wire.CLOCK_HEADER, wire.CLOCK_REPLAY)]


class Topics:
    """The topics of one cluster."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})

    async def make(self, topic: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
        made = self._admin.create_topics([NewTopic(topic, partitions, 1, config=dict(config or {}))])
        await asyncio.wrap_future(made[topic])
        await self.until_known(topic, partitions)

    async def until_known(self, topic: str, partitions: int) -> None:
        async with asyncio.timeout(WITHIN):
            while True:
                known = (await asyncio.to_thread(self._admin.list_topics, topic, WITHIN)).topics[topic].partitions
                if len(known) == partitions and all(each.leader >= 0 for each in known.values()):
                    return

    async def delete(self, topic: str) -> None:
        await asyncio.wrap_future(self._admin.delete_topics([topic])[topic])
        async with asyncio.timeout(WITHIN):
            while topic in (await asyncio.to_thread(self._admin.list_topics, timeout=WITHIN)).topics:
                await asyncio.sleep(0.02)

    async def delete_records_before(self, topic: str, offset: int) -> None:
        place = TopicPartition(topic, 0, offset)
        await asyncio.wrap_future(self._admin.delete_records([place])[place])

    async def compact_at_once(self) -> None:
        """Let the cleaner look for work all the time instead of every 15 s."""
        entry = ConfigEntry("log.cleaner.backoff.ms", "50", incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ConfigResource.Type.BROKER, "1", incremental_configs=[entry])
        await asyncio.wrap_future(self._admin.incremental_alter_configs([resource])[resource])

    async def marks(self, topic: str, partitions: int) -> list[tuple[int, int]]:
        """Where each partition begins and ends."""

        def work() -> list[tuple[int, int]]:
            reader = Consumer({"bootstrap.servers": self._bootstrap, "group.id": uuid.uuid4().hex, "log_level": 0})
            found = [reader.get_watermark_offsets(TopicPartition(topic, each), WITHIN) for each in range(partitions)]
            reader.close()
            return found

        return await asyncio.to_thread(work)

    async def records_in(self, topic: str) -> int:
        """How many records a reader from the beginning finds."""
        return await asyncio.to_thread(self._records_in, topic)

    def _records_in(self, topic: str) -> int:
        reader = Consumer({"bootstrap.servers": self._bootstrap, "group.id": uuid.uuid4().hex, "log_level": 0})
        place = TopicPartition(topic, 0, 0)
        _, end = reader.get_watermark_offsets(place, WITHIN)
        reader.assign([place])
        count = 0
        while (record := reader.poll(WITHIN)) is not None and record.error() is None:
            count += 1
            if record.offset() + 1 == end:
                break
        reader.close()
        return count

    async def write(
        self, topic: str, rows: Iterable[Transaction], *, key: bytes | None = None, partition: int = 0
    ) -> None:
        await asyncio.to_thread(self._write, topic, [*rows], key, partition)

    def _write(self, topic: str, rows: Sequence[Transaction], key: bytes | None, partition: int) -> None:
        producer = Producer({"bootstrap.servers": self._bootstrap, "enable.idempotence": True, "log_level": 0})
        for row in rows:
            value = wire.encode(row)
            producer.produce(topic, value, key or row.user_id.encode(), partition=partition, headers=HEADERS)
        assert producer.flush(WITHIN) == 0

    async def write_raw(self, topic: str, payload: bytes) -> None:
        def write() -> None:
            options = {"bootstrap.servers": self._bootstrap, "message.max.bytes": 16 * 1024 * 1024, "log_level": 0}
            producer = Producer(options)
            producer.produce(topic, payload, partition=0)
            assert producer.flush(WITHIN) == 0

        await asyncio.to_thread(write)

    async def abandon_transaction(self, topic: str, rows: Sequence[Transaction], within_ms: int) -> None:
        """Write in a transaction of a producer that is killed before it ends it; Kafka aborts it after `within_ms`."""
        code = (
            "import os, sys; from confluent_kafka import Producer;"
            f"p = Producer({{'bootstrap.servers': {self._bootstrap!r}, 'transactional.id': {uuid.uuid4().hex!r},"
            f" 'transaction.timeout.ms': {within_ms}, 'log_level': 0}});"
            "p.init_transactions(20); p.begin_transaction();"
            f"[p.produce({topic!r}, line, partition=0) for line in sys.stdin.buffer.read().splitlines()];"
            "left = p.flush(20); os.kill(os.getpid(), 9 if not left else 15)"
        )
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdin=asyncio.subprocess.PIPE)
        await process.communicate(b"\n".join(map(wire.encode, rows)))
        assert process.returncode == -signal.SIGKILL

    def transaction(self, topic: str) -> "KafkaTransaction":
        return KafkaTransaction(self._bootstrap, topic)


class KafkaTransaction:
    """A transaction of a producer; left without `commit` it is aborted."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._topic = topic
        self._producer = Producer(
            {"bootstrap.servers": bootstrap, "transactional.id": uuid.uuid4().hex, "log_level": 0}
        )
        self._open = False

    async def __aenter__(self) -> "KafkaTransaction":
        await asyncio.to_thread(self._producer.init_transactions, WITHIN)
        self._producer.begin_transaction()
        self._open = True
        return self

    async def write(self, rows: Iterable[Transaction]) -> None:
        for row in rows:
            self._producer.produce(self._topic, wire.encode(row), row.user_id.encode(), partition=0, headers=HEADERS)
        assert await asyncio.to_thread(self._producer.flush, WITHIN) == 0

    async def commit(self) -> None:
        await asyncio.to_thread(self._producer.commit_transaction, WITHIN)
        self._open = False

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open:
            await asyncio.to_thread(self._producer.abort_transaction, WITHIN)


async def until_stored(store: Store, count: int, within: float = 30.0) -> None:
    """Wait until that many transactions are stored; more are an error."""

    async def enough() -> bool:
        return await store.count() >= count

    await until(enough, within)
    assert await store.count() == count
