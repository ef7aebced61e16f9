"""Batches scored by other processes: the same is stored, also where one of them ends in the middle."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable
from math import log2
from pathlib import Path

import msgspec
import psutil
import pytest

from detectors.models import Models
from detectors.policy import USUAL_POLICY
from services.brokers.broker import Broker
from services.models import schedule
from services.pipeline import child, process_desk
from services.pipeline.child import Child
from services.pipeline.failures import ScorerLost
from services.pipeline.frames import Setup
from services.sending.producer import Sender
from services.store.store import Store
from tests.consuming import TOPIC, Consumer, profiles_equal_a_recount, send, simulated
from tests.faults.daemon import DEADLY, VICTIM, sabotage
from tests.faults.promises import broken_promises
from tests.waiting import until

WARMING = schedule.warming("both")
ENGINE = """
import asyncio
from services.pipeline.child import Child
from services.pipeline.frames import Setup

async def main():
    child = await Child.start(Setup(None, 1_000_000))
    print(child.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def fitted() -> Models:
    return schedule.fit([transaction for transaction, _ in simulated(1500, seed=9)], 1500, "both", USUAL_POLICY)


async def test_what_a_process_scored_is_stored_and_shown_like_any_other(
    broker: Broker, store: Store, sender: Sender, fitted: Models
) -> None:
    rows = simulated(3_000)
    async with Consumer(broker, store, fitted, workers=2, full=0) as consumer:
        await send(sender, rows)
        await consumer.drained(sender)
        shown = {row.transaction.transaction_id: row for row in consumer.bus.newest(0, 3_000).rows}
    assert fitted.basic is not None
    assert fitted.enhanced is not None
    assert fitted.basic.drift(), "what was scored elsewhere counts for drift"
    totals = await store.totals()
    assert totals["verdicts"] == {"basic": 3_000, "enhanced": 3_000}
    assert await profiles_equal_a_recount(store, fitted.enhanced)
    assert [(shown[row.transaction_id].transaction, shown[row.transaction_id].truth) for row, _ in rows] == rows


async def test_a_process_that_is_killed_in_a_batch_is_replaced_and_nothing_is_lost(
    broker: Broker, store: Store, sender: Sender
) -> None:
    rows = simulated(900)
    async with Consumer(broker, store, WARMING, workers=1, full=0) as consumer:
        await send(sender, rows[:300])
        await consumer.drained(sender)
        for part in (rows[300:600], rows[600:]):
            (pid,) = consumer.pipeline.scorers
            os.kill(pid, signal.SIGSTOP)
            await send(sender, part)
            await sender.flush()
            await until(taken(consumer))
            os.kill(pid, signal.SIGKILL)
            await consumer.drained(sender)
        await until(lambda: "started again: 2" in consumer.pipeline.detail)
        last = consumer.pipeline.scorers
    sent = [transaction.transaction_id for transaction, _ in rows]
    assert await broken_promises(store, sent=sent, poison=(), ends=sender.ends, cluster=broker.cluster_id) == []
    assert consumer.bus.transactions == 900
    assert len(last) == 1
    assert not any(map(psutil.pid_exists, last))


async def test_a_process_that_hangs_in_a_batch_is_replaced_and_nothing_is_lost(
    broker: Broker, store: Store, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "SILENT", 0.6)
    rows = simulated(600)
    async with Consumer(broker, store, WARMING, workers=1, full=0) as consumer:
        await send(sender, rows[:300])
        await consumer.drained(sender)
        (pid,) = consumer.pipeline.scorers
        os.kill(pid, signal.SIGSTOP)
        await send(sender, rows[300:])
        await consumer.drained(sender)
        await until(lambda: "started again: 1" in consumer.pipeline.detail)
    sent = [transaction.transaction_id for transaction, _ in rows]
    assert await broken_promises(store, sent=sent, poison=(), ends=sender.ends, cluster=broker.cluster_id) == []
    assert consumer.bus.transactions == 600


def taken(consumer: Consumer) -> Callable[[], bool]:
    """Whether a batch is in flight."""
    return lambda: any(not task.idle and not task.inbox.ready for task in consumer.pipeline._tasks.values())


async def test_a_record_that_ends_the_process_that_scores_it_is_buried_and_the_engine_goes_on(
    broker: Broker, store: Store, sender: Sender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = simulated(60)
    rows[30] = msgspec.structs.replace(rows[30][0], transaction_id=VICTIM), rows[30][1]
    # Only processes that are started from here are told so: this one is as it was.
    sabotage(tmp_path, monkeypatch, DEADLY)
    async with Consumer(broker, store, WARMING, batch_size=8, workers=1, full=0) as consumer:
        await send(sender, rows)
        await consumer.drained(sender, 120)
        (restarts,) = re.findall(r"started again: (\d+)", consumer.pipeline.detail)
        assert 3 <= int(restarts) <= 3 + log2(8) + 1
    (letter,) = await store.dead_letters(5)
    assert letter.reason == "scoring it stopped the process more than once"
    assert await store.count() == 59
    reached = {row["partition"]: row["next_offset"] for row in await store.progress() if row["topic"] == TOPIC}
    assert {partition: reached[partition] for partition in sender.ends} == sender.ends


async def test_an_engine_that_is_killed_leaves_no_process_that_scores() -> None:
    engine = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ENGINE, stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
    )
    assert engine.stdout is not None
    scorer = psutil.Process(int(await engine.stdout.readline()))
    assert scorer.is_running()
    engine.kill()
    await engine.wait()
    await until(lambda: not scorer.is_running() or scorer.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise SystemExit('no more processes')", "no more processes"),
        ("import time; time.sleep(600)", "did not answer"),
    ],
    ids=["ends", "hangs"],
)
async def test_a_process_that_cannot_be_started_is_done_without_until_one_can(
    broker: Broker, store: Store, sender: Sender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, why: str
) -> None:
    monkeypatch.setattr(child, "READY_WITHIN", 1.0)
    sabotage(tmp_path, monkeypatch, code)
    rows = simulated(600)
    await send(sender, rows[:300])
    await sender.flush()
    async with Consumer(broker, store, WARMING, batch_size=10, workers=1) as consumer:
        await until(lambda: "cannot be started: a process that scores ended" in consumer.pipeline.detail)
        assert why in consumer.pipeline.detail
        await send(sender, rows[300:500])
        await consumer.drained(sender)
        assert not consumer.pipeline.scorers
        monkeypatch.delenv("PYTHONPATH")
        monkeypatch.setattr(child, "READY_WITHIN", 30.0)
        monkeypatch.setattr(process_desk, "AGAIN_AFTER", 0.0)
        await send(sender, rows[500:])
        await consumer.drained(sender)
        await until(lambda: "cannot be started" not in consumer.pipeline.detail)
    assert await store.count() == 600


async def test_what_ended_a_process_is_told_as_it_was() -> None:
    scorer = await Child.start(Setup(None, 1_000_000))
    asked = asyncio.ensure_future(scorer.ask("decode", None, (), False))
    os.kill(scorer.pid, signal.SIGKILL)
    with pytest.raises(ScorerLost, match="SIGKILL"):
        await asked
    await scorer.end()
