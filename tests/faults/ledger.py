"""Producers of every kind on one topic, each with a ledger of what it sent."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from confluent_kafka import Producer

from domain.transaction import Transaction
from services.brokers.java import jars, java
from services.records import wire
from tests.faults.topics import HEADERS, WITHIN, Topics

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


class Ledger:
    """Sends to partition 0 of a topic and keeps what must become of it."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.fates: Counter[str] = Counter()
        self.topic = topic
        self._bootstrap = bootstrap
        self._topics = Topics(bootstrap)

    async def send(
        self, values: Sequence[bytes | None], *, codec: str = "none", idempotent: bool = True, keyed: bool = True
    ) -> None:
        """Values as they are."""
        options = {"bootstrap.servers": self._bootstrap, "compression.type": codec, "log_level": 0}

        def work() -> None:
            producer = Producer({**options, "enable.idempotence": idempotent})
            for value in values:
                producer.produce(self.topic, value, b"k" if keyed else None, partition=0, headers=HEADERS)
            assert producer.flush(WITHIN) == 0

        await asyncio.to_thread(work)

    async def transactions(self, rows: Sequence[Transaction], *, fate: str = "stored", **options: object) -> None:
        """Transactions, `stored` or another time a `resend`."""
        await self.send([wire.encode(row) for row in rows], **options)  # type: ignore[arg-type]
        self.fates[fate] += len(rows)

    async def in_transaction(self, rows: Sequence[Transaction], *, commit: bool) -> None:
        """Within a transaction of Kafka's, which leaves a marker."""
        async with self._topics.transaction(self.topic) as transaction:
            await transaction.write(rows)
            if commit:
                await transaction.commit()
        self.fates["stored" if commit else "aborted"] += len(rows)
        self.fates["marker"] += 1

    async def from_java(self, cache: Path, rows: Sequence[Transaction]) -> None:
        """With Kafka's own client for Java, and no headers of ours: recent events only."""
        classpath = f"{await jars(cache, None, lambda line: None)}/*"
        process = await asyncio.create_subprocess_exec(
            *(str(java()), "-Xmx128m", "-cp", classpath, str(Path(__file__).with_name("Send.java"))),
            *(self._bootstrap, self.topic),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate(b"".join(wire.encode(row) + b"\n" for row in rows))
        assert process.returncode == 0, said.decode()
        self.fates["stored"] += len(rows)
