"""The SQL of the engine's own work: each statement with a name and a sentence."""

# Begins the sums of a topic's partitions again where an older release has moved them, which counts nothing.
BEGIN_COUNTING = """
UPDATE progress SET first_offset = next_offset, begun_at = NULL, stored = 0, resends = 0, dead = 0, skipped = 0,
    copied = 0, repeats = 0, without_record = 0, lost = 0
WHERE cluster = $1 AND topic = $2 AND counted <> next_offset
"""

# Opens an owner's term on a partition. The row lock waits out a zombie's commit; counting restores at one
# offset is how a batch that kills the process is noticed. The topic's id stays what it was, unless it was not known.
# No row comes where the topic is re-keyed.
OPEN_TERM = """
INSERT INTO progress AS p (cluster, topic, partition, epoch, owner, restored_from, topic_id, incarnation)
SELECT $1::text, $2::text, $3::integer, 1, $4::text, 0, $5::text, 0
WHERE NOT EXISTS (SELECT FROM progress r WHERE r.cluster = $1 AND r.topic = $2 AND r.rekeyed)
ON CONFLICT (cluster, topic, partition) DO UPDATE SET
    epoch = p.epoch + 1, owner = $4, updated_at = now(), restored_from = p.next_offset,
    topic_id = CASE WHEN p.topic_id = '' THEN $5 ELSE p.topic_id END,
    restores = CASE WHEN p.restored_from = p.next_offset THEN p.restores + 1 ELSE 0 END,
    attempt_size = CASE WHEN p.restored_from = p.next_offset THEN p.attempt_size ELSE 0 END,
    attempts = CASE WHEN p.restored_from = p.next_offset THEN p.attempts ELSE 0 END
WHERE NOT p.rekeyed
RETURNING next_offset, epoch, restores, attempt_size, attempts, topic_id, incarnation, sources,
    stored, resends, dead, skipped, copied, repeats, without_record, lost
"""

# Within a term, begins to read another log: the first of a partition, or the one that took its place.
BEGIN_INCARNATION = """
UPDATE progress SET incarnation = incarnation + 1, topic_id = $5, next_offset = $6, restored_from = $6,
    begun_at = now(), first_offset = $6, stored = 0, resends = 0, dead = 0, skipped = 0, copied = 0,
    repeats = 0, without_record = 0, lost = 0,
    restores = 0, attempt_size = 0, attempts = 0, updated_at = now()
WHERE cluster = $1 AND topic = $2 AND partition = $3 AND epoch = $4
RETURNING next_offset, epoch, restores, attempt_size, attempts, topic_id, incarnation, sources,
    stored, resends, dead, skipped, copied, repeats, without_record, lost
"""

# Moves the fence, with what became of the offsets: no row means another owner has taken over and the batch must be
# dropped.
MOVE_FENCE = """
UPDATE progress SET next_offset = $6, sources = coalesce($7::bigint[], sources), restores = 0, attempt_size = 0,
    attempts = 0, updated_at = now(), stored = stored + $8, resends = resends + $9, dead = dead + $10,
    skipped = skipped + $11, repeats = repeats + $12, without_record = without_record + $13, lost = lost + $14
WHERE cluster = $1 AND topic = $2 AND partition = $3 AND next_offset = $4 AND epoch = $5
"""

# Leaves a mark before a suspicious batch is scored: if the process dies, the mark says how large it was.
MARK_ATTEMPT = """
UPDATE progress SET attempt_size = $5, attempts = attempts + 1
WHERE cluster = $1 AND topic = $2 AND partition = $3 AND epoch = $4
"""

# Ends a term in good order, so that clean restarts are not counted as crashes.
CLOSE_TERM = """
UPDATE progress SET restores = 0, attempt_size = 0, attempts = 0, restored_from = -1
WHERE cluster = $1 AND topic = $2 AND partition = $3 AND epoch = $4
"""

# Which of these ids are stored, with enough of them to recognise a record that was sent twice.
STORED_IDS = """
SELECT i.transaction_id, t.user_id, t.amount, t.event_time
FROM transaction_ids i
LEFT JOIN transactions t ON t.event_time = i.event_time AND t.transaction_id = i.transaction_id
WHERE i.transaction_id = ANY($1::text[])
"""

# The committed profiles of these users.
LOAD_PROFILES = "SELECT user_id, state FROM profiles WHERE user_id = ANY($1::text[]) AND state_version = $2"

