"""kill -9 of the daemon at random moments while transactions flow through a real Apache Kafka."""

import asyncio
import os
import random
import signal
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from services.brokers.broker import Broker
from services.sending.producer import Outgoing, Sender, outgoing
from services.store.store import Store
from tests.faults.daemon import QUICKLY_MISSED, Daemon, sabotage
from tests.faults.figures import Figures
from tests.faults.promises import broken_promises
from tests.simulating import awake
from tests.waiting import until

FULL = os.environ.get("ANOMALY_TUI_FAULTS") == "full"
ROWS, KILLS = (50_000, 10) if FULL else (3_000, 3)
POISON = (b"{", b'{"user_id": "\\ud800"}', b"\x00", b"[]")
DRAINED_WITHIN = 240
SEED = "ANOMALY_TUI_FAULTS_SEED"
"""The variable with the seed of a run that failed, which has the next one send and kill by the same dice."""


@pytest.mark.timeout(1_800)
async def test_kills_at_random_lose_and_double_nothing(
    kafka: Broker,
    topic: str,
    store: Store,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    figures: Figures,
) -> None:
    seed = int(os.environ.get(SEED) or random.randrange(10_000))
    print(f"{SEED}={seed}")
    dice = random.Random(seed)
    start = datetime.now(UTC) - timedelta(hours=1)
    stream = awake(start, users=800, anomaly_rate=0.05, seed=seed, rate=ROWS / 3600)
    if not FULL:
        sabotage(tmp_path, monkeypatch, QUICKLY_MISSED)
    daemon = Daemon(tmp_path, kafka.bootstrap, database_url, "--topic", topic)
    await kafka.ensure_topic(topic, 4)
    sender = Sender(kafka, topic)
    await sender.start()
    sent: list[str] = []
    poison: set[tuple[int, int]] = set()

    async def send(count: int) -> None:
        for number in range(count):
            transaction, truth = next(stream)
            await sender.send(outgoing(transaction, truth, replay=True))
            sent.append(transaction.transaction_id)
            if number % 1_000 == 0:
                acknowledged = await (await sender.send(Outgoing(b"poison", dice.choice(POISON), [])))
                poison.add((acknowledged.partition, acknowledged.offset))
        await sender.flush()

    async def more_stored_than(count: int) -> bool:
        return await store.count() > count

    for _ in range(KILLS):
        await daemon.start()
        before = await store.count()
        await send(ROWS // (KILLS + 1))
        # Sometimes while it starts or joins, mostly while it commits.
        if dice.random() < 0.8:
            with figures.recovering():
                await until(partial(more_stored_than, before), DRAINED_WITHIN)
        await asyncio.sleep(dice.uniform(0.0, 1.0))
        assert await daemon.end(signal.SIGKILL) == -signal.SIGKILL
        figures.faults += 1
    await daemon.start()
    await send(ROWS - len(sent))

    async def drained() -> bool:
        reached = {row["partition"]: row["next_offset"] for row in await store.progress()}
        return all(reached.get(partition, 0) >= end for partition, end in sender.ends.items())

    await until(drained, DRAINED_WITHIN)
    assert await daemon.end(signal.SIGTERM) == 0, daemon.log.read_text()[-4000:]
    await sender.stop()
    assert len(sent) == ROWS
    broken = await broken_promises(
        store, sent=sent, poison=poison, ends=sender.ends, cluster=kafka.cluster_id, topic=topic
    )
    assert broken == [], f"{SEED}={seed}: {daemon.log.read_text()[-4000:]}"
