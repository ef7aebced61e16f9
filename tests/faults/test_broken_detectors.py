"""Daemons with something in them that ends the process, or never starts: what is to blame is isolated, or said."""

import asyncio
import os
import signal
from math import log2
from pathlib import Path

import msgspec
import pytest

from services.brokers.broker import Broker
from services.sending.producer import Sender, outgoing
from services.store.store import Store
from tests.consuming import simulated
from tests.faults.daemon import DEADLY, VICTIM, Daemon, sabotage
from tests.faults.promises import wrong_profiles
from tests.faults.topics import Topics
from tests.waiting import until

FULL = os.environ.get("ANOMALY_TUI_FAULTS") == "full"
BATCH = 1_000 if FULL else 8
MOST_ENDS = 3 + int(log2(BATCH)) + 1
"""Three before it is suspected, one for each halving, and one more alone."""

ENDED_WITHIN = 120
UNABLE = """
import random
random.random = lambda: 0.0

from services.pipeline.consumer import Pipeline

async def startup(self):
    raise RuntimeError("nothing works")

Pipeline.startup = startup
"""


@pytest.mark.timeout(900)
async def test_14_a_record_that_ends_the_process_is_isolated(
    kafka: Broker,
    topics: Topics,
    topic: str,
    store: Store,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await topics.make(topic)
    rows = simulated(3 * BATCH)
    middle = len(rows) // 2
    rows[middle] = msgspec.structs.replace(rows[middle][0], transaction_id=VICTIM), rows[middle][1]
    sender = Sender(kafka, topic)
    await sender.start()
    for transaction, truth in rows:
        await sender.send(outgoing(transaction, truth, replay=True))
    await sender.flush()
    await sender.stop()

    sabotage(tmp_path, monkeypatch, DEADLY)
    monkeypatch.setenv("ANOMALY_TUI_BATCH_SIZE", str(BATCH))
    # A process beside the daemon would end in its place.
    monkeypatch.setenv("ANOMALY_TUI_WORKERS", "0")
    ends = 0

    async def stored() -> bool:
        return await store.count() == len(rows) - 1

    async def ended_or_stored() -> bool:
        assert daemon.process is not None
        return daemon.process.returncode is not None or await stored()

    while not await stored():
        # A group of its own each time: where it is, is in PostgreSQL, and nobody waits for the member that died.
        monkeypatch.setenv("ANOMALY_TUI_GROUP", f"{topic}-{ends}")
        daemon = Daemon(tmp_path, kafka.bootstrap, database_url, "--topic", topic)
        await daemon.start()
        await until(ended_or_stored, ENDED_WITHIN)
        assert daemon.process is not None
        if daemon.process.returncode is not None:
            assert daemon.process.returncode == -signal.SIGABRT, daemon.log.read_text()[-4000:]
            ends += 1
            assert ends <= MOST_ENDS
    assert await daemon.end(signal.SIGTERM) == 0, daemon.log.read_text()[-4000:]
    assert ends > 0
    (letter,) = await store.dead_letters(5)
    assert letter.reason == "scoring it stopped the process more than once"
    assert await wrong_profiles(store) == set()


@pytest.mark.timeout(300)
async def test_20_a_worker_that_crashes_at_each_start_ends_the_daemon_after_five_restarts(
    database_url: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage(tmp_path, monkeypatch, UNABLE)
    daemon = Daemon(tmp_path, "embedded", database_url)
    await daemon.start()
    assert daemon.process is not None
    assert await asyncio.wait_for(daemon.process.wait(), ENDED_WITHIN) == 1
    said = daemon.log.read_text()
    assert said.count("worker crashed") == 6, said
    assert "worker failed for good" in said
    assert "RuntimeError: nothing works" in said