# Profiles after a batch, in the same transaction as its rows. A row of another partition of the same topic is left as
# it is, so that fewer rows than profiles are written: who learns only what came in one partition must not overwrite
# what was learnt in another. A row of another topic or cluster is one that a stream before this one left behind.
SAVE_PROFILES = """
INSERT INTO profiles AS p (user_id, state, flagged, state_version, model_version, cluster, topic, kafka_partition,
    next_offset)
SELECT u, s, f, $4, $5, $6, $7, $8, $9 FROM unnest($1::text[], $2::bytea[], $3::integer[]) AS x (u, s, f)
ON CONFLICT (user_id) DO UPDATE SET state = EXCLUDED.state, state_version = EXCLUDED.state_version,
    flagged = EXCLUDED.flagged, model_version = EXCLUDED.model_version, cluster = EXCLUDED.cluster,
    topic = EXCLUDED.topic, kafka_partition = EXCLUDED.kafka_partition, next_offset = EXCLUDED.next_offset,
    updated_at = now()
WHERE p.kafka_partition = EXCLUDED.kafka_partition OR (p.cluster, p.topic) <> (EXCLUDED.cluster, EXCLUDED.topic)
"""

# One of these users whose profile is another partition's, with that partition.
FOREIGN_PROFILE = """
SELECT user_id, kafka_partition FROM profiles
WHERE user_id = ANY($1::text[]) AND cluster = $2 AND topic = $3 AND kafka_partition <> $4 ORDER BY user_id LIMIT 1
"""

# Records that could not become transactions. A record seen twice (a batch repeated) is kept once.
SAVE_DEAD_LETTERS = """
INSERT INTO dead_letters (cluster, topic, partition, incarnation, "offset", payload, reason)
SELECT $1, x.* FROM unnest($2::text[], $3::integer[], $4::integer[], $5::bigint[], $6::bytea[], $7::text[]) AS x
ON CONFLICT DO NOTHING
"""

# What the producer knew of these transactions.
SAVE_TRUTH = """
INSERT INTO ground_truth (transaction_id, event_time, anomalous, kind)
SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::boolean[], $4::text[])
ON CONFLICT DO NOTHING
"""

# One profile, for showing.
PROFILE = "SELECT state FROM profiles WHERE user_id = $1 AND state_version = $2"

# Verdicts against ground truth since $1, by detector and kind, but for those of models fitted on what they judged.
QUALITY = """
SELECT v.detector, g.anomalous, g.kind, count(*) AS verdicts, count(*) FILTER (WHERE v.flagged) AS flagged
FROM ground_truth g
JOIN verdicts v ON v.event_time = g.event_time AND v.transaction_id = g.transaction_id
WHERE v.status NOT IN ('warming', 'backfilled') AND g.event_time >= $1 AND v.event_time >= $1
GROUP BY 1, 2, 3
"""

# One change of the tables at a time, by whatever process: the schema, days, a reset. Two would race between looking
# whether something is there and making it, or wait for each other's tables.
ONE_CHANGE = "SELECT pg_advisory_xact_lock(7294000)"

SAVE_SCHEMA_VERSION = "INSERT INTO schema_version (version) VALUES ($1) ON CONFLICT DO NOTHING"

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
DECIDE = """
WITH step AS MATERIALIZED (SELECT nextval('triage_steps') AS number),
known AS (
    SELECT t.transaction_id, t.event_time, t.user_id, coalesce(nullif(t.merchant_id, ''), t.merchant_name) AS merchant
    FROM transaction_ids i
    JOIN transactions t ON t.event_time = i.event_time AND t.transaction_id = i.transaction_id
    WHERE i.transaction_id = ANY($1::text[])
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
"""

