"""What of an engine's snapshots goes into its timeline."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec

from domain.engine import PartitionStatus, Snapshot, WorkerStatus
from domain.timeline import TimelineEvent
from services.engine.timeline import ChangeWatch, changes, ranges
from tests.tui.fake_port import QUIET

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUNNING = WorkerStatus(name="producer", state="running", since=NOON, run_since=NOON)


def seen(*statuses: WorkerStatus) -> list[tuple[str, str, str]]:
    """Kind, level and text of what changes from each of these states to the next, one a second."""
    troubled: dict[str, datetime] = {}
    shots = [at(number, workers=(status,)) for number, status in enumerate(statuses)]
    return [
        (event.kind, event.level, event.text)
        for before, after in pairwise(shots)
        for event in changes(before, after, troubled)
    ]


def at(second: int, **changed: object) -> Snapshot:
    return msgspec.structs.replace(QUIET, at=NOON + timedelta(seconds=second), **changed)  # type: ignore[arg-type]


def then(status: WorkerStatus, second: int, **changed: object) -> WorkerStatus:
    began = NOON + timedelta(seconds=second)
    return msgspec.structs.replace(status, since=began, run_since=began, **changed)  # type: ignore[arg-type]


def test_a_crash_is_said_once_and_then_that_it_works_again() -> None:
    waiting = then(RUNNING, 1, state="backoff", last_error="OSError: gone")
    starting = then(waiting, 2, state="starting", restarts=1)
    assert seen(
        RUNNING, waiting, waiting, starting, then(starting, 4, state="running"), then(starting, 4, state="running")
    ) == [
        ("worker", "error", "crashed, restart 1: OSError: gone"),
        ("outage", "info", "works again after 3 s"),
    ]


def test_a_crash_between_two_looks_is_not_missed() -> None:
    assert seen(RUNNING, then(RUNNING, 1, restarts=1, last_error="OSError: gone")) == [
        ("worker", "error", "crashed, restart 1: OSError: gone"),
        ("outage", "info", "works again after 0 s"),
    ]


def test_what_somebody_asked_for_is_no_crash() -> None:
    stopped, again = then(RUNNING, 1, state="stopped"), then(RUNNING, 2)
    assert seen(RUNNING, stopped, stopped, again, then(again, 4)) == [
        ("worker", "info", "stopped"),
        ("worker", "info", "started"),
        ("worker", "info", "restarted"),
    ]


def test_a_worker_that_is_given_up_is_an_error_and_can_be_started() -> None:
    waiting = then(RUNNING, 1, state="backoff", last_error="OSError: gone", restarts=5)
    failed = then(waiting, 2, state="failed")
    assert seen(RUNNING, waiting, failed, then(failed, 5, state="running")) == [
        ("worker", "error", "crashed, restart 6: OSError: gone"),
        ("worker", "error", "crashed, given up: OSError: gone"),
        ("worker", "info", "started"),
    ]


def test_an_outage_has_a_beginning_and_an_end() -> None:
    def turned(second: int, **changed: Any) -> WorkerStatus:
        return msgspec.structs.replace(RUNNING, since=NOON + timedelta(seconds=second), **changed)

    silent = turned(1, state="degraded", detail="does not answer")
    assert seen(RUNNING, silent, silent, turned(3)) == [
        ("outage", "warning", "does not answer"),
        ("outage", "info", "works again after 2 s"),
    ]


def test_fits_rebalances_and_losses() -> None:
    before = at(0, partitions=tuple(PartitionStatus(number, "running", 0, 0, 1) for number in (0, 1, 2)))
    after = at(
        1,
        partitions=tuple(PartitionStatus(number, "running", 0, 0, 1) for number in (2, 3, 4, 7)),
        model_versions={"basic": "v3", "enhanced": "v13"},
        offset_gaps=2_000,
        topic_resets=1,
    )
    assert [(event.kind, event.text) for event in changes(before, after, {})] == [
        ("fit", "now in use: enhanced v13"),
        ("rebalance", "partitions 3-4, 7 assigned, 0-1 given up; 4 here now"),
        ("loss", "Kafka lost 2,000 records before they were read"),
        ("loss", "1 partition is read from the beginning: the topic was made again"),
    ]
    assert ranges(set()) == ""


class SlowTimeline:
    """Keeps what it is given, and holds on until it may go on."""

    def __init__(self) -> None:
        self.kept: list[TimelineEvent] = []
        self.may_go_on = asyncio.Event()

    async def add(self, events: Sequence[TimelineEvent]) -> None:
        await self.may_go_on.wait()
        self.kept += events


async def test_an_engine_that_stops_while_housekeeping_writes_writes_each_event_once() -> None:
    timeline = SlowTimeline()
    watch = ChangeWatch(timeline, "engine-1")  # type: ignore[arg-type]
    watch.begin(at(0), "1.0")
    async with asyncio.TaskGroup() as group:
        group.create_task(watch.write())
        group.create_task(watch.end())
        await asyncio.sleep(0)
        timeline.may_go_on.set()
    assert [event.text.split()[0] for event in timeline.kept] == ["anomaly-tui", "stopped"]
