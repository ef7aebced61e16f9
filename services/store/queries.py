"""What people ask of stored history: lists, pages and totals, most of them with a filter compiled into them."""

# Users by id; {within} is empty or USERS_WITHIN.
USERS_BY_ID = """
SELECT user_id, state FROM profiles WHERE state_version = $1 {within} ORDER BY user_id COLLATE "C" LIMIT $2
"""

# Only those whose id is in [$3, $4). Left out when all are wanted: the planner would take it for a narrow choice.
USERS_WITHIN = 'AND user_id COLLATE "C" >= $3 AND user_id COLLATE "C" < $4'

# Users, the most flagged first.
USERS_BY_FLAGGED = """
SELECT user_id, state FROM profiles WHERE state_version = $1 {within}
ORDER BY flagged DESC, user_id COLLATE "C" LIMIT $2
"""

# Users, seen last first, among those of the newest {newest} transactions: nothing else knows the order
# without reading every profile.
USERS_BY_LAST = """
WITH newest AS (SELECT user_id, event_time FROM transactions ORDER BY event_time DESC LIMIT {newest}),
seen AS (
    SELECT user_id, max(event_time) AS last_at FROM newest WHERE true {within}
    GROUP BY user_id ORDER BY last_at DESC LIMIT $2
)
SELECT p.user_id, p.state FROM seen JOIN profiles p USING (user_id) WHERE p.state_version = $1
ORDER BY seen.last_at DESC, p.user_id COLLATE "C"
"""

# How a user's threshold moved over the newest $2 transactions, oldest first.
THRESHOLDS = """
SELECT t.event_time, v.threshold
FROM (
    SELECT event_time, transaction_id FROM transactions WHERE user_id = $1 ORDER BY event_time DESC LIMIT $2
) AS t
JOIN verdicts v ON v.event_time = t.event_time AND v.transaction_id = t.transaction_id
WHERE v.detector = 'enhanced' AND v.status = 'ok' ORDER BY t.event_time
"""

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

# The verdicts `b` and `e` and the ground truth `g` of transactions `t`: what a filter is compiled against.
_JUDGED_BY = """
LEFT JOIN verdicts b ON b.event_time = t.event_time AND b.transaction_id = t.transaction_id AND b.detector = 'basic'
LEFT JOIN verdicts e ON e.event_time = t.event_time AND e.transaction_id = t.transaction_id AND e.detector = 'enhanced'
LEFT JOIN ground_truth g ON g.transaction_id = t.transaction_id
"""
_JUDGED = f"FROM transactions t {_JUDGED_BY}"

# A transaction with everything that is known of it, between which `FROM` and what it needs stands.
_EVERYTHING = "SELECT t.*, to_jsonb(b) AS basic, to_jsonb(e) AS enhanced, g.anomalous, g.kind, to_jsonb(d) AS triage"
_DECIDED_ON = "LEFT JOIN triage d ON d.transaction_id = t.transaction_id"
_SCORED = f"{_EVERYTHING} {_JUDGED} {_DECIDED_ON} WHERE "

# Stored transactions with both verdicts, ground truth and triage; {where} and {limit} come from the filter compiler.
HISTORY = _SCORED + "{where} ORDER BY t.event_time DESC, t.transaction_id DESC LIMIT {limit}"

# The next page of the list, after one of its rows. The first condition follows from the second, but lets PostgreSQL
# skip the days that it rules out.
TRANSACTIONS_AFTER = (
    _SCORED
    + "t.event_time <= {at} AND (t.event_time, t.transaction_id) < ({at}::timestamptz, {ident}::text) AND {where} "
    "ORDER BY t.event_time DESC, t.transaction_id DESC LIMIT {limit}"
)

