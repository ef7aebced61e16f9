"""A partition's log as it lies in Kafka."""

import struct

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from confluent_kafka import Producer

from services.brokers import log
from services.brokers.broker import Broker
from services.brokers.log import CorruptLog, LogReader
from tests.odd_headers import send_oddly

PLACE = TopicPartition("transactions", 0)


def send(broker: Broker, values: list[bytes | None], codec: str = "none") -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "compression.type": codec, "log_level": 0})
    for value in values:
        producer.produce(PLACE.topic, value, b"k", partition=0, headers=[("a", b"1"), ("b", None)], timestamp=1_000)
    assert producer.flush(10) == 0


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_every_codec_is_read(broker: Broker, codec: str) -> None:
    values = [b"%d" % number * 100 for number in range(300)]
    send(broker, [*values, None, b""], codec)
    async with LogReader(broker, "read_committed") as reader:
        assert await reader.partitions(PLACE.topic) == [0, 1, 2, 3]
        assert await reader.bounds(PLACE) == (0, 302)
        records = []
        at = 0
        while at < 302:
            fetched = await reader.fetch(PLACE, at)
            assert fetched.ends == 302
            records += [record for batch in fetched.batches for record in batch.records if record.offset >= at]
            at = fetched.following
    assert [record.offset for record in records] == [*range(302)]
    assert [record.value for record in records] == [*values, None, b""]
    assert {record[1:3] + record[4:] for record in records} == {(1_000, b"k", (("a", b"1"), ("b", None)))}


async def test_a_read_may_begin_within_a_batch_and_finds_nothing_at_the_end(broker: Broker) -> None:
    send(broker, [b"1", b"2", b"3"], "lz4")
    async with LogReader(broker, "read_committed") as reader:
        (batch,) = (await reader.fetch(PLACE, 2)).batches
        assert (batch.following, batch.kind) == (3, "records")
        assert (await reader.fetch(PLACE, 3))[:2] == ([], 3)
        with pytest.raises(OffsetOutOfRangeError):
            await reader.fetch(PLACE, 4)


async def test_a_header_whose_name_is_not_utf8_is_read(broker: Broker) -> None:
    await send_oddly(broker.bootstrap, PLACE.topic, [(b"1", False), (b"2", True), (b"3", False)], compression="gzip")
    async with LogReader(broker, "read_committed") as reader:
        (batch,) = (await reader.fetch(PLACE, 0)).batches
    clock = ("anomaly-tui-event-clock", b"replay")
    assert [record.headers for record in batch.records] == [(clock,), (clock, ("\\xff\\xfeodd", b"1")), (clock,)]


async def test_the_marker_of_a_transaction_on_the_embedded_broker_is_passed_over(broker: Broker) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id="shop")
    async with producer, producer.transaction():
        await producer.send_and_wait(PLACE.topic, b"1", partition=0)
    send(broker, [b"2"])
    found = []
    async with LogReader(broker, "read_committed") as reader:
        _, end = await reader.bounds(PLACE)
        at = 0
        while at < end:
            fetched = await reader.fetch(PLACE, at)
            found += fetched.batches
            at = fetched.following
    kinds = [(batch.kind, [record.value for record in batch.records]) for batch in found]
    assert kinds[0] == ("records", [b"1"])
    assert [kind for kind, _ in kinds] == ["records", "marker", "records"]
    assert kinds[2] == ("records", [b"2"])


def test_records_of_an_old_format_are_read() -> None:
    builder = LegacyRecordBatchBuilder(magic=1, compression_type=1, batch_size=1_000)
    for offset in range(3):
        builder.append(offset, 1_000, b"k", b"%d" % offset)
    (batch,) = log._batches(bytes(builder.build()), (), 0, PLACE)
    assert [(record.offset, record.value, record.timestamp) for record in batch.records] == [
        (0, b"0", 1_000),
        (1, b"1", 1_000),
        (2, b"2", 1_000),
    ]
    assert batch.following == 3


async def raw_batch(broker: Broker) -> bytes:
    """A batch of one record as it is on the wire."""
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
    await producer.start()
    builder = producer.create_batch()
    builder.append(key=b"k", value=b"value", timestamp=1_000)
    builder.close()
    raw = bytes(builder._build())
    await producer.stop()
    return raw


async def test_a_corrupt_batch_is_named_and_the_ones_before_it_are_given(broker: Broker) -> None:
    good = await raw_batch(broker)
    bad = bytearray(good)
    bad[:8] = struct.pack(">q", 1)
    bad[-3] ^= 1
    with pytest.raises(CorruptLog, match="transactions partition 0 at offset 1: its checksum is wrong"):
        log._batches(bytes(bad), (), 1, PLACE)
    (batch,) = log._batches(good + bytes(bad), (), 0, PLACE)
    assert batch.following == 1


async def test_no_damage_with_a_right_checksum_raises_anything_else(broker: Broker) -> None:
    good = await raw_batch(broker)
    for at in range(21, len(good)):
        for byte in (0x00, 0x7F, 0x80, 0xFF):
            bad = bytearray(good)
            bad[at] = byte
            bad[17:21] = struct.pack(">I", calc_crc32c(bytes(bad[21:])))
            try:
                log._batches(bytes(bad), (), 0, PLACE)
            except CorruptLog:
                continue
