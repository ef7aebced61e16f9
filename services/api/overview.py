"""How the engine and its data are doing."""

from datetime import UTC, datetime
from typing import Literal

import msgspec

from domain.engine import FeatureDrift, PartitionStatus, Snapshot, WorkerStatus
from domain.quality import DetectorQuality
from services.api.endpoint import Endpoint, Sources
from services.api.figures import Totals
from services.api.stream import database_up
from services.store.pages import Volume


class NoQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to choose."""


class CategoryShare(msgspec.Struct, frozen=True, kw_only=True):
    """Transactions of one merchant category ("" where it is unknown): `share` of all, how many flagged."""

    category: str
    transactions: int
    flagged: int
    share: float


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """The engine now, and what is stored as it was counted at `counted_at`.

    `volume` and `categories` are of events before `until` by the stream's clock: the last hour, or the last two days of
    a clock that runs faster. `step` is how many seconds each entry of `volume` spans.
    """

    at: datetime
    snapshot: Snapshot
    counted_at: datetime
    until: datetime
    step: int
    totals: Totals
    volume: tuple[Volume, ...]
    categories: tuple[CategoryShare, ...]
    quality: tuple[DetectorQuality, ...]


async def stats(sources: Sources, asked: NoQuestion, by: str) -> Stats:
    """Rates, totals, volume over time and the mix of merchant categories."""
    counted = await sources.figures.counted()
    snapshot = sources.port.snapshot()
    every = sum(step.transactions for step in counted.volume)
    return Stats(
        at=datetime.now(UTC),
        snapshot=snapshot,
        counted_at=counted.at,
        until=counted.until,
        step=counted.step,
        totals=counted.totals,
        volume=counted.volume,
        categories=tuple(
            CategoryShare(
                category=found.category,
                transactions=found.transactions,
                flagged=found.flagged,
                share=found.transactions / max(every, found.transactions),
            )
            for found in counted.categories
        ),
        quality=snapshot.quality,
    )


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The condition of every part.

    `status` is "down" when a worker has failed for good or PostgreSQL does not answer, "degraded" when anything else is
    not running.
    """

    at: datetime
    status: Literal["ok", "degraded", "down"]
    version: str
    engine: str
    started_at: datetime
    workers: tuple[WorkerStatus, ...]
    partitions: tuple[PartitionStatus, ...]
    broker: str
    database: str
    database_up: bool
    last_stored_at: datetime | None
    drift: tuple[FeatureDrift, ...]
    model_versions: dict[str, str]


async def health(sources: Sources, asked: NoQuestion, by: str) -> Health:
    """Whether all parts run; always 200 while the process lives."""
    snapshot = sources.port.snapshot()
    return Health(
        at=datetime.now(UTC),
        status=condition(snapshot),
        version=sources.version,
        engine=sources.hub.mark.engine,
        started_at=snapshot.started_at,
        workers=snapshot.workers,
        partitions=snapshot.partitions,
        broker=snapshot.broker,
        database=snapshot.database,
        database_up=database_up(snapshot),
        last_stored_at=snapshot.last_stored_at,
        drift=snapshot.drift,
        model_versions=snapshot.model_versions,
    )


def condition(snapshot: Snapshot) -> Literal["ok", "degraded", "down"]:
    """All of it in a word."""
    workers = [worker for worker in snapshot.workers if worker.essential]
    if not database_up(snapshot) or any(worker.state == "failed" for worker in workers):
        return "down"
    # A producer that has sent all there is has stopped, and nothing is wrong.
    needed = [worker.state for worker in workers if worker.name != "producer" or worker.state != "stopped"]
    return "ok" if all(state == "running" for state in needed) else "degraded"


ENDPOINTS = (
    Endpoint("GET", "/api/stats", "Rates, totals and the last hour", NoQuestion, Stats, stats),
    Endpoint("GET", "/api/health", "The condition of every part", NoQuestion, Health, health),
)
