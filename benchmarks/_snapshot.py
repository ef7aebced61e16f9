"""What the engine would tell of a bus that has no engine around it."""

from datetime import UTC, datetime
from typing import Any

from domain.engine import Snapshot
from services.console.bus import Bus


def snapshot_of(bus: Bus, started_at: datetime, **more: Any) -> Snapshot:
    """The counts, rate and latencies of `bus` now; `more` are fields that are not its own."""
    p50, p95, p99 = bus.latency(0.5, 0.95, 0.99)
    own = {
        "at": datetime.now(UTC),
        "started_at": started_at,
        "rate": bus.rate,
        "lag": 0,
        "latency_p50": p50,
        "latency_p95": p95,
        "latency_p99": p99,
        "writer_queue": 0,
        "transactions": bus.transactions,
        "flagged": dict(bus.flagged),
        "dead_letters": 0,
        "duplicates": 0,
        "late": 0,
        "offset_gaps": 0,
        "last_event_at": bus.last_event_at,
        "last_stored_at": bus.last_stored_at,
        "broker": "Kafka, in memory",
        "database": "PostgreSQL 18, embedded",
        "model_versions": {"basic": "v1", "enhanced": "v1"},
        "workers": (),
    }
    return Snapshot(**(own | more))
