"""What people ask of stored history: lists, pages and totals, most of them with a filter compiled into them."""

from domain.verdict import BANDS, DETECTORS
from services.store.columns import TRANSACTION
from services.store.statements import BY_ID
from services.store.words import USUAL_THRESHOLD

# Users by id; {within} is empty or USERS_WITHIN.
USERS_BY_ID = """
SELECT user_id, state FROM profiles WHERE state_version <= $1 {within} ORDER BY user_id LIMIT $2
"""

# Only those whose id is in [$3, $4). Left out when all are wanted: the planner would take it for a narrow choice.
USERS_WITHIN = 'AND user_id COLLATE "C" >= $3 AND user_id COLLATE "C" < $4'

# Users with flagged transactions, those with the most first.
USERS_BY_FLAGGED = """
SELECT user_id, state FROM profiles WHERE flagged > 0 AND state_version <= $1 {within}
ORDER BY flagged DESC, user_id LIMIT $2
"""

# Users, seen last first, among those of the newest {newest} transactions: nothing else knows the order
# without reading every profile.
USERS_BY_LAST = """
WITH newest AS (SELECT user_id, event_time FROM transactions ORDER BY event_time DESC LIMIT {newest}),
seen AS (
    SELECT user_id, max(event_time) AS last_at FROM newest WHERE true {within}
    GROUP BY user_id ORDER BY last_at DESC LIMIT $2
)
SELECT p.user_id, p.state FROM seen JOIN profiles p USING (user_id) WHERE p.state_version <= $1
ORDER BY seen.last_at DESC, p.user_id
"""

# How a user's threshold moved over the newest $2 transactions, oldest first.
THRESHOLDS = f"""
SELECT event_time, threshold FROM (
    SELECT t.event_time, t.enhanced_score, t.enhanced_status,
        coalesce(t.enhanced_threshold, {USUAL_THRESHOLD.format(detector="enhanced")}) / 1e9::float8 AS threshold
    FROM transactions t WHERE t.user_id = $1 ORDER BY t.event_time DESC LIMIT $2
) AS newest
WHERE enhanced_score IS NOT NULL AND enhanced_status IS NULL ORDER BY event_time
"""  # noqa: S608 - a constant

# The newest dead letters.
DEAD_LETTERS = """
SELECT topic, partition, "offset", reason, substring(payload FOR 400) AS excerpt, stored_at
FROM dead_letters ORDER BY stored_at DESC, "offset" DESC LIMIT $1
"""

# Dead letters, newest first, from one of them on.
DEAD_LETTERS_AFTER = """
SELECT cluster, topic, partition, "offset", reason, substring(payload FOR 400) AS excerpt, stored_at
FROM dead_letters WHERE stored_at <= $1 AND (stored_at, cluster, topic, partition, "offset") < ($1, $2, $3, $4, $5)
ORDER BY stored_at DESC, cluster DESC, topic DESC, partition DESC, "offset" DESC LIMIT $6
"""


def _verdict(detector: str) -> str:
    """What the view `verdicts` has of one detector's verdict on `t`, as `b` or `e`; all null where there is none."""
    score = f"t.{detector}_score"
    return f"""
CROSS JOIN LATERAL (
    SELECT '{detector}' AS detector, {score} / 1e9::float8 AS score,
        coalesce(t.{detector}_threshold, {USUAL_THRESHOLD.format(detector=detector)}) / 1e9::float8 AS threshold,
        t.{detector}_flagged AS flagged,
        CASE WHEN {score} IS NOT NULL THEN coalesce(t.{detector}_severity, 0) END AS severity,
        CASE WHEN {score} IS NOT NULL THEN coalesce(t.{detector}_status, 'ok') END AS status,
        (SELECT version FROM model_versions WHERE key = t.{detector}_model) AS model_version,
        reasons_of({score}, t.{detector}_brief, t.{detector}_first, t.{detector}_reasons) AS reasons,
        t.{detector}_error AS error
) AS {detector[0]}"""  # noqa: S608 - names of ours


# Transactions `t` with the verdicts `b` and `e` and the ground truth `g`: what a filter is compiled against.
_JUDGED = f"""
FROM transactions t {" ".join(map(_verdict, DETECTORS))}
CROSS JOIN LATERAL (SELECT t.anomalous, t.anomaly_kind AS kind) AS g
"""

