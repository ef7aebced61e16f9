"""What is stored of records that are looked up by where they lie in Kafka, and of transactions by their ids."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from domain.identity import around
from services.store.faults import translated
from services.store.statements import AMONG_IDS, FROM_TO

# The stored transactions of these ids among the events from $2 to $3, each with what distinguishes a resend from
# another transaction, and where it came from.
PLACED = f"""
SELECT t.transaction_id, t.user_id, t.amount, t.event_time, t.kafka_partition, t.kafka_offset, t.stored_at
FROM transactions t WHERE {AMONG_IDS} AND {FROM_TO}
"""  # noqa: S608 - constants

# Which of the offsets from $5 to before $6 are dead letters.
DEAD_BETWEEN = """
SELECT "offset" FROM dead_letters
WHERE cluster = $1 AND topic = $2 AND partition = $3 AND incarnation = $4 AND "offset" >= $5 AND "offset" < $6
"""

DAYS = "SELECT day FROM days"


class Placed(NamedTuple):
    """A stored transaction. The partition and the offset are those of the topic that was scored."""

    user_id: str
    amount: Decimal
    event_time: datetime
    partition: int
    offset: int
    stored_at: datetime


class Ledger:
    """Asks the database that is written to: a replica may be behind. Its methods raise Transient."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def placed(self, ids: Sequence[str], first: datetime, last: datetime) -> dict[str, list[Placed]]:
        """What is stored of these ids, by id, near event times from `first` to `last`: one may be stored on several
        days."""
        with translated():
            rows = await self._pool.fetch(PLACED, ids, *around(first, last))
        placed: dict[str, list[Placed]] = {}
        for ident, *columns in rows:
            placed.setdefault(ident, []).append(Placed(*columns))
        return placed

    async def dead(
        self, cluster: str, topic: str, partition: int, incarnation: int, first: int, following: int
    ) -> set[int]:
        """The dead letters between two offsets."""
        with translated():
            rows = await self._pool.fetch(DEAD_BETWEEN, cluster, topic, partition, incarnation, first, following)
        return {row[0] for row in rows}

    async def days(self) -> set[date]:
        """The days of which transactions are kept."""
        with translated():
            return {row[0] for row in await self._pool.fetch(DAYS)}
