"""Records with header names that are no UTF-8, which Kafka takes and clients for Python do not."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence

_SEND = """
import asyncio, json, sys
from aiokafka import AIOKafkaProducer

class Name(str):
    def encode(self, *arguments):
        return b"\\xff\\xfe" + str.encode(self, *arguments)

async def send(bootstrap, topic, partition, compression):
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type=compression, linger_ms=200)
    await producer.start()
    sent = []
    for text, odd in json.load(sys.stdin):
        value, headers = text.encode(), [("anomaly-tui-event-clock", b"replay")]
        headers += [(Name("odd"), b"1")] if odd else []
        sent.append(await producer.send(topic, value, key=b"k", partition=partition, headers=headers))
    await asyncio.gather(*sent)
    await producer.stop()

bootstrap, topic, partition, compression = sys.argv[1:]
asyncio.run(send(bootstrap, topic, int(partition), compression or None))
"""


async def send_oddly(
    bootstrap: str, topic: str, records: Sequence[tuple[bytes, bool]], *, partition: int = 0, compression: str = ""
) -> None:
    """Send values in one batch; those marked get such a header, too."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _SEND,
        bootstrap,
        topic,
        str(partition),
        compression,
        env={**os.environ, "AIOKAFKA_NO_EXTENSIONS": "1"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(json.dumps([(value.decode(), odd) for value, odd in records]).encode())
    assert process.returncode == 0, said.decode()