# A transaction with everything that is known of it, between which `FROM` and what it needs stands.
_VERDICTS = ", ".join(
    f"CASE WHEN t.{name}_score IS NOT NULL THEN to_jsonb({name[0]}) END AS {name}" for name in DETECTORS
)
_EVERYTHING = f"SELECT {TRANSACTION}, t.stored_at, {_VERDICTS}, g.anomalous, g.kind, to_jsonb(d) AS triage"
_DECIDED_ON = "LEFT JOIN triage d ON d.transaction_id = t.transaction_id"
_SCORED = f"{_EVERYTHING} {_JUDGED} {_DECIDED_ON} WHERE "
_FLAGGED = "(t.basic_flagged OR t.enhanced_flagged)"
_NEWEST_FIRST = "ORDER BY t.event_time DESC, t.transaction_id DESC"

# Stored transactions with both verdicts, ground truth and triage; {where} and {limit} come from the filter compiler.
HISTORY = f"{_SCORED} {{where}} {_NEWEST_FIRST} LIMIT {{limit}}"

# The next page of the list, after one of its rows. The first condition follows from the second, but lets PostgreSQL
# skip the days that it rules out.
_AFTER = "t.event_time <= {at} AND (t.event_time, t.transaction_id) < ({at}::timestamptz, {ident}::text)"
TRANSACTIONS_AFTER = f"{_SCORED} {_AFTER} AND {{where}} {_NEWEST_FIRST} LIMIT {{limit}}"

# One of them, by its id.
TRANSACTION_BY_ID = f"{_SCORED} {BY_ID} ORDER BY t.event_time DESC LIMIT 1"

# Matching transactions stored since a time that the caller does not know yet, in the order in which they were stored.
STORED_SINCE = (
    _SCORED + "t.stored_at >= {since} AND t.transaction_id <> ALL({known}::text[]) AND {where} "
    "ORDER BY t.stored_at, t.event_time, t.transaction_id LIMIT {limit}"
)

# Ids that were stored lately, and when.
STORED_LATELY = "SELECT transaction_id, stored_at FROM transactions WHERE stored_at >= now() - $1::interval"

# The database's own clock, which `stored_at` was read from.
NOW = "SELECT now()"

# Users with a transaction that a filter finds, with their totals by currency.
_BY_USER_AND_CURRENCY = """
SELECT t.user_id, t.currency, count(*) AS transactions, max(t.event_time) AS last_seen, sum(t.amount) AS total,
    count(*) FILTER (WHERE t.basic_flagged OR t.enhanced_flagged) AS flagged
"""
USERS = (
    """
SELECT user_id, sum(transactions)::bigint AS transactions, sum(flagged)::bigint AS flagged,
    max(last_seen) AS last_seen, jsonb_object_agg(currency, total::text) AS totals
FROM (
"""
    + _BY_USER_AND_CURRENCY
    + _JUDGED
    + "WHERE {where} GROUP BY 1, 2) AS by_currency GROUP BY 1 ORDER BY 3 DESC, 2 DESC, 1 LIMIT {limit}"
)

# Users of the newest transactions that match; {order} is one of USER_ORDERS, {where} comes from the filter compiler,
# and {version}, {newest} and {limit} are placeholders after its own.
USERS_MATCHING = f"""
WITH matching AS (
    SELECT t.user_id, t.event_time {_JUDGED}
    WHERE {{where}} ORDER BY t.event_time DESC LIMIT {{newest}}
),
seen AS (SELECT user_id, max(event_time) AS last_at FROM matching GROUP BY user_id)
SELECT p.user_id, p.state FROM seen JOIN profiles p USING (user_id) WHERE p.state_version <= {{version}}
ORDER BY {{order}} LIMIT {{limit}}
"""  # noqa: S608 - constants of this file
USER_ORDERS = {
    "flagged": "p.flagged DESC, p.user_id",
    "last": "seen.last_at DESC, p.user_id",
    "id": "p.user_id",
}

