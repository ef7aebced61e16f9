"""PostgreSQL crashes, loses connections, hangs, is slow, or is cut off without a word: all of it is waited for."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from services.brokers.broker import Broker
from services.models import schedule
from services.process.supervisor import Supervisor
from services.sending.producer import Sender
from services.store import pools
from services.store.store import Store
from tests.consuming import Consumer, send, simulated
from tests.faults import figures
from tests.faults.outage import BATCH, MOST_QUEUED, is_kept, through_an_outage
from tests.faults.own_server import Server
from tests.faults.proxy import FaultProxy, socket_of, through
from tests.waiting import until

FULL = os.environ.get("ANOMALY_TUI_FAULTS") == "full"
KILLING_SECONDS = 60 if FULL else 3
COMMAND_TIMEOUT = 30.0 if FULL else 2.0
WARMING = schedule.warming("both")


@pytest.fixture
async def own_server(reachable: Path) -> AsyncIterator[Server]:
    made = Server(reachable)
    yield made
    await made.stop()


@pytest.fixture
async def impatient_store(store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """The same database by connections that wait less long for an answer."""
    monkeypatch.setattr(pools, "COMMAND_TIMEOUT", COMMAND_TIMEOUT)
    opened = await Store.open(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(socket_of(database_url)) as opened:
        yield opened


@pytest.mark.timeout(900)
async def test_6_a_server_that_crashed_is_waited_for(broker: Broker, sender: Sender, own_server: Server) -> None:
    rows = simulated(1_500)
    store = await Store.open(await own_server.start())

    async def start() -> None:
        await own_server.start()

    async with Consumer(broker, store, WARMING, batch_size=BATCH) as consumer:
        await through_an_outage(consumer, sender, rows, own_server.stop_at_once, start)
    await is_kept(store, broker, sender, rows)
    await store.close()


@pytest.mark.timeout(900)
async def test_7_connections_that_are_ended_all_the_time_end_no_worker(
    broker: Broker, store: Store, sender: Sender, database_url: str
) -> None:
    rows = simulated(KILLING_SECONDS * 100)
    killer = await asyncpg.connect(database_url)
    consumer = Consumer(broker, store, WARMING, batch_size=BATCH)
    supervisor = Supervisor()
    supervisor.add(consumer.pipeline)
    await supervisor.start()
    ends = asyncio.get_running_loop().time() + KILLING_SECONDS
    sending = asyncio.create_task(send(sender, rows))
    while asyncio.get_running_loop().time() < ends:
        ended = await killer.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        figures.current.faults += len(ended)
        await asyncio.sleep(0.2)
    with figures.current.recovering():
        await sending
        await consumer.drained(sender, 120)
        # The last of the cut connections may have been the one that would have said so.
        await until(lambda: not consumer.pipeline.degraded)
    assert [(status.restarts, status.state) for status in supervisor.statuses] == [(0, "running")]
    assert consumer.bus.transactions == len(rows)
    await supervisor.stop()
    await killer.close()
    await is_kept(store, broker, sender, rows)


@pytest.mark.timeout(900)
async def test_9_a_backend_that_hangs_is_noticed(
    broker: Broker, store: Store, impatient_store: Store, sender: Sender
) -> None:
    rows = simulated(600)
    stopped: list[int] = []

    async def begin() -> None:
        async with impatient_store.pool.acquire() as connection:
            stopped.append(connection.get_server_pid())
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)

    async def end() -> None:
        for pid in stopped:
            # Told to end while it was stopped, it ends as soon as it goes on, and this may be the second time.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    try:
        async with Consumer(broker, impatient_store, WARMING, batch_size=BATCH) as consumer:
            await through_an_outage(consumer, sender, rows, begin, end)
    finally:
        await end()
    await is_kept(store, broker, sender, rows)


@pytest.mark.timeout(900)
async def test_a_server_that_is_cut_off_without_a_word_is_noticed_and_holds_no_fence(
    broker: Broker, store: Store, proxy: FaultProxy, sender: Sender, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half-open: both ends believe the connection to be well, and the server waits within a transaction of ours."""
    monkeypatch.setattr(pools, "COMMAND_TIMEOUT", COMMAND_TIMEOUT)
    monkeypatch.setitem(pools._SESSION, "idle_in_transaction_session_timeout", str(int(COMMAND_TIMEOUT * 1000)))
    proxied = await Store.open(through(proxy, database_url))
    rows = simulated(600)

    async def begin() -> None:
        proxy.half_open = True

    async def end() -> None:
        # What was under way never arrives.
        proxy.cut()
        proxy.half_open = False

    async with Consumer(broker, proxied, WARMING, batch_size=BATCH) as consumer:
        await through_an_outage(consumer, sender, rows, begin, end)
    await is_kept(store, broker, sender, rows)
    await proxied.close()


@pytest.mark.timeout(900)
async def test_16_a_slow_server_holds_the_consumer_back(
    broker: Broker, store: Store, proxy: FaultProxy, sender: Sender, database_url: str
) -> None:
    rows = simulated(2_000)
    proxied = await Store.open(through(proxy, database_url))
    async with Consumer(broker, proxied, WARMING, batch_size=BATCH) as consumer:
        proxy.delay = 0.25
        await send(sender, rows)
        await until(lambda: "paused" in consumer.pipeline.detail)
        assert consumer.pipeline.queued <= MOST_QUEUED
        proxy.delay = 0.0
        await consumer.drained(sender, 60)
        await until(lambda: "paused" not in consumer.pipeline.detail)
    await is_kept(store, broker, sender, rows)
    await proxied.close()
