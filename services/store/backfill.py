"""Verdicts given afterwards: what was stored before the first fit, judged by the first model."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from domain.transaction import Transaction
from domain.verdict import DetectorName, Verdict
from services.store.batch import transaction_of
from services.store.faults import translated

_LOCK = 7_294_004
USERS_AT_ONCE = 500

# Whether a verdict of the detectors $1 was given before the first fit. There is an index for just these.
WAITING = "SELECT EXISTS (SELECT FROM verdicts WHERE status = 'warming' AND detector = ANY($1::text[]))"

# At most $2 users with such verdicts.
WAITING_USERS = """
SELECT DISTINCT t.user_id FROM verdicts v
JOIN transactions t ON t.event_time = v.event_time AND t.transaction_id = v.transaction_id
WHERE v.status = 'warming' AND v.detector = ANY($1::text[]) LIMIT $2
"""

# Holds back every commit until this transaction ends; engines other than $1 may have old profiles in memory, so
# that they must open their partitions again.
HOLD_FENCES = "UPDATE progress SET epoch = epoch + CASE WHEN owner = $1 THEN 0 ELSE 1 END WHERE NOT rekeyed"

# All transactions of the users $1 in the order their profiles learnt them, with what was said of them.
HISTORY_OF = """
SELECT t.*, e.model_version, e.status AS enhanced, b.status AS basic FROM transactions t
LEFT JOIN verdicts e ON e.event_time = t.event_time AND e.transaction_id = t.transaction_id AND e.detector = 'enhanced'
LEFT JOIN verdicts b ON b.event_time = t.event_time AND b.transaction_id = t.transaction_id AND b.detector = 'basic'
WHERE t.user_id = ANY($1::text[]) ORDER BY t.stored_at, t.kafka_partition, t.kafka_offset
"""

# The verdicts of these transactions and detectors, instead of those given while warming up.
SAVE_VERDICTS = """
UPDATE verdicts v SET score = x.score, threshold = x.threshold, flagged = x.flagged, severity = x.severity,
    status = x.status, model_version = x.model_version, reasons = x.reasons::jsonb, error = x.error
FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::float8[], $5::float8[], $6::boolean[], $7::smallint[],
    $8::text[], $9::text[], $10::text[], $11::text[])
    AS x (id, at, detector, score, threshold, flagged, severity, status, model_version, reasons, error)
WHERE v.event_time = x.at AND v.transaction_id = x.id AND v.detector = x.detector AND v.status = 'warming'
"""

# The profiles of these users; whose partition they belong to stays as it is.
SAVE_STATES = """
UPDATE profiles p SET state = x.state, flagged = x.flagged, state_version = $4, model_version = $5, updated_at = now()
FROM unnest($1::text[], $2::bytea[], $3::integer[]) AS x (user_id, state, flagged) WHERE p.user_id = x.user_id
"""

_json = msgspec.json.Encoder()


class Earlier(NamedTuple):
    """A stored transaction, the model its profile learnt it by, and the detectors whose verdict is still to come."""

    transaction: Transaction
    model_version: str | None
    status: str | None
    waiting: tuple[DetectorName, ...]


class Judgement(NamedTuple):
    """What is to be stored: verdicts with their transactions, and the users' states with their flagged counts."""

    verdicts: list[tuple[Transaction, Verdict]]
    states: dict[str, bytes]
    flagged: dict[str, int]
    state_version: int
    model_version: str


class Backfill:
    """Reads and replaces verdicts that were given before the first fit. Raises `faults` errors only."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def waiting(self, detectors: Sequence[DetectorName]) -> bool:
        """Whether any are left."""
        with translated():
            return bool(await self._pool.fetchval(WAITING, detectors))

    async def step(
        self,
        owner: str,
        detectors: Sequence[DetectorName],
        judge: Callable[[list[Earlier]], Awaitable[Judgement]],
    ) -> list[tuple[Transaction, Verdict]]:
        """Have some users' transactions judged, and store that in one transaction; empty when none are left.

        No batch of any engine commits meanwhile. The caller sees to it that none of `owner` is in flight, and that
        `owner` forgets the profiles it has in memory.
        """
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                await connection.execute(HOLD_FENCES, owner)
                users = [row[0] for row in await connection.fetch(WAITING_USERS, detectors, USERS_AT_ONCE)]
                if not users:
                    return []
                rows = await connection.fetch(HISTORY_OF, users)
                judgement = await judge([_earlier(row, detectors) for row in rows])
                await connection.execute(SAVE_VERDICTS, *_columns(judgement.verdicts))
                states = sorted(judgement.states)
                await connection.execute(
                    SAVE_STATES,
                    states,
                    [judgement.states[user] for user in states],
                    [judgement.flagged.get(user, 0) for user in states],
                    judgement.state_version,
                    judgement.model_version,
                )
                return judgement.verdicts


def _earlier(row: Any, detectors: Sequence[DetectorName]) -> Earlier:
    waiting = tuple(detector for detector in detectors if row[detector] == "warming")
    return Earlier(transaction_of(row), row["model_version"], row["enhanced"], waiting)


def _columns(judged: list[tuple[Transaction, Verdict]]) -> list[list[Any]]:
    rows = [
        (
            transaction.transaction_id,
            transaction.timestamp,
            verdict.detector,
            verdict.score,
            verdict.threshold,
            verdict.flagged,
            verdict.severity.rank,
            verdict.status,
            verdict.model_version,
            _json.encode(verdict.reasons).decode(),
            verdict.error,
        )
        for transaction, verdict in judged
    ]
    return [list(column) for column in zip(*rows, strict=True)]
