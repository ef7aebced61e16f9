"""Fault 21: the disk is full, of PostgreSQL, of Kafka, of the log, and where an export goes."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.brokers import local
from services.brokers.broker import Broker
from services.models import schedule
from services.sending.producer import Outgoing, Sender
from services.store.store import Store
from tests.consuming import Consumer, send, simulated
from tests.faults.daemon import Daemon
from tests.faults.disk import Disk, mounted
from tests.faults.figures import Figures
from tests.faults.flow import Flow
from tests.faults.outage import is_kept, through_an_outage
from tests.faults.own_kafka import OwnKafka
from tests.faults.own_server import Server
from tests.faults.promises import broken_promises
from tests.waiting import until

STORED_WITHIN = 120
LETTERS = 40
"""Of which each is a line in the log: more than what is left of its last block."""

WARMING = schedule.warming("both")


@pytest.fixture
def disk(request: pytest.FixtureRequest) -> Iterator[Disk]:
    """Of as many mebibytes as the test says."""
    with mounted(request.param) as made:
        yield made


@pytest.mark.timeout(600)
@pytest.mark.parametrize("disk", [192], indirect=True)
async def test_21_a_full_disk_of_postgresql_is_waited_for(broker: Broker, sender: Sender, disk: Disk) -> None:
    server = Server(disk.folder)
    try:
        store = await Store.open(await server.start())

        async def fill() -> None:
            # Its log has room: where that has none, the server ends.
            await store.pool.execute("SELECT pg_switch_wal()")
            await store.pool.execute("CHECKPOINT")
            disk.fill()

        async def free() -> None:
            disk.free()

        rows = simulated(1_500)
        async with Consumer(broker, store, WARMING, batch_size=50) as consumer:
            await through_an_outage(consumer, sender, rows, fill, free, "PostgreSQL has no room left on its disk")
        await is_kept(store, broker, sender, rows)
        await store.close()
    finally:
        await server.stop()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("disk", [96], indirect=True)
async def test_21_a_full_disk_of_kafka_is_waited_for(
    disk: Disk,
    topic: str,
    store: Store,
    database_url: str,
    tmp_path: Path,
    cache_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    figures: Figures,
) -> None:
    monkeypatch.setattr(local, "PORT", 0)
    kafka = OwnKafka(disk.folder / "kafka", cache_dir)
    kafka.start()
    try:
        await kafka.make_topic(topic, 2)
        daemon = Daemon(tmp_path, kafka.bootstrap, database_url, "--topic", topic)
        flow = Flow(kafka, topic, store, daemon)
        rows = simulated(1_000)
        await daemon.start()
        await flow.send(rows[:500])
        await flow.until_stored()
        disk.fill()
        # Kafka ends itself where it cannot write.
        await until(lambda: kafka.write_until_it_ends(topic), STORED_WITHIN)
        disk.free()
        await kafka.start_again()
        figures.faults += 1
        with figures.recovering():
            await flow.send(rows[500:])
            await flow.until_stored()
        await flow.no_worker_restarted()
        assert await daemon.end(signal.SIGTERM) == 0, daemon.log.read_text()[-4000:]
        await flow.is_kept()
    finally:
        kafka.stop()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("disk", [8], indirect=True)
async def test_21_a_log_that_cannot_be_written_stops_nothing_and_says_what_is_missing(
    kafka: Broker, disk: Disk, topic: str, store: Store, database_url: str, tmp_path: Path, figures: Figures
) -> None:
    file = disk.folder / "daemon.log"
    daemon = Daemon(tmp_path, kafka.bootstrap, database_url, "--topic", topic, "--log-file", str(file))
    await kafka.ensure_topic(topic, 1)
    sender = Sender(kafka, topic)
    await sender.start()
    rows = simulated(300)
    poison = set()
    await daemon.start()
    await until(lambda: file.exists() and "engine started" in file.read_text(), STORED_WITHIN)

    async def all_stored() -> bool:
        return [row["next_offset"] for row in await store.progress()] == [sender.ends[0]]

    disk.fill()
    for part in range(0, len(rows), 100):
        await send(sender, rows[part : part + 100])
        for _ in range(LETTERS):
            acknowledged = await (await sender.send(Outgoing(b"poison", b"{", [])))
            poison.add((acknowledged.partition, acknowledged.offset))
        await sender.flush()
        await until(all_stored, STORED_WITHIN)
        if part == 100:
            disk.free()
            figures.faults += 1
    said = daemon.log.read_text()
    assert said.count("the log cannot be written") == 1, said
    assert "Traceback" not in said
    await until(lambda: "lines are missing" in file.read_text(), STORED_WITHIN)
    assert await daemon.end(signal.SIGTERM) == 0, said
    await sender.stop()
    sent = [transaction.transaction_id for transaction, _ in rows]
    cluster = kafka.cluster_id
    assert await broken_promises(store, sent=sent, poison=poison, ends=sender.ends, cluster=cluster, topic=topic) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("disk", [1], indirect=True)
@pytest.mark.parametrize("command", [["transactions", "--csv"], ["transactions", "--json"], ["backup"]])
async def test_21_what_does_not_fit_is_said_in_a_line(
    broker: Broker, sender: Sender, store: Store, disk: Disk, database_url: str, tmp_path: Path, command: list[str]
) -> None:
    rows = simulated(400)
    async with Consumer(broker, store, WARMING) as consumer:
        await send(sender, rows)
        await consumer.drained(sender)
    disk.fill()
    written = disk.folder / "written"
    to_a_file = [str(written)] if command == ["backup"] else ["--limit", "400"]
    with (disk.folder / "output").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(str(Path(sys.executable).with_name("anomaly-tui")), *command, *to_a_file),
            *("--database", database_url, "--data-dir", str(tmp_path / "data")),
            env=os.environ,
            stdout=output,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
    assert (process.returncode, said.count(b"\n")) == (1, 1), said.decode()
    assert b"No space left on device" in said
    assert not written.exists()