# One of them, by its id.
TRANSACTION = f"""
{_EVERYTHING} FROM transaction_ids i
JOIN transactions t ON t.event_time = i.event_time AND t.transaction_id = i.transaction_id
{_JUDGED_BY} {_DECIDED_ON} WHERE i.transaction_id = $1
"""

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
    count(*) FILTER (WHERE coalesce(b.flagged, false) OR coalesce(e.flagged, false)) AS flagged
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
SELECT p.user_id, p.state FROM seen JOIN profiles p USING (user_id) WHERE p.state_version = {{version}}
ORDER BY {{order}} LIMIT {{limit}}
"""  # noqa: S608 - constants of this file
USER_ORDERS = {
    "flagged": 'p.flagged DESC, p.user_id COLLATE "C"',
    "last": 'seen.last_at DESC, p.user_id COLLATE "C"',
    "id": 'p.user_id COLLATE "C"',
}

# Anomalies `a` as a filter reads them. Each is looked up by its key: the planner takes event time and id for
# independent of each other, expects to find nothing, and would read all transactions instead.
_READ_ANOMALIES = f"""
CROSS JOIN LATERAL (
    SELECT * FROM transactions s WHERE s.event_time = a.event_time AND s.transaction_id = a.transaction_id LIMIT 1
) AS t
{_JUDGED_BY}
"""  # noqa: S608 - constants of this file


def _anomalies(condition: str) -> str:
    """Stored anomalies that a condition on their verdicts `v` lets through, newest first.

    It begins with what was flagged, which an index lists by time, because a filter such as triage:open may find nothing
    in millions of transactions; and in the order asked for, so that the newest few are read without the others.
    """
    return f"""
{_EVERYTHING} FROM (
    SELECT DISTINCT v.event_time, v.transaction_id FROM verdicts v WHERE v.flagged AND {condition}
    ORDER BY v.event_time DESC, v.transaction_id DESC
) AS a
{_READ_ANOMALIES} {_DECIDED_ON}
WHERE {{where}} ORDER BY a.event_time DESC, a.transaction_id DESC LIMIT {{limit}}
"""  # noqa: S608 - constants of this file


# Stored anomalies up to a time, as HISTORY has transactions.
STORED_ANOMALIES = _anomalies("v.event_time <= {before}")

# The next page of flagged transactions, after one row of the list.
ANOMALIES_AFTER = _anomalies(
    "v.event_time <= {at} AND (v.event_time, v.transaction_id) < ({at}::timestamptz, {ident}::text)"
)

# One page of flagged transactions by the score that a row is listed under: the enhanced detector's where it flagged
# the row.
ANOMALIES_BY_SCORE_AFTER = f"""
{_EVERYTHING} FROM (
    SELECT * FROM (
        SELECT v.event_time, v.transaction_id,
            coalesce(max(v.score) FILTER (WHERE v.detector = 'enhanced'), max(v.score)) AS score
        FROM verdicts v WHERE v.flagged GROUP BY 1, 2
    ) AS f
    WHERE (f.score, f.event_time, f.transaction_id) < ({{score}}::float8, {{at}}::timestamptz, {{ident}}::text)
    ORDER BY f.score DESC, f.event_time DESC, f.transaction_id DESC
) AS a
{_READ_ANOMALIES} {_DECIDED_ON}
WHERE {{where}} ORDER BY a.score DESC, a.event_time DESC, a.transaction_id DESC LIMIT {{limit}}
"""  # noqa: S608 - constants of this file

# Flagged transactions that nobody has decided on, or whose snooze is over at {now}. What was judged afterwards was
# never an alert.
_OPEN_ANOMALIES = """
(SELECT DISTINCT v.event_time, v.transaction_id FROM verdicts v WHERE v.flagged AND v.status <> 'backfilled'
AND NOT EXISTS (
    SELECT FROM triage d WHERE d.transaction_id = v.transaction_id AND d.status <> 'open'
    AND (d.status <> 'snoozed' OR coalesce(d.until > {now}, false))
)) AS a
"""

COUNT_OPEN = f"SELECT count(*) FROM {_OPEN_ANOMALIES.format(now='$1::timestamptz')}"  # noqa: S608 - constants of this file

_MATCHING_OPEN = f"FROM {_OPEN_ANOMALIES} {_READ_ANOMALIES} WHERE {{where}}"

# The open anomalies that match, newest first; {where} and {limit} come from the filter compiler.
MATCHING_OPEN = (
    f"SELECT t.transaction_id {_MATCHING_OPEN} ORDER BY t.event_time DESC, t.transaction_id DESC LIMIT {{limit}}"
)

COUNT_MATCHING_OPEN = f"SELECT count(*) {_MATCHING_OPEN}"

# Transactions and flagged ones by minute, of events since $1.
VOLUME = """
SELECT coalesce(t.at, f.at) AS at, coalesce(t.transactions, 0) AS transactions, coalesce(f.flagged, 0) AS flagged
FROM (SELECT date_trunc('minute', event_time) AS at, count(*) AS transactions
    FROM transactions WHERE event_time >= $1 GROUP BY 1) AS t
FULL JOIN (SELECT date_trunc('minute', event_time) AS at, count(DISTINCT transaction_id) AS flagged
    FROM verdicts WHERE flagged AND event_time >= $1 GROUP BY 1) AS f ON f.at = t.at
ORDER BY 1
"""

# Transactions and flagged ones by merchant category, of events since $1, the largest category first.
CATEGORIES = """
SELECT coalesce(t.merchant_category, '') AS category, count(*) AS transactions, count(f.transaction_id) AS flagged
FROM transactions t
LEFT JOIN (SELECT DISTINCT event_time, transaction_id FROM verdicts WHERE flagged AND event_time >= $1) AS f
    ON f.event_time = t.event_time AND f.transaction_id = t.transaction_id
WHERE t.event_time >= $1 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $2
"""

# What engines saw change after $1, newest first.
EVENTS = """
SELECT at, kind, level, subject, text, instance FROM timeline WHERE at > $1 ORDER BY at DESC, id DESC LIMIT $2
"""

# The newest $2 steps of the triage log, those after $1: steps are numbered, so that no more of it is read.
STEPS = """
SELECT min(at) AS at, min(decided_by) AS decided_by, min(action) AS action, count(*) AS transactions,
    count(DISTINCT coalesce(after, before) ->> 'user_id') AS users,
    min(coalesce(after, before) ->> 'user_id') AS user_id
FROM triage_log WHERE step > (SELECT coalesce(max(step), 0) - $2::integer FROM triage_log) AND at > $1
GROUP BY step ORDER BY step DESC
"""
