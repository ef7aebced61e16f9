"""Alerts beyond the budget of their day: a status of triage that no person gave."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from domain.budget import Budget
from domain.triage import BY_BUDGET, TriageStatus
from services.store import triage_statements
from services.store.faults import translated
from services.store.queries import ALERTED, LISTED_SCORE

# What of the alerts from $1 to before $2 changes sides: of each user at most $4, and of those at most $3, are to be
# looked at, the highest scores first and the oldest among equals; null is no limit. Whom people have decided on keeps
# the place, and the decision, also where a person has the name of the budget. Steps of people begin at 1.
KEEP_TO_BUDGET = f"""
WITH of_users AS (
    SELECT t.transaction_id, t.event_time, t.user_id, coalesce(nullif(t.merchant_id, ''), t.merchant_name) AS merchant,
        {LISTED_SCORE} AS score,
        row_number() OVER (
            PARTITION BY t.user_id ORDER BY {LISTED_SCORE} DESC, t.event_time, t.transaction_id COLLATE "C"
        ) > coalesce($4::bigint, 9223372036854775807) AS too_many
    FROM transactions t WHERE t.event_time >= $1 AND t.event_time < $2 AND {ALERTED}
),
ranked AS (
    SELECT *, CASE WHEN too_many OR row_number() OVER (
            PARTITION BY too_many ORDER BY score DESC, event_time, transaction_id COLLATE "C"
        ) > coalesce($3::bigint, 9223372036854775807) THEN '{TriageStatus.OVER_BUDGET}' ELSE 'open' END AS side
    FROM of_users
),
moved AS (
    SELECT r.* FROM ranked r LEFT JOIN triage d USING (transaction_id)
    WHERE d.transaction_id IS NULL AND r.side <> 'open' OR d.decided_by = '{BY_BUDGET}' AND d.status <> r.side
        AND d.status IN ('open', '{TriageStatus.OVER_BUDGET}')
),
later AS (
    INSERT INTO triage AS d (transaction_id, event_time, user_id, merchant_id, status, decided_by, decided_at)
    SELECT transaction_id, event_time, user_id, merchant, side, '{BY_BUDGET}', statement_timestamp() FROM moved
    ON CONFLICT (transaction_id) DO UPDATE SET status = EXCLUDED.status, decided_at = EXCLUDED.decided_at
    RETURNING d.*
)
INSERT INTO triage_log (at, decided_by, action, transaction_id, before, after, step)
SELECT statement_timestamp(), '{BY_BUDGET}', later.status, later.transaction_id, to_jsonb(earlier), to_jsonb(later), 0
FROM later LEFT JOIN triage earlier ON earlier.transaction_id = later.transaction_id
"""  # noqa: S608 - constants of ours

# Days with alerts that may be on the wrong side of a budget that was another one before: $1 is whether there is one.
UNSETTLED = f"""
SELECT day FROM days WHERE $1 OR EXISTS (
    SELECT FROM triage d WHERE d.status = '{TriageStatus.OVER_BUDGET}'
        AND d.event_time >= day::timestamp AT TIME ZONE 'UTC' AND d.event_time < (day + 1)::timestamp AT TIME ZONE 'UTC'
)
"""  # noqa: S608 - constants of ours

# The newest line of the log, and the days with decisions that were taken back after line $1: their alerts may be on the
# side that they had long ago.
UNDONE_SINCE = """
SELECT (SELECT max(id) FROM triage_log) AS newest, ARRAY(
    SELECT DISTINCT ((coalesce(after, before) ->> 'event_time')::timestamptz AT TIME ZONE 'UTC')::date
    FROM triage_log WHERE id > $1::bigint AND undoes IS NOT NULL
) AS days
"""

COUNT_OVER = f"SELECT count(*) FROM triage WHERE status = '{TriageStatus.OVER_BUDGET}'"  # noqa: S608 - constants of ours


class Queue:
    """Which alerts are to be looked at, in the table `triage`; every method raises `faults` errors only."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def unsettled(self, budget: Budget) -> set[date]:
        """Days whose alerts were put in order by another budget, or by none."""
        with translated():
            return {row["day"] for row in await self._pool.fetch(UNSETTLED, budget.limited)}

    async def undone_since(self, after: int | None) -> tuple[int, set[date]]:
        """The newest line of the triage log, 0 before the first, and days with decisions taken back above `after`."""
        with translated():
            row = await self._pool.fetchrow(UNDONE_SINCE, after)
        return row["newest"] or 0, set(row["days"])

    async def keep_to(self, budget: Budget, day: date) -> None:
        """Put the day's alerts on their side of the budget.

        What comes out depends on what is stored only, so that it does not matter which engine does it, or how often.
        """
        begin = datetime.combine(day, time(), UTC)
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(triage_statements.ONE_DECISION)
                limits = budget.a_day, budget.a_day_and_user
                await connection.execute(KEEP_TO_BUDGET, begin, begin + timedelta(days=1), *limits)

    async def count_over(self) -> int:
        """How many alerts are beyond the budget."""
        with translated():
            return int(await self._pool.fetchval(COUNT_OVER))
