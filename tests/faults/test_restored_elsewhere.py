"""A backup taken beside a daemon at work, restored into another server, and the same topic read on from there."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.brokers.broker import Broker
from services.sending.producer import Outgoing, Sender, outgoing
from services.store.database import EmbeddedDatabase
from services.store.store import Store
from tests.faults.daemon import Daemon
from tests.faults.promises import broken_promises
from tests.simulating import awake
from tests.waiting import until

STORED_WITHIN = 240


async def command(folder: Path, dsn: str, *arguments: str) -> str:
    """Run it as a user does; it must succeed."""
    environment = {**os.environ, "DATABASE_URL": dsn, "ANOMALY_TUI_DATA_DIR": str(folder / "commands")}
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("anomaly-tui")), *arguments),
        env=environment,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


@pytest.mark.timeout(1_200)
async def test_a_restored_database_goes_on_where_it_was_and_loses_and_doubles_nothing(
    kafka: Broker, topic: str, store: Store, database_url: str, tmp_path: Path, reachable: Path
) -> None:
    await kafka.ensure_topic(topic, 4)
    start = datetime.now(UTC) - timedelta(hours=1)
    stream = awake(start, users=100, anomaly_rate=0.05, seed=8, rate=1)
    sender = Sender(kafka, topic)
    await sender.start()
    sent: list[str] = []
    poison: set[tuple[int, int]] = set()

    async def send(count: int) -> None:
        for _ in range(count):
            transaction, truth = next(stream)
            await sender.send(outgoing(transaction, truth, replay=True))
            sent.append(transaction.transaction_id)
        acknowledged = await (await sender.send(Outgoing(b"poison", b"{", [])))
        poison.add((acknowledged.partition, acknowledged.offset))
        await sender.flush()

    async def all_stored(where: Store) -> bool:
        reached = {row["partition"]: row["next_offset"] for row in await where.progress()}
        return all(reached.get(partition, 0) >= end for partition, end in sender.ends.items())

    before = Daemon(tmp_path, kafka.bootstrap, database_url, "--topic", topic)
    await send(1_500)
    await before.start()

    async def fitted() -> bool:
        return await store.count() >= 1_200

    await until(fitted, STORED_WITHIN)
    taking = asyncio.create_task(command(tmp_path, database_url, "backup", "all.dump"))
    while not taking.done():
        await send(100)
    await taking
    await send(1_000)
    await until(lambda: all_stored(store), STORED_WITHIN)
    assert await before.end(signal.SIGTERM) == 0, before.log.read_text()[-4000:]

    other = EmbeddedDatabase(reachable)
    await other.start(lambda line: None)
    elsewhere = other.dsn.replace("/anomalies?", "/restored?")
    try:
        await command(tmp_path, elsewhere, "restore", "all.dump")
        restored = await Store.open(elsewhere)
        at_backup = await restored.count()
        assert 1_200 <= at_backup < len(sent)
        assert not await all_stored(restored)

        after = Daemon(tmp_path, kafka.bootstrap, elsewhere, "--topic", topic)
        await after.start()
        await send(500)
        await until(lambda: all_stored(restored), STORED_WITHIN)
        assert await after.end(signal.SIGTERM) == 0, after.log.read_text()[-4000:]
        broken = await broken_promises(
            restored, sent=sent, poison=poison, ends=sender.ends, cluster=kafka.cluster_id, topic=topic
        )
        assert broken == [], after.log.read_text()[-4000:]
        account = sum(row["resends"] for row in await restored.pool.fetch("SELECT resends FROM progress"))
        assert account == 0
        said = await command(tmp_path, elsewhere, "reconcile", "--kafka", kafka.bootstrap, "--topic", topic)
        assert "all accounted for" in said
        await restored.close()
    finally:
        await other.stop()
        await sender.stop()
