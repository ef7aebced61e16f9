"""What became of records that this process sent."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from services.store.faults import translated
from services.store.statements import AMONG_IDS

# Transactions stored since $2 from these offsets of a partition: `stored_at` keeps those of an earlier broker out.
STORED_FROM = """
SELECT count(*) FROM transactions
WHERE stored_at >= $2 AND kafka_partition = $1 AND kafka_offset <@ (SELECT $3::text::int8multirange)
"""

# The first $5 dead letters at these offsets, and how many there are.
DEAD_FROM = """
SELECT reason, count(*) OVER () AS total FROM dead_letters
WHERE cluster = $1 AND topic = $2 AND partition = $3 AND "offset" <@ (SELECT $4::text::int8multirange)
ORDER BY "offset" LIMIT $5
"""

# Transactions of the ids $1 stored since $2.
STORED_UNDER = f"SELECT count(*) FROM transactions t WHERE {AMONG_IDS} AND t.stored_at >= $2"  # noqa: S608 - constants

NOW = "SELECT now()"

IDS_AT_ONCE = 10_000


class Fate(NamedTuple):
    """How many were stored, how many are dead letters, and why the first of those are."""

    stored: int
    dead: int
    reasons: tuple[str, ...]


class Outcomes:
    """Looks up records by where they lie in Kafka: partitions, each with offsets as PostgreSQL writes a multirange."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def now(self) -> Any:
        """The database's clock."""
        with translated():
            return await self._pool.fetchval(NOW)

    async def of(
        self,
        cluster: str,
        topic: str,
        sent: Iterable[tuple[int, str]],
        since: Any,
        shown: int,
        ids: Sequence[str] = (),
    ) -> Fate:
        """What became of records sent after `since`, with at most `shown` reasons.

        `ids` are those of transactions that are stored from other offsets than they were sent to.
        """
        stored = dead = 0
        reasons: list[str] = []
        with translated():
            for partition, offsets in sent:
                if not ids:
                    stored += await self._pool.fetchval(STORED_FROM, partition, since, offsets)
                rows = await self._pool.fetch(DEAD_FROM, cluster, topic, partition, offsets, shown)
                dead += rows[0]["total"] if rows else 0
                reasons += [row["reason"] for row in rows]
            for first in range(0, len(ids), IDS_AT_ONCE):
                stored += await self._pool.fetchval(STORED_UNDER, ids[first : first + IDS_AT_ONCE], since)
        return Fate(stored, dead, tuple(reasons[:shown]))
