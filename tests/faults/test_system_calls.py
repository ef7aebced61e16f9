"""Fault 22: system calls that fail, of PostgreSQL's processes and of a daemon's, by strace."""

import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from services.brokers.broker import Broker
from services.models import schedule
from services.process.children import end, spawn
from services.sending.producer import Sender
from services.store.store import Store
from tests.consuming import Consumer, send, simulated
from tests.faults import figures
from tests.faults.daemon import Daemon
from tests.faults.outage import is_kept
from tests.faults.own_server import Server
from tests.faults.promises import broken_promises
from tests.waiting import until

STORED_WITHIN = 120
WARMING = schedule.warming("both")


@asynccontextmanager
async def injected(pids: Sequence[int], folder: Path, *faults: str) -> AsyncIterator[Path]:
    """Processes, and those they start, of which some calls fail; gives the file with the failed ones."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace, which lets system calls fail, is not installed")
    calls = folder / "calls"
    said = folder / "strace.log"
    options = [option for fault in faults for option in ("-e", f"inject={fault}")]
    calls_only = f"trace={','.join(fault.partition(':')[0] for fault in faults)}"
    with said.open("wb") as errors:
        command = (strace, "-f", "-Z", "-o", calls, "-e", calls_only, *options, *(f"-p{pid}" for pid in pids))
        tracer = await spawn(*command, stderr=errors)
    try:
        await until(lambda: "attached" in said.read_text() or tracer.returncode is not None)
        assert tracer.returncode is None, said.read_text()
        yield calls
    finally:
        await end(tracer, 5)


async def failed(calls: Path, name: str, count: int) -> None:
    """Wait until so many calls of this name were made to fail."""

    def found() -> int:
        return sum("(INJECTED)" in line and name in line for line in calls.read_text().splitlines())

    await until(lambda: found() >= count, STORED_WITHIN)
    figures.current.faults += found()


@pytest.mark.timeout(600)
async def test_22_postgresql_that_cannot_sync_its_log_crashes_and_nothing_is_lost(
    broker: Broker, sender: Sender, reachable: Path, tmp_path: Path
) -> None:
    server = Server(reachable)
    store = await Store.open(await server.start())
    postmaster = psutil.Process(int((reachable / "postgresql" / "postmaster.pid").read_text().split()[0]))
    rows = simulated(1_500)
    try:
        async with Consumer(broker, store, WARMING, batch_size=50) as consumer:
            await send(sender, rows[:500])
            await consumer.drained(sender)
            processes = [postmaster.pid, *(child.pid for child in postmaster.children())]
            # Of each process the third: a PostgreSQL that could not sync does not know what is on the disk, and ends.
            async with injected(processes, tmp_path, "fdatasync:error=EIO:when=3") as calls:
                await send(sender, rows[500:1_000])
                await failed(calls, "fdatasync", 1)
            assert "PANIC:  could not fdatasync" in (reachable / "postgresql" / "log").read_text(errors="replace")
            await server.start()
            with figures.current.recovering():
                await send(sender, rows[1_000:])
                await consumer.drained(sender, STORED_WITHIN)
            assert consumer.bus.transactions == len(rows)
        await is_kept(store, broker, sender, rows)
        await store.close()
    finally:
        await server.stop()


@pytest.mark.timeout(600)
async def test_22_a_daemon_whose_connections_break_and_cannot_be_had_loses_and_doubles_nothing(
    kafka: Broker, topic: str, store: Store, database_url: str, tmp_path: Path
) -> None:
    await kafka.ensure_topic(topic, 2)
    daemon = Daemon(tmp_path, kafka.bootstrap, database_url, "--topic", topic)
    sender = Sender(kafka, topic)
    await sender.start()
    rows = simulated(1_200)
    await daemon.start()

    async def all_stored() -> bool:
        reached = {row["partition"]: row["next_offset"] for row in await store.progress()}
        return all(reached.get(partition, 0) >= stop for partition, stop in sender.ends.items())

    await send(sender, rows[:400])
    await sender.flush()
    await until(all_stored, STORED_WITHIN)
    # Of each thread's: every fortieth send breaks its connection, and every second one that is to replace it fails.
    async with injected(
        [daemon.pid], tmp_path, "sendto:error=EPIPE:when=30+40", "connect:error=ECONNREFUSED:when=1+2"
    ) as calls:
        await send(sender, rows[400:800])
        await sender.flush()
        await failed(calls, "sendto", 5)
        await failed(calls, "connect", 5)
    with figures.current.recovering():
        await send(sender, rows[800:])
        await sender.flush()
        await until(all_stored, STORED_WITHIN)
    assert await daemon.end(signal.SIGTERM) == 0, daemon.log.read_text()[-4000:]
    await sender.stop()
    sent = [transaction.transaction_id for transaction, _ in rows]
    cluster = kafka.cluster_id
    broken = await broken_promises(store, sent=sent, poison=(), ends=sender.ends, cluster=cluster, topic=topic)
    assert broken == [], daemon.log.read_text()[-4000:]
