"""Verdicts beside the truth of their transactions: what the producer sent, or else what people decided."""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from domain.comparison import Comparison, Scores, compared
from domain.transaction import GroundTruth, Transaction
from services.store.columns import TRANSACTION, transaction_of
from services.store.reading import reading, streamed

_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)

_DECIDED = "CASE d.status WHEN 'confirmed' THEN true WHEN 'false_positive' THEN false END"

# The verdicts `v` of transactions `t`, each with what is known of it.
_JUDGED = f"""
FROM transactions t
CROSS JOIN LATERAL (
    VALUES ('basic', t.basic_score, t.basic_flagged, t.basic_status, t.basic_model),
        ('enhanced', t.enhanced_score, t.enhanced_flagged, t.enhanced_status, t.enhanced_model)
) AS v (detector, score, flagged, status, model)
LEFT JOIN triage d ON d.transaction_id = t.transaction_id
CROSS JOIN LATERAL (SELECT coalesce(t.anomalous, {_DECIDED}) AS anomalous) known
WHERE v.score IS NOT NULL
"""

# Verdicts since $1 by detector, by the cut among $2 that their score reaches, and by what is known; but for those of
# models fitted on what they judged.
BY_SCORE = f"""
SELECT v.detector, width_bucket(v.score / 1e9::float8, $2::double precision[]) AS cell, v.flagged, known.anomalous,
    count(*) AS verdicts, min(t.event_time) AS first, max(t.event_time) AS last
{_JUDGED} AND v.status IS NULL AND t.event_time >= $1
GROUP BY 1, 2, 3, 4
"""

# What each model version judged, and how well where the truth is known; but for what it was fitted on.
BY_MODEL = f"""
SELECT v.detector, (SELECT version FROM model_versions WHERE key = v.model) AS model_version, count(*) AS verdicts,
    count(*) FILTER (WHERE v.flagged) AS flagged, count(*) FILTER (WHERE known.anomalous) AS anomalous,
    count(*) FILTER (WHERE v.flagged AND known.anomalous IS NOT NULL) AS alerts,
    count(*) FILTER (WHERE v.flagged AND known.anomalous) AS caught
{_JUDGED} AND coalesce(v.status, 'ok') NOT IN ('warming', 'backfilled')
GROUP BY v.detector, v.model
"""  # noqa: S608 - constants of this file

# Every transaction as it happened, with what is known of it.
WITH_TRUTH = f"""
SELECT {TRANSACTION}, coalesce(t.anomalous, {_DECIDED}) AS truth_anomalous, t.anomaly_kind AS truth_kind
FROM transactions t LEFT JOIN triage d ON d.transaction_id = t.transaction_id
ORDER BY t.event_time, t.transaction_id
"""  # noqa: S608 - constants

_AT_ONCE = 5_000


class Judged(NamedTuple):
    """What one model version judged: of `alerts`, flagged, the truth is known, and `caught` are right.

    `anomalous` counts the transactions that are known to be, flagged or not.
    """

    verdicts: int
    flagged: int
    anomalous: int
    alerts: int
    caught: int

    @property
    def share(self) -> float:
        """The share that was flagged, in [0, 1]."""
        return self.flagged / self.verdicts

    @property
    def precision(self) -> float | None:
        """The share of the known alerts that is right; None where none is known."""
        return self.caught / self.alerts if self.alerts else None

    @property
    def recall(self) -> float | None:
        """The share of the known anomalies that was flagged; None where none is known."""
        return self.caught / self.anomalous if self.anomalous else None


class Truth:
    """Queries on a pool that read all that is stored; every method raises `faults` errors only."""

    def __init__(self, readers: Any) -> None:
        self._readers = readers

    async def compared(self, since: datetime | None, cuts: Sequence[float]) -> tuple[Comparison, ...]:
        """What fixed thresholds would have flagged of the events since then."""
        ascending = sorted(set(cuts))
        async with reading(self._readers) as connection:
            rows = await connection.fetch(BY_SCORE, since or _BEGINNING, ascending)
        if not rows:
            return ()
        spanned = max(row["last"] for row in rows) - min(row["first"] for row in rows)
        found = (
            Scores(row["detector"], row["cell"], row["flagged"], row["anomalous"], row["verdicts"]) for row in rows
        )
        return compared(found, ascending, spanned / timedelta(days=1))

    async def by_model(self) -> dict[tuple[str, str], Judged]:
        """What was judged, by detector and model version."""
        async with reading(self._readers) as connection:
            rows = await connection.fetch(BY_MODEL)
        fields = Judged._fields
        return {(row["detector"], row["model_version"]): Judged(*(row[field] for field in fields)) for row in rows}

    async def history(self) -> AsyncGenerator[tuple[Transaction, GroundTruth | None]]:
        """Every stored transaction in order of event time, with what is known of it."""
        async with streamed(self._readers, WITH_TRUTH, at_once=_AT_ONCE) as rows:
            async for row in rows:
                anomalous = row["truth_anomalous"]
                truth = None if anomalous is None else GroundTruth(anomalous, row["truth_kind"])
                yield transaction_of(row), truth
