"""Notices what changes in an engine, and keeps it in the store."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import structlog

from domain.engine import Snapshot, WorkerStatus
from domain.sanitize import sanitize
from domain.timeline import Kind, Level, TimelineEvent
from services.process.redaction import redacted
from services.store.timeline import Timeline

log = structlog.get_logger("engine")

_WAITING = 1_000
"""Events that wait for PostgreSQL to be back; the oldest go first."""
_LONGEST = 400
"""Characters of an event's text."""
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_AT_REST = ("stopped", "failed")
_TROUBLED = ("degraded", "backoff")


class ChangeWatch:
    """Compares the engine with what it was a moment ago: `look` now and then, `write` whenever PostgreSQL answers.

    Nothing is noticed before `begin`, so that the workers' first start is one event, nor after `end`.
    """

    def __init__(self, timeline: Timeline, instance: str) -> None:
        self._timeline = timeline
        self._instance = instance
        self._before: Snapshot | None = None
        self._waiting: deque[TimelineEvent] = deque(maxlen=_WAITING)
        self._troubled: dict[str, datetime] = {}
        self._writing = asyncio.Lock()

    def begin(self, snapshot: Snapshot, version: str) -> None:
        """The engine has started."""
        self._before = snapshot
        text = f"anomaly-tui {version} started with {snapshot.broker} and {snapshot.database}"
        self._note(TimelineEvent(at=snapshot.at, kind="engine", text=text))
        self._troubled = {each.name: snapshot.at for each in snapshot.workers if each.state in _TROUBLED}

    def look(self, snapshot: Snapshot) -> None:
        """Note what has changed since the look before."""
        if self._before is None:
            return
        for event in changes(self._before, snapshot, self._troubled):
            if event.kind == "outage":
                log.log(_LEVELS[event.level], f"{event.subject}: {event.text}")
            self._note(event)
        self._before = snapshot

    async def end(self) -> None:
        """The engine stops. Raises `faults` errors."""
        if self._before is not None:
            self._before = None
            self._note(TimelineEvent(at=datetime.now(UTC), kind="engine", text="stopped"))
        await self.write()

    async def write(self) -> None:
        """Store what was noted. Raises `faults` errors, and keeps it for the next time."""
        # An engine that stops writes while housekeeping may still do so.
        async with self._writing:
            writing = tuple(self._waiting)
            if writing:
                await self._timeline.add(writing)
                for event in writing:
                    # Some of the oldest may have gone to make room meanwhile.
                    if self._waiting and self._waiting[0] is event:
                        self._waiting.popleft()

    def _note(self, event: TimelineEvent) -> None:
        text = sanitize(redacted(event.text))[:_LONGEST]
        self._waiting.append(msgspec.structs.replace(event, text=text, instance=self._instance))


def changes(before: Snapshot, after: Snapshot, troubled: dict[str, datetime]) -> Iterator[TimelineEvent]:
    """What changed between two snapshots of one engine; `troubled` keeps since when workers are not well."""
    earlier = {worker.name: worker for worker in before.workers}
    for worker in after.workers:
        if worker.name in earlier:
            yield from _of_worker(earlier[worker.name], worker, after.at, troubled)
    yield from _of_models(before, after)
    yield from _of_partitions(before, after)
    if (lost := after.offset_gaps - before.offset_gaps) > 0:
        yield TimelineEvent(
            at=after.at, kind="loss", level="error", text=f"Kafka lost {lost:,} records before they were read"
        )
    if (reset := after.topic_resets - before.topic_resets) > 0:
        parts = "1 partition is" if reset == 1 else f"{reset:,} partitions are"
        yield TimelineEvent(
            at=after.at, kind="loss", level="warning", text=f"{parts} read from the beginning: the topic was made again"
        )


def _of_worker(
    before: WorkerStatus, after: WorkerStatus, at: datetime, troubled: dict[str, datetime]
) -> Iterator[TimelineEvent]:
    def event(text: str, kind: Kind = "worker", level: Level = "info") -> TimelineEvent:
        return TimelineEvent(at=at, kind=kind, level=level, subject=after.name, text=text)

    crashed = _crashes(after) > _crashes(before)
    if crashed or (after.state == "failed") > (before.state == "failed"):
        ending = "given up" if after.state == "failed" else f"restart {_crashes(after)}"
        yield event(f"crashed, {ending}: {after.last_error}", level="error")
    elif after.state == "stopped" != before.state:
        yield event("stopped")
    elif before.state in _AT_REST and after.state not in _AT_REST:
        yield event("started")
    elif before.run_since != after.run_since and before.state not in ("starting", "backoff"):
        yield event("restarted")
    if after.state == "degraded" != before.state:
        yield event(after.detail or "does not work as it should", "outage", "warning")
    if after.state in _TROUBLED or crashed:
        troubled.setdefault(after.name, at)
    elif after.state in _AT_REST:
        troubled.pop(after.name, None)
    if after.state == "running" and (since := troubled.pop(after.name, None)) is not None:
        yield event(f"works again after {_span(at - since)}", "outage")


def _crashes(worker: WorkerStatus) -> int:
    """A restart is counted once its pause is over."""
    return worker.restarts + (worker.state == "backoff")


def _of_models(before: Snapshot, after: Snapshot) -> Iterator[TimelineEvent]:
    moved = {
        name: version for name, version in after.model_versions.items() if version != before.model_versions.get(name)
    }
    if moved:
        said = ", ".join(f"{name} {version}" for name, version in moved.items())
        yield TimelineEvent(at=after.at, kind="fit", subject="models", text=f"now in use: {said}")


def _of_partitions(before: Snapshot, after: Snapshot) -> Iterator[TimelineEvent]:
    had = {each.partition for each in before.partitions}
    has = {each.partition for each in after.partitions}
    came, went = ranges(has - had), ranges(had - has)
    if came or went:
        moves = ", ".join(filter(None, (came and f"{came} assigned", went and f"{went} given up")))
        yield TimelineEvent(
            at=after.at, kind="rebalance", subject="pipeline", text=f"partitions {moves}; {len(has):,} here now"
        )


def ranges(numbers: set[int]) -> str:
    """`0-3, 7` of 0, 1, 2, 3 and 7."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def _span(length: timedelta) -> str:
    seconds = length.total_seconds()
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
