"""The SQL of triage: decisions, their log, and what is learnt from them."""

from services.store.statements import AMONG_IDS
from services.store.words import USUAL_THRESHOLD

# One decision at a time: the state before a first decision is no row that could be locked, and lines of the log become
# visible in the order of their ids.
ONE_DECISION = "SELECT pg_advisory_xact_lock(7294003)"

# The transactions among $1 that a decision (status $2, until $3, note $4) would not change; a null status or note keeps
# the one there is.
UNCHANGED = """
SELECT transaction_id FROM triage
WHERE transaction_id = ANY($1::text[])
    AND ($2::text IS NULL OR status = $2 AND until IS NOT DISTINCT FROM $3::timestamptz)
    AND ($4::text IS NULL OR note = $4)
"""

# Decides on those of the transactions $1 that are stored: status $2 until $3, note $4, by $5; null keeps what is there.
# All parts see the tables as they were before, so that `earlier` is the state that was decided on.
DECIDE = f"""
WITH step AS MATERIALIZED (SELECT nextval('triage_steps') AS number),
known AS (
    SELECT DISTINCT ON (t.transaction_id) t.transaction_id, t.event_time, t.user_id,
        coalesce(nullif(t.merchant_id, ''), t.merchant_name) AS merchant
    FROM transactions t WHERE {AMONG_IDS} ORDER BY t.transaction_id, t.event_time DESC
),
later AS (
    INSERT INTO triage AS d
        (transaction_id, event_time, user_id, merchant_id, status, until, note, decided_by, decided_at)
    SELECT transaction_id, event_time, user_id, merchant, coalesce($2::text, 'open'), $3::timestamptz,
        coalesce($4::text, ''), $5::text, statement_timestamp()
    FROM known
    ON CONFLICT (transaction_id) DO UPDATE SET
        status = coalesce($2::text, d.status),
        until = CASE WHEN $2::text IS NULL THEN d.until ELSE EXCLUDED.until END,
        note = coalesce($4::text, d.note),
        decided_by = CASE WHEN $2::text IS NULL THEN d.decided_by ELSE EXCLUDED.decided_by END,
        decided_at = CASE WHEN $2::text IS NULL THEN d.decided_at ELSE EXCLUDED.decided_at END
    RETURNING d.*
)
INSERT INTO triage_log (at, decided_by, action, transaction_id, before, after, step)
SELECT statement_timestamp(), $5, coalesce($2, 'note'), later.transaction_id, to_jsonb(earlier), to_jsonb(later),
    step.number
FROM step CROSS JOIN later LEFT JOIN triage earlier ON earlier.transaction_id = later.transaction_id
RETURNING *
"""  # noqa: S608 - constants of this file

# The newest step of $1 that is neither undone nor an undo, and of which something still stands; 0 is the budget's.
LAST_STEP = """
SELECT l.step FROM triage_log l
JOIN triage d ON d.transaction_id = l.transaction_id AND d IS NOT DISTINCT FROM jsonb_populate_record(d, l.after)
WHERE l.decided_by = $1 AND l.step > 0 AND l.undoes IS NULL
    AND NOT EXISTS (SELECT FROM triage_log u WHERE u.undoes = l.step)
ORDER BY l.step DESC LIMIT 1
"""

# How many transactions step $1 decided on and what it did; no row when it is undone, is an undo or never was.
STEP = """
SELECT min(l.action) AS action, count(*) AS size FROM triage_log l
WHERE l.step = $1 AND l.undoes IS NULL AND NOT EXISTS (SELECT FROM triage_log u WHERE u.undoes = l.step)
HAVING count(*) > 0
"""

# Takes step $1 back for $2, except where somebody has decided again since.
UNDO = """
WITH step AS MATERIALIZED (SELECT nextval('triage_steps') AS number),
standing AS (
    SELECT l.transaction_id, l.before, l.after FROM triage_log l
    JOIN triage d ON d.transaction_id = l.transaction_id AND d IS NOT DISTINCT FROM jsonb_populate_record(d, l.after)
    WHERE l.step = $1
),
removed AS (
    DELETE FROM triage d USING standing s WHERE d.transaction_id = s.transaction_id AND s.before IS NULL
),
restored AS (
    UPDATE triage d SET status = r.status, until = r.until, note = r.note, decided_by = r.decided_by,
        decided_at = r.decided_at
    FROM standing s CROSS JOIN jsonb_populate_record(NULL::triage, s.before) r
    WHERE d.transaction_id = s.transaction_id AND s.before IS NOT NULL
)
INSERT INTO triage_log (at, decided_by, action, undoes, transaction_id, before, after, step)
SELECT statement_timestamp(), $2::text, 'undo', $1, transaction_id, after, before, step.number
FROM step CROSS JOIN standing
RETURNING *
"""

