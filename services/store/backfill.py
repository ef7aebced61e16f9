"""Verdicts given afterwards: what was stored before the first fit, judged by the first model."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from statistics import mode
from typing import Any, NamedTuple

from domain.transaction import Transaction
from domain.verdict import DETECTORS, DetectorName, Verdict
from services.store.columns import TRANSACTION, VERDICT_COLUMNS, columns_of, transaction_of
from services.store.faults import translated
from services.store.words import KnownKeys, Usual

_LOCK = 7_294_004
USERS_AT_ONCE = 500
_THRESHOLD = VERDICT_COLUMNS.index("threshold")

# A transaction with a verdict of the detectors $1 that was given before the first fit. An index has just these.
_WARMING = """
(t.basic_status = 'warming' OR t.enhanced_status = 'warming')
AND (t.basic_status = 'warming' AND 'basic' = ANY($1::text[])
    OR t.enhanced_status = 'warming' AND 'enhanced' = ANY($1::text[]))
"""
WAITING = f"SELECT EXISTS (SELECT FROM transactions t WHERE {_WARMING})"  # noqa: S608 - constants of this file

# At most $2 users with such verdicts.
WAITING_USERS = f"SELECT DISTINCT t.user_id FROM transactions t WHERE {_WARMING} LIMIT $2"  # noqa: S608

# Holds back every commit until this transaction ends; engines other than $1 may have old profiles in memory, so
# that they must open their partitions again.
HOLD_FENCES = "UPDATE progress SET epoch = epoch + CASE WHEN owner = $1 THEN 0 ELSE 1 END WHERE NOT rekeyed"

# All transactions of the users $1 in the order their profiles learnt them, with what was said of them.
HISTORY_OF = f"""
SELECT {TRANSACTION}, (SELECT version FROM model_versions WHERE key = t.enhanced_model) AS model_version,
    CASE WHEN t.enhanced_score IS NOT NULL THEN coalesce(t.enhanced_status, 'ok') END AS enhanced,
    CASE WHEN t.basic_score IS NOT NULL THEN coalesce(t.basic_status, 'ok') END AS basic
FROM transactions t WHERE t.user_id = ANY($1::text[]) ORDER BY t.stored_at, t.kafka_partition, t.kafka_offset
"""  # noqa: S608 - constants


def _save(detector: DetectorName) -> str:
    """Replaces the verdicts of one detector on these transactions that were given while warming up."""
    columns = (*VERDICT_COLUMNS, "model", "brief")
    values = ", ".join(f"{detector}_{column} = x.{column}" for column in columns)
    return f"""
UPDATE transactions t SET {values}
FROM unnest($1::text[], $2::timestamptz[], $3::integer[], $4::integer[], $5::boolean[], $6::smallint[], $7::text[],
    $8::integer[], $9::json[], $10::text[], $11::integer[], $12::smallint[]) AS x (id, at, {", ".join(columns)})
WHERE t.event_time = x.at AND t.transaction_id = x.id AND t.{detector}_status = 'warming'
"""  # noqa: S608 - names of ours


SAVE_VERDICTS = {detector: _save(detector) for detector in DETECTORS}

# The profiles of these users; whose partition they belong to stays as it is.
SAVE_STATES = """
UPDATE profiles p SET state = x.state, flagged = x.flagged, state_version = $4, model_version = $5, updated_at = now()
FROM unnest($1::text[], $2::bytea[], $3::integer[]) AS x (user_id, state, flagged) WHERE p.user_id = x.user_id
"""


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
                await _save_verdicts(connection, judgement.verdicts)
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


async def _save_verdicts(connection: Any, judged: list[tuple[Transaction, Verdict]]) -> None:
    keys = KnownKeys()
    for detector in DETECTORS:
        rows, models, briefs = [], [], []
        thresholds: dict[str, list[int]] = {}
        for transaction, verdict in judged:
            if verdict.detector == detector:
                columns, model, brief = columns_of(verdict)
                rows.append((transaction.transaction_id, transaction.timestamp, *columns))
                models.append(model)
                thresholds.setdefault(model, []).append(columns[_THRESHOLD])
                briefs.append(brief)
        if rows:
            usual = partial(_usual, detector, thresholds)
            versions = await keys.of_versions(connection, {detector: thresholds}, usual)
            lines = await keys.of_briefs(connection, briefs)
            await connection.execute(
                SAVE_VERDICTS[detector],
                *map(list, zip(*rows, strict=True)),
                [versions[model].key for model in models],
                [lines[brief] for brief in briefs],
            )


def _usual(detector: DetectorName, thresholds: Mapping[str, Sequence[int]]) -> Usual:
    return {detector: {model: mode(of) for model, of in thresholds.items()}}
