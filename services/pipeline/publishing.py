"""What becomes visible of a batch once it is committed."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import structlog

from services.console.bus import Bus
from services.pipeline.scoring import ScoredBatch
from services.store.batch import Part, StoredRows
from services.store.binary import Times

log = structlog.get_logger("pipeline")

LATE_AFTER = 60_000_000
"""Microseconds that an event may lie before another of its partition which came earlier."""


class Lateness:
    """Counts the events of one partition that are late."""

    def __init__(self) -> None:
        self._latest = 0

    def of(self, times: Times) -> int:
        """How many of the events that come next, at these times, are late."""
        if not len(times):
            return 0
        latest = np.maximum.accumulate(np.concatenate(([self._latest], times)))
        self._latest = int(latest[-1])
        return int((times < latest[:-1] - LATE_AFTER).sum())


def publish(bus: Bus, scored: ScoredBatch, moved: Sequence[Callable[[Part, Times], int]]) -> None:
    """Make a batch visible that is committed; who brought a part of it is told by `moved`, and counts what is late."""
    batch = scored.prepared.batch
    times = StoredRows.of(batch.rows).times
    first = 0
    for part, tell in zip(batch.parts, moved, strict=True):
        bus.late += tell(part, times[first : first + part.stored])
        bus.dead_letters += len(part.dead)
        first += part.stored
    bus.clock.observe(scored.happened)
    bus.publish(batch.rows, (time.time() - scored.produced_at).tolist())
    for part in batch.parts:
        for dead in part.dead:
            topic, partition, _, offset = part.place(dead.offset)
            log.warning("dead letter", topic=topic, partition=partition, offset=offset, reason=dead.reason)