# Stored anomalies up to a time, as HISTORY has transactions. There is an index of just these, by time.
STORED_ANOMALIES = f"{_SCORED} {_FLAGGED} AND t.event_time <= {{before}} AND {{where}} {_NEWEST_FIRST} LIMIT {{limit}}"

# The next page of flagged transactions, after one row of the list.
ANOMALIES_AFTER = f"{_SCORED} {_FLAGGED} AND {_AFTER} AND {{where}} {_NEWEST_FIRST} LIMIT {{limit}}"

# The score that a flagged row is listed under, in billionths: the enhanced detector's where it judged the row.
LISTED_SCORE = """(CASE
    WHEN t.enhanced_flagged OR t.enhanced_score IS NOT NULL AND coalesce(t.enhanced_status, 'backfilled') = 'backfilled'
    THEN t.enhanced_score ELSE t.basic_score END)"""

# What `domain.verdict.urgency` makes of that score.
_BANDS = ", ".join(str(round(band * 1e9)) for band in BANDS)
_URGENCY = f"(1000 * width_bucket({LISTED_SCORE}, ARRAY[{_BANDS}]) + ({LISTED_SCORE} + 5000000) / 10000000)"

# One page of flagged transactions, the worst first.
ANOMALIES_BY_URGENCY_AFTER = f"""
{_SCORED} {_FLAGGED} AND ({_URGENCY}, t.event_time, t.transaction_id)
    < ({{urgency}}::integer, {{at}}::timestamptz, {{ident}}::text) AND {{where}}
ORDER BY {_URGENCY} DESC, t.event_time DESC, t.transaction_id DESC LIMIT {{limit}}
"""

# What was judged afterwards was never an alert.
ALERTED = f"""{_FLAGGED} AND (t.basic_flagged AND t.basic_status IS DISTINCT FROM 'backfilled'
    OR t.enhanced_flagged AND t.enhanced_status IS DISTINCT FROM 'backfilled')"""

# Alerts that nobody has decided on, or whose snooze is over at $1.
COUNT_OPEN = f"""
SELECT count(*) FROM transactions t WHERE {ALERTED} AND NOT EXISTS (
    SELECT FROM triage d WHERE d.transaction_id = t.transaction_id AND d.status <> 'open'
    AND (d.status <> 'snoozed' OR coalesce(d.until > $1::timestamptz, false))
)
"""  # noqa: S608 - constants of this file

_MATCHING = f"{_JUDGED} WHERE {_FLAGGED} AND {{where}}"

# The anomalies that match, newest first; {where} and {limit} come from the filter compiler.
MATCHING_ANOMALIES = f"SELECT t.transaction_id {_MATCHING} {_NEWEST_FIRST} LIMIT {{limit}}"

COUNT_MATCHING_ANOMALIES = f"SELECT count(*) {_MATCHING}"

# Transactions and flagged ones by minute or hour ($2), of events since $1.
VOLUME = """
SELECT date_trunc($2::text, event_time, 'UTC') AS at, count(*) AS transactions,
    count(*) FILTER (WHERE basic_flagged OR enhanced_flagged) AS flagged
FROM transactions WHERE event_time >= $1 GROUP BY 1 ORDER BY 1
"""

# Transactions and flagged ones by merchant category, of events since $1, the largest category first.
CATEGORIES = """
SELECT coalesce(merchant_category, '') AS category, count(*) AS transactions,
    count(*) FILTER (WHERE basic_flagged OR enhanced_flagged) AS flagged
FROM transactions WHERE event_time >= $1 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $2
"""

# What engines saw change after $1, newest first.
EVENTS = """
SELECT at, kind, level, subject, text, instance FROM timeline WHERE at > $1 ORDER BY at DESC, id DESC LIMIT $2
"""

# The newest $2 steps of the triage log, those after $1: steps are numbered from 1, so that no more of it is read. What
# the budget did is no step.
STEPS = """
SELECT min(at) AS at, min(decided_by) AS decided_by, min(action) AS action, count(*) AS transactions,
    count(DISTINCT coalesce(after, before) ->> 'user_id') AS users,
    min(coalesce(after, before) ->> 'user_id') AS user_id
FROM triage_log WHERE step > (SELECT greatest(max(step) - $2::integer, 0) FROM triage_log) AND at > $1
GROUP BY step ORDER BY step DESC
"""
