"""What becomes visible of a batch once it is committed."""

import time

import numpy as np
import structlog

from services.console.bus import Bus
from services.pipeline.scoring import ScoredBatch
from services.store.batch import StoredRows

log = structlog.get_logger("pipeline")

LATE_AFTER = 60_000_000
"""Microseconds that an event may lie before another of its partition which came earlier."""


class Publisher:
    """Puts the committed batches of one partition on the bus."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._latest_event = 0

    def publish(self, scored: ScoredBatch) -> None:
        """Make a batch visible that is committed."""
        batch, bus = scored.prepared.batch, self._bus
        bus.dead_letters += len(batch.dead)
        times = StoredRows.of(batch.rows).times
        latest = np.maximum.accumulate(np.concatenate(([self._latest_event], times)))
        bus.late += int((times < latest[:-1] - LATE_AFTER).sum())
        self._latest_event = int(latest[-1])
        bus.clock.observe(scored.happened)
        bus.publish(batch.rows, (time.time() - scored.produced_at).tolist())
        for dead in batch.dead:
            topic, partition, _, offset = batch.place(dead.offset)
            log.warning("dead letter", topic=topic, partition=partition, offset=offset, reason=dead.reason)