# The newest step of $1 that is neither undone nor an undo, and of which something still stands.
LAST_STEP = """
SELECT l.step FROM triage_log l
JOIN triage d ON d.transaction_id = l.transaction_id AND d IS NOT DISTINCT FROM jsonb_populate_record(d, l.after)
WHERE l.decided_by = $1 AND l.undoes IS NULL AND NOT EXISTS (SELECT FROM triage_log u WHERE u.undoes = l.step)
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
FORGET_TRIAGE = """
DELETE FROM triage d WHERE d.event_time < $1 AND coalesce(d.until <= $2, true)
AND NOT EXISTS (SELECT FROM transaction_ids i WHERE i.transaction_id = d.transaction_id)
"""

# What a model is fitted on: the newest $1 stored transactions by event time, oldest first.
FIT_HISTORY = """
SELECT * FROM (SELECT * FROM transactions ORDER BY event_time DESC, transaction_id DESC LIMIT $1) AS newest
ORDER BY event_time, transaction_id
"""

# All transactions in the order their profiles learnt them, with the enhanced model that judged each and how that went.
IN_STORED_ORDER = """
SELECT t.*, v.model_version, v.status FROM transactions t
LEFT JOIN verdicts v ON v.event_time = t.event_time AND v.transaction_id = t.transaction_id AND v.detector = 'enhanced'
ORDER BY t.stored_at, t.kafka_partition, t.kafka_offset
"""

# The newest $2 transactions of the user of one, up to that one and with it, the last first: see IN_STORED_ORDER.
LEARNT_UP_TO = """
WITH one AS MATERIALIZED (
    SELECT t.user_id, t.stored_at, t.kafka_partition, t.kafka_offset FROM transaction_ids i
    JOIN transactions t ON t.event_time = i.event_time AND t.transaction_id = i.transaction_id
    WHERE i.transaction_id = $1
)
SELECT t.*, v.model_version, v.status FROM one
JOIN transactions t ON t.user_id = one.user_id
    AND (t.stored_at, t.kafka_partition, t.kafka_offset) <= (one.stored_at, one.kafka_partition, one.kafka_offset)
LEFT JOIN verdicts v ON v.event_time = t.event_time AND v.transaction_id = t.transaction_id AND v.detector = 'enhanced'
ORDER BY t.stored_at DESC, t.kafka_partition DESC, t.kafka_offset DESC
LIMIT $2
"""

COUNT_TRANSACTIONS = "SELECT count(*) FROM transaction_ids"

# Keeps a fitted model with the figures of its fit; the same version again is the same model.
SAVE_MODEL = """
INSERT INTO models (version, detector, trained_rows, body, format, figures) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (detector, version) DO UPDATE SET body = EXCLUDED.body, format = EXCLUDED.format,
    figures = EXCLUDED.figures WHERE models.format <> EXCLUDED.format
"""

# The model in use, of the format $2: the one taken into use last. Its rows are those of the newest fit, so that going
# back to an older version does not make another fit due.
LATEST_MODEL = """
SELECT version, max(trained_rows) OVER () AS trained_rows, body FROM models WHERE detector = $1 AND format = $2
ORDER BY used_at DESC, models.trained_rows DESC LIMIT 1
"""

# One version of a detector.
MODEL = "SELECT body FROM models WHERE detector = $1 AND version = $2 AND format = $3"

# Every version; those of another format than $1 were fitted by another release and cannot be used.
MODELS = """
SELECT detector, version, trained_rows, fitted_at, figures, format = $1 AS usable, format = $1
    AND used_at = max(used_at) FILTER (WHERE format = $1) OVER (PARTITION BY detector) AS in_use
FROM models ORDER BY used_at DESC, detector
"""

VERDICTS_BY_MODEL = """
SELECT detector, model_version, count(*) AS verdicts, count(*) FILTER (WHERE flagged) AS flagged
FROM verdicts GROUP BY 1, 2
"""

USE_MODEL = "UPDATE models SET used_at = clock_timestamp() WHERE version = $1 AND format = $2"

# False positives whose leniency still runs at $1, with the verdict that was wrong.
TOLERATED = """
SELECT d.user_id, d.transaction_id, extract(epoch FROM d.until)::float8 AS until, v.score, v.threshold, v.reasons
FROM triage d
JOIN verdicts v ON v.event_time = d.event_time AND v.transaction_id = d.transaction_id AND v.detector = 'enhanced'
WHERE d.status = 'false_positive' AND d.until > $1 ORDER BY d.until DESC LIMIT $2
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

# The stream's clock as an engine read it last.
CLOCK = "SELECT kind, at FROM stream_clock"

KEEP_CLOCK = """
INSERT INTO stream_clock (kind, at) VALUES ($1, $2)
ON CONFLICT (single) DO UPDATE SET kind = EXCLUDED.kind, at = EXCLUDED.at, updated_at = now()
"""

HEARTBEAT = """
INSERT INTO engines (instance, started_at, heartbeat_at, status) VALUES ($1, $2, now(), $3)
ON CONFLICT (instance) DO UPDATE SET heartbeat_at = now(), status = EXCLUDED.status
"""

# The engines that gave a sign of life lately.
LIVE_ENGINES = "SELECT instance, heartbeat_at, status FROM engines WHERE heartbeat_at > now() - interval '10 seconds'"

FORGET_ENGINE = "DELETE FROM engines WHERE instance = $1 OR heartbeat_at < now() - interval '1 day'"

# What an engine saw change.
ADD_EVENTS = """
INSERT INTO timeline (at, instance, kind, level, subject, text)
SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
"""

