"""Records that the Kafka clients cannot parse, on a real PostgreSQL and the embedded broker."""

from typing import Any

import pytest
from aiokafka.errors import CorruptRecordException
from msgspec import structs
from structlog.testing import capture_logs

from services.brokers.broker import Broker
from services.models import schedule
from services.pipeline import rereading
from services.records import wire
from services.sending.producer import Sender
from services.store.store import Store
from tests.consuming import TOPIC, Consumer, send, simulated
from tests.odd_headers import send_oddly
from tests.rekeying import RekeyingConsumer
from tests.waiting import until

WARMING = schedule.warming("both")


def odd(numbers: set[int], count: int) -> list[tuple[bytes, bool]]:
    return [(wire.encode(row), number in numbers) for number, (row, _) in enumerate(simulated(count))]


@pytest.mark.parametrize("compression", ["", "lz4", "zstd"])
async def test_a_record_with_an_odd_header_is_stored_and_none_beside_it_is_lost(
    broker: Broker, store: Store, compression: str
) -> None:
    records = odd({0, 7, 8, 59}, 60)
    await send_oddly(broker.bootstrap, TOPIC, records, compression=compression)
    async with Consumer(broker, store, WARMING, keyed="user") as consumer:
        await until(lambda: consumer.pipeline.behind({0: 60}) == 0)
    assert await store.count() == 60
    assert await store.dead_letters(5) == ()


async def test_what_comes_in_other_partitions_meanwhile_is_not_lost(
    broker: Broker, store: Store, sender: Sender
) -> None:
    rows = simulated(1_000)
    # Of users of their own in each partition, as where they are keyed by user.
    oddly = [
        (wire.encode(structs.replace(row, user_id=f"odd-{number // 100}")), number % 50 == 0)
        for number, (row, _) in enumerate(rows[600:])
    ]
    async with Consumer(broker, store, WARMING, keyed="user") as consumer:
        for first in range(0, 400, 100):
            await send(sender, rows[first * 3 // 2 : (first + 100) * 3 // 2])
            await send_oddly(broker.bootstrap, TOPIC, oddly[first : first + 100], partition=first // 100)
        await sender.flush()
        await until(lambda: consumer.pipeline.lag == 0 and consumer.bus.transactions >= 1_000)
    assert await store.count() == 1_000


async def test_a_record_with_an_odd_header_is_re_keyed(broker: Broker, store: Store) -> None:
    records = odd({150, 151, 199, 3}, 200)
    await send_oddly(broker.bootstrap, TOPIC, records, compression="lz4")
    async with RekeyingConsumer(broker, store, WARMING, keyed="rekey") as consumer:
        await until(lambda: consumer.bus.transactions == 200)
        assert consumer.rekeyer is not None
        await until(lambda: consumer.rekeyer is not None and consumer.rekeyer.figures.lag == 0)
    assert await store.count() == 200


async def test_a_corrupt_log_is_named_and_the_other_partitions_go_on(
    broker: Broker, store: Store, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rereading, "AGAIN_AFTER", 0.5)
    rows = simulated(400)
    corrupt = True
    fetch = rereading.LogReader.fetch

    async def damaged(self: Any, partition: Any, offset: int, most: int) -> Any:
        # As a disk gives it back that has lost a bit.
        if corrupt and partition.partition == 0:
            raise rereading.CorruptLog(f"{TOPIC} partition 0 at offset {offset}: its checksum is wrong")
        return await fetch(self, partition, offset, most)

    monkeypatch.setattr(rereading.LogReader, "fetch", damaged)
    with capture_logs() as logs:
        async with Consumer(broker, store, WARMING, keyed="user") as consumer:
            getmany = consumer.pipeline._consumer.getmany

            async def refusing(**options: Any) -> Any:
                fetched = await getmany(**options)
                if corrupt and any(partition.partition == 0 for partition in fetched):
                    raise CorruptRecordException("Invalid CRC")
                return fetched

            monkeypatch.setattr(consumer.pipeline._consumer, "getmany", refusing)
            await send(sender, rows)
            await sender.flush()
            elsewhere = sum(end for partition, end in sender.ends.items() if partition)
            await until(lambda: consumer.bus.transactions == elsewhere)
            await until(lambda: "partition 0 at offset 0: its checksum is wrong" in consumer.pipeline.detail)
            assert consumer.pipeline.degraded
            corrupt = False
            await until(lambda: consumer.bus.transactions == 400)
            await until(lambda: not consumer.pipeline.degraded)
    said = [line["detail"] for line in logs if line["event"] == "Kafka's log is corrupt, the partition waits"]
    assert said == [f"{TOPIC} partition 0 at offset 0: its checksum is wrong"]