# The decisions on these transactions.
TRIAGE_OF = "SELECT to_jsonb(d) AS triage FROM triage d WHERE transaction_id = ANY($1::text[])"

# What was done to one transaction, newest first.
TRIAGE_LOG = "SELECT * FROM triage_log WHERE transaction_id = $1 ORDER BY id DESC LIMIT $2"

# Lines of the triage log above $1, oldest first.
TRIAGE_SINCE = "SELECT * FROM triage_log WHERE id > $1 ORDER BY id LIMIT $2"

LAST_TRIAGE = "SELECT coalesce(max(id), 0) FROM triage_log"

# Decisions of dropped days, except a leniency that still runs at $2: $1 is the oldest event time that is kept anyway.
# What the log says of the budget goes with them: it is no person's, and grows with traffic.
FORGET_TRIAGE = """
WITH gone AS (
    DELETE FROM triage d WHERE d.event_time < $1 AND coalesce(d.until <= $2, true)
    AND (
        SELECT true FROM transactions t
        WHERE t.event_time = d.event_time AND t.transaction_id = d.transaction_id LIMIT 1
    ) IS NULL
    RETURNING transaction_id
)
DELETE FROM triage_log l USING gone WHERE l.transaction_id = gone.transaction_id AND l.step = 0
"""

# False positives whose leniency still runs at $1, with the verdict that was wrong: looked up one by one, as all that
# look for decisions among transactions, because they are few and the planner would read all transactions instead.
TOLERATED = f"""
SELECT d.user_id, d.transaction_id, extract(epoch FROM d.until)::float8 AS until, v.score, v.threshold, v.reasons
FROM triage d
CROSS JOIN LATERAL (
    SELECT t.enhanced_score / 1e9::float8 AS score,
        coalesce(t.enhanced_threshold, {USUAL_THRESHOLD.format(detector="enhanced")}) / 1e9::float8 AS threshold,
        reasons_of(t.enhanced_score, t.enhanced_brief, t.enhanced_first, t.enhanced_reasons) AS reasons
    FROM transactions t
    WHERE t.event_time = d.event_time AND t.transaction_id = d.transaction_id AND t.enhanced_score IS NOT NULL LIMIT 1
) AS v
WHERE d.status = 'false_positive' AND d.until > $1 ORDER BY d.until DESC LIMIT $2
"""  # noqa: S608 - a constant

# What became of the enhanced detector's alerts, by their estimate before any correction, in the bands that begin at $1.
OUTCOMES = """
SELECT width_bucket(coalesce(
        (SELECT (r ->> 'expected')::float8 FROM jsonb_array_elements(v.reasons) r WHERE r ->> 'feature' = $2), v.score
    ), $1::float8[]) AS band,
    count(*) FILTER (WHERE d.status = 'confirmed') AS confirmed,
    count(*) FILTER (WHERE d.status = 'false_positive') AS rejected
FROM triage d
CROSS JOIN LATERAL (
    SELECT t.enhanced_score / 1e9::float8 AS score,
        reasons_of(t.enhanced_score, t.enhanced_brief, t.enhanced_first, t.enhanced_reasons) AS reasons
    FROM transactions t
    WHERE t.event_time = d.event_time AND t.transaction_id = d.transaction_id AND t.enhanced_flagged LIMIT 1
) AS v
WHERE d.status IN ('confirmed', 'false_positive') GROUP BY 1
"""

# Frauds confirmed at each merchant among the events from $1 to before $2.
CONFIRMED = """
SELECT merchant_id AS merchant, count(*) AS frauds FROM triage
WHERE status = 'confirmed' AND merchant_id IS NOT NULL AND event_time >= $1 AND event_time < $2 GROUP BY 1
"""

# All transactions among those events, and of each of the merchants $3.
SEEN_AT = """
SELECT CASE WHEN merchant = ANY($3::text[]) THEN merchant END AS merchant, count(*) AS transactions
FROM (SELECT coalesce(nullif(merchant_id, ''), merchant_name) AS merchant FROM transactions
    WHERE event_time >= $1 AND event_time < $2) AS t
GROUP BY 1
"""

# The newest event stored.
NEWEST_EVENT = "SELECT event_time FROM transactions ORDER BY event_time DESC LIMIT 1"