# Keeps the newest $2 of those that are not older than $1.
FORGET_EVENTS = "DELETE FROM timeline WHERE at < $1 OR id <= (SELECT max(id) - $2::integer FROM timeline)"

VERDICT_COUNTS = (
    "SELECT detector, count(*) AS verdicts, count(*) FILTER (WHERE flagged) AS flagged FROM verdicts GROUP BY 1"
)

COUNT_DEAD_LETTERS = "SELECT count(*) FROM dead_letters"

PROGRESS = """
SELECT cluster, topic, partition, next_offset, epoch, incarnation, rekeyed, copy, delivered, sources, topic_id,
    begun_at, first_offset, stored, resends, dead, skipped, copied, repeats, without_record, lost
FROM progress ORDER BY 1, 2, 3
"""

# The positions of one topic and of its copy that is keyed by user.
HOPS = """
SELECT topic, partition, next_offset, incarnation, rekeyed, delivered, sources FROM progress
WHERE cluster = $1
    AND (topic = $2 OR topic IN (SELECT copy FROM progress WHERE cluster = $1 AND topic = $2 AND rekeyed))
"""

# The name of the copy through which a topic is read; null where it is read as it is.
COPY_OF = "SELECT max(copy) FROM progress WHERE cluster = $1 AND topic = $2 AND rekeyed"

# Takes every one of $3 partitions of a topic for the re-keyer $4, in one statement: from now on no owner of before can
# store a batch, and none can open a term. What was stored stays, and the re-keyer goes on behind it. $6 is the name of
# the copy, unless one was chosen before.
TAKE_SOURCES = """
INSERT INTO progress AS p (cluster, topic, partition, epoch, owner, rekeyed, incarnation, topic_id, copy)
SELECT $1::text, $2::text, number, 1, $4::text, true, 0, $5::text, $6::text
FROM generate_series(0, $3::integer - 1) AS number
ON CONFLICT (cluster, topic, partition) DO UPDATE SET epoch = p.epoch + 1, owner = EXCLUDED.owner, rekeyed = true,
    topic_id = CASE WHEN p.topic_id = '' THEN EXCLUDED.topic_id ELSE p.topic_id END,
    copy = CASE WHEN p.copy = '' THEN EXCLUDED.copy ELSE p.copy END,
    restored_from = -1, restores = 0, attempt_size = 0, attempts = 0, updated_at = now()
RETURNING partition, next_offset, epoch, topic_id, incarnation
"""

# Moves the positions of a re-keyer once all it sent is acknowledged; fewer rows than partitions: another took over.
MOVE_SOURCES = """
UPDATE progress p SET next_offset = x.following, delivered = $8::bigint[], updated_at = now(),
    copied = p.copied + x.copied, without_record = p.without_record + x.following - x.before - x.copied,
    lost = p.lost + x.before - p.next_offset
FROM unnest($3::integer[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
    AS x (partition, epoch, before, following, copied)
WHERE p.cluster = $1 AND p.topic = $2 AND p.partition = x.partition AND p.epoch = x.epoch
"""

# One re-keyer of a topic at a time, as long as its connection lives.
LOCK_SOURCES = "SELECT pg_try_advisory_lock(hashtextextended($1 || ' ' || $2, 7294005))"
UNLOCK_SOURCES = "SELECT pg_advisory_unlock(hashtextextended($1 || ' ' || $2, 7294005))"

# Days that are past retention both by their events and by when they were last written.
# With $3, days of which all was simulated are past it by their events alone.
EXPIRED_DAYS = "SELECT day FROM days WHERE day < $1 AND (stored_at < $2 OR simulated AND $3) ORDER BY day"

# Notes that these days are written, $2 by a simulation: what anything else was written to is simulated no more.
TOUCH_DAYS = """
INSERT INTO days (day, simulated) SELECT day, $2 FROM unnest($1::date[]) AS day
ON CONFLICT (day) DO UPDATE SET stored_at = now(), simulated = days.simulated AND EXCLUDED.simulated
WHERE days.stored_at < now() - interval '1 hour' OR days.simulated AND NOT EXCLUDED.simulated
"""

KNOWN_DAYS = "SELECT day FROM days"

# Empties everything but the schema version. The triage log, which only grows, is let off for this one transaction.
RESET = """
ALTER TABLE triage_log DISABLE TRIGGER only_grows;
TRUNCATE progress, transaction_ids, transactions, verdicts, ground_truth, profiles, dead_letters, models, engines,
    triage, triage_log, timeline, stream_clock;
ALTER TABLE triage_log ENABLE TRIGGER only_grows;
"""
