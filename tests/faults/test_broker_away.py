"""Apache Kafka is killed, or hangs: daemons need no restart. And daemons that are told to end, whatever is away."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.brokers import local
from services.store.store import Store
from tests.consuming import simulated
from tests.faults.daemon import Daemon
from tests.faults.figures import Figures
from tests.faults.flow import STORED_WITHIN, Flow
from tests.faults.own_kafka import OwnKafka
from tests.faults.own_server import Server
from tests.waiting import until

FULL = os.environ.get("ANOMALY_TUI_FAULTS") == "full"
DOWN_SECONDS = 180 if FULL else 2
HANG_SECONDS = 60 if FULL else 8
TERMS = 50 if FULL else 2


@pytest.fixture(scope="module")
def one_kafka(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Iterator[OwnKafka]:
    made = OwnKafka(tmp_path_factory.mktemp("broker") / "kafka", cache_dir)
    with pytest.MonkeyPatch.context() as patch:
        # Not the usual port: while this one is down, the Kafka of another test would take it.
        patch.setattr(local, "PORT", 0)
        made.start()
    yield made
    made.stop()


@pytest.fixture
async def kafka(one_kafka: OwnKafka, topic: str) -> OwnKafka:
    """It runs, and has the topic."""
    if not one_kafka.runs:
        await one_kafka.start_again()
    await one_kafka.make_topic(topic, 4)
    return one_kafka


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("fault", ["10 killed", "11 hangs"])
async def test_a_broker_that_comes_back_needs_no_restart_of_ours(
    kafka: OwnKafka, topic: str, store: Store, database_url: str, tmp_path: Path, fault: str, figures: Figures
) -> None:
    rows = simulated(1_500)
    daemon = Daemon(tmp_path, kafka.bootstrap, database_url, "--topic", topic)
    flow = Flow(kafka, topic, store, daemon)
    await daemon.start()
    await flow.send(rows[:500])
    await flow.until_stored()
    if fault == "10 killed":
        await kafka.kill()
        await asyncio.sleep(DOWN_SECONDS)
        await kafka.start_again()
    else:
        kafka.send(signal.SIGSTOP)
        await asyncio.sleep(HANG_SECONDS)
        kafka.send(signal.SIGCONT)
    figures.faults += 1
    with figures.recovering():
        await flow.send(rows[500:])
        await flow.until_stored()
    await flow.no_worker_restarted()
    assert await daemon.end(signal.SIGTERM) == 0, daemon.log.read_text()[-4000:]
    await flow.is_kept()


@pytest.mark.timeout(2_400)
async def test_18_a_daemon_that_is_told_to_end_under_load_ends_well_and_repeats_nothing(
    kafka: OwnKafka, topic: str, store: Store, database_url: str, tmp_path: Path, figures: Figures
) -> None:
    rows = simulated(TERMS * 1_000)
    daemon = Daemon(tmp_path, kafka.bootstrap, database_url, "--topic", topic)
    flow = Flow(kafka, topic, store, daemon)
    for term in range(TERMS):
        await flow.send(rows[term * 1_000 : (term + 1) * 1_000])
        before = await store.count()

        async def more(before: int = before) -> bool:
            return await store.count() > before

        await daemon.start()
        await until(more, STORED_WITHIN)
        assert await daemon.end(signal.SIGTERM) == 0, daemon.log.read_text()[-4000:]
        figures.faults += 1
    await daemon.start()
    await until(lambda: daemon.log.read_text().count("engine started") == TERMS + 1, STORED_WITHIN)
    await flow.until_stored()
    assert await daemon.end(signal.SIGTERM) == 0, daemon.log.read_text()[-4000:]
    # Nothing was read twice: neither was it stored before, nor was the offset moved without a record.
    accounts = [(row["resends"], row["lost"]) for row in await store.progress()]
    assert set(accounts) == {(0, 0)}
    await flow.is_kept()


@pytest.mark.timeout(600)
async def test_18_a_daemon_ends_although_both_servers_are_gone(
    kafka: OwnKafka, topic: str, tmp_path: Path, reachable: Path
) -> None:
    server = Server(reachable)
    try:
        dsn = await server.start()
        store = await Store.open(dsn)
        daemon = Daemon(tmp_path, kafka.bootstrap, dsn, "--topic", topic)
        flow = Flow(kafka, topic, store, daemon)
        await daemon.start()
        await flow.send(simulated(200))
        await flow.until_stored()
        await store.close()
        await kafka.kill()
        await server.stop_at_once()
        assert await daemon.end(signal.SIGTERM) == 0, daemon.log.read_text()[-4000:]
    finally:
        await server.stop()
