"""The process that fits: it waits, fits once, and never outlives its engine."""

import asyncio
import os
import sys

from detectors.policy import USUAL_POLICY
from services.brokers.broker import Broker
from services.models import schedule
from services.models.fitter import Fitter
from services.sending.producer import Sender
from services.store.store import Store
from tests.consuming import Consumer, send, simulated
from tests.waiting import until


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_prepared_process_fits_nothing_of_an_empty_store_and_ends(store: Store, database_url: str) -> None:
    fitter = Fitter(database_url, "both", USUAL_POLICY)
    await fitter.prepare()
    pid = fitter.pid
    assert pid is not None
    await fitter.prepare()
    assert fitter.pid == pid
    await fitter.fit()
    assert fitter.pid is None
    assert await store.latest_model("basic") is None


async def test_a_process_that_waits_is_ended_with_its_keeper(database_url: str) -> None:
    fitter = Fitter(database_url, "basic", USUAL_POLICY)
    await fitter.prepare()
    pid = fitter.pid
    assert pid is not None
    await fitter.end()
    assert not alive(pid)


async def test_a_killed_engine_leaves_no_waiting_process_behind(database_url: str) -> None:
    code = (
        "import asyncio\n"
        "from detectors.policy import USUAL_POLICY\n"
        "from services.models.fitter import Fitter\n"
        "async def engine():\n"
        f"    fitter = Fitter({database_url!r}, 'basic', USUAL_POLICY)\n"
        "    await fitter.prepare()\n"
        "    print(fitter.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(engine())\n"
    )
    engine = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert engine.stdout is not None
    pid = int(await engine.stdout.readline())
    assert alive(pid)
    engine.kill()
    await engine.wait()
    await until(lambda: not alive(pid), 60)


def test_a_process_is_prepared_when_a_fit_is_near() -> None:
    assert schedule.near(1, 0)
    assert schedule.near(4_000, 2_000)
    assert not schedule.near(3_999, 2_000)
    assert schedule.near(90_000, 50_000)
    assert schedule.near(1_990_000, 1_000_700)
    assert not schedule.near(1_989_999, 1_000_700), "a process that waits takes 150 MB"


async def test_a_process_fits_beside_a_newer_release(
    store: Store, broker: Broker, sender: Sender, database_url: str
) -> None:
    """Of a rolling upgrade: an engine that runs goes on, and with it what it starts."""
    rows = simulated(1_000)
    async with Consumer(broker, store, schedule.warming("basic")) as consumer:
        await send(sender, rows)
        await consumer.drained(sender)
    await store.pool.execute("INSERT INTO schema_version (version) VALUES (999)")
    fitter = Fitter(database_url, "basic", USUAL_POLICY)
    await fitter.fit()
    assert await store.latest_model("basic") is not None


def test_fits_become_rarer_as_history_grows() -> None:
    due, fits = [], 0
    while fits < 3_000_000:
        fits = schedule.next_fit(fits)
        due.append(fits)
    assert due[:6] == [1_000, 2_000, 5_000, 10_000, 20_000, 50_000]
    assert due[6:16] == [*range(100_000, 1_000_001, 100_000)]
    assert due[16:] == [2_000_000, 3_000_000]
    assert schedule.next_fit(1_234_567) == 2_000_000
