"""The SQL of the engine's own work: each statement with a name and a sentence."""

from services.store.columns import TRANSACTION

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


def _move_fences(held: str, more: str = "") -> str:
    """Moves the fences of partitions that stand where they are expected, with what became of the offsets, and gives the
    number of the transaction for each: one that has no row is another owner's now, and the batch must be dropped.
    """
    return f"""
WITH here AS MATERIALIZED (
    SELECT x.* FROM progress p JOIN unnest($3::integer[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[],
        $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[]
    ) AS x (number, expected, epoch, following, sources, stored, resends, dead, skipped, repeats, without_record, lost)
    ON p.partition = x.number AND p.next_offset = x.expected AND p.epoch = x.epoch
    WHERE p.cluster = $1 AND p.topic = $2 ORDER BY x.number FOR UPDATE OF p {held}
)
UPDATE progress p SET next_offset = x.following, sources = coalesce(x.sources::bigint[], p.sources), restores = 0,
    attempt_size = 0, attempts = 0, updated_at = now(), stored = p.stored + x.stored, resends = p.resends + x.resends,
    dead = p.dead + x.dead, skipped = p.skipped + x.skipped, repeats = p.repeats + x.repeats,
    without_record = p.without_record + x.without_record, lost = p.lost + x.lost
FROM here x WHERE p.cluster = $1 AND p.topic = $2 AND p.partition = x.number
RETURNING pg_current_xact_id()::text {more}
"""  # noqa: S608 - constants


# Waits for who holds one of the fences. They are taken in order: two who want several never wait for each other.
MOVE_FENCES = _move_fences("")

# Takes a fence that somebody holds for another owner's, and has the rest of the transaction wait for no lock for long.
MOVE_FREE_FENCES = _move_fences("SKIP LOCKED", ", set_config('lock_timeout', '500ms', true)")

# Whether one of the transactions of these numbers was committed. The server may have lost the newest, which it then
# calls to be in the future.
ANY_COMMITTED = """
SELECT coalesce(bool_or(pg_xact_status(number) = 'committed'), false)
FROM unnest($1::text[]::xid8[]) AS number WHERE number < pg_snapshot_xmax(pg_current_snapshot())
"""

# Leaves a mark before a suspicious batch is scored: if the process dies, the mark says how large it was, and holds for
# the next opening although batches before it were stored since the last.
MARK_ATTEMPT = """
UPDATE progress SET attempt_size = $5, attempts = attempts + 1, restored_from = next_offset
WHERE cluster = $1 AND topic = $2 AND partition = $3 AND epoch = $4
"""

# Ends a term in good order, so that clean restarts are not counted as crashes.
CLOSE_TERM = """
UPDATE progress SET restores = 0, attempt_size = 0, attempts = 0, restored_from = -1
WHERE cluster = $1 AND topic = $2 AND partition = $3 AND epoch = $4
"""

# The transaction `t` whose id is $1. The days' indexes have hashes of ids.
BY_ID = "hashtextextended(t.transaction_id, 0) = hashtextextended($1::text, 0) AND t.transaction_id = $1"

# The transactions `t` among the ids $1.
AMONG_IDS = """
hashtextextended(t.transaction_id, 0) = ANY(ARRAY(SELECT hashtextextended(id, 0) FROM unnest($1::text[]) AS id))
    AND t.transaction_id = ANY($1::text[])
"""

# Of the events from $2 to $3. Of a day without statistics PostgreSQL takes any range to be one in 200: for every batch
# it would go through all of that day by its times. With ANY it does so only while the day has some 16,000 rows or less.
FROM_TO = "t.event_time >= $2 AND t.event_time <= ANY(ARRAY[$3::timestamptz])"

# Which of the ids $1 are stored among the events from $2 to $3, both included, with enough of them to recognise a
# record that was sent twice. Ids of the same hash count as the same, as they do for the index.
STORED_IDS = f"""
WITH asked AS MATERIALIZED (SELECT id, hashtextextended(id, 0) AS hash FROM unnest($1::text[]) AS id),
found AS MATERIALIZED (
    SELECT hashtextextended(t.transaction_id, 0) AS hash, t.user_id, t.amount, t.event_time FROM transactions t
    WHERE hashtextextended(t.transaction_id, 0) = ANY(ARRAY(SELECT hash FROM asked))
        AND {FROM_TO}
)
SELECT asked.id, found.user_id, found.amount, found.event_time FROM found JOIN asked USING (hash)
"""  # noqa: S608 - constants

# The committed profiles of these users.
LOAD_PROFILES = "SELECT user_id, state, state_version FROM profiles WHERE user_id = ANY($1::text[])"

# Profiles after a batch, in the same transaction as its rows. A row of another partition of the same topic is left as
# it is, so that fewer rows than profiles are written: who learns only what came in one partition must not overwrite
# what was learnt in another. A row of another topic or cluster is one that a stream before this one left behind.
SAVE_PROFILES = """
INSERT INTO profiles AS p (user_id, state, flagged, state_version, model_version, cluster, topic, kafka_partition,
    next_offset)
SELECT u, s, f, $6, $7, $8, $9, k, o
FROM unnest($1::text[], $2::bytea[], $3::integer[], $4::integer[], $5::bigint[]) AS x (u, s, f, k, o)
ON CONFLICT (user_id) DO UPDATE SET state = EXCLUDED.state, state_version = EXCLUDED.state_version,
    flagged = EXCLUDED.flagged, model_version = EXCLUDED.model_version, cluster = EXCLUDED.cluster,
    topic = EXCLUDED.topic, kafka_partition = EXCLUDED.kafka_partition, next_offset = EXCLUDED.next_offset,
    updated_at = now()
WHERE p.kafka_partition = EXCLUDED.kafka_partition OR (p.cluster, p.topic) <> (EXCLUDED.cluster, EXCLUDED.topic)
"""

# One of the users $1 whose profile is not of the partition that $2 has for him, with that partition.
FOREIGN_PROFILE = """
SELECT p.user_id, p.kafka_partition FROM unnest($1::text[], $2::integer[]) AS x (user_id, number)
JOIN profiles p ON p.user_id = x.user_id AND p.cluster = $3 AND p.topic = $4 AND p.kafka_partition <> x.number
ORDER BY p.user_id LIMIT 1
"""

# Records that could not become transactions. A record seen twice (a batch repeated) is kept once.
SAVE_DEAD_LETTERS = """
INSERT INTO dead_letters (cluster, topic, partition, incarnation, "offset", payload, reason)
SELECT $1, x.* FROM unnest($2::text[], $3::integer[], $4::integer[], $5::bigint[], $6::bytea[], $7::text[]) AS x
ON CONFLICT DO NOTHING
"""

# One profile, for showing.
PROFILE = "SELECT state FROM profiles WHERE user_id = $1 AND state_version <= $2"

# Verdicts against ground truth since $1, by detector, kind and tenth of the score, but for those of models fitted on
# what they judged.
QUALITY = """
SELECT v.detector, t.anomalous, t.anomaly_kind AS kind, count(*) AS verdicts,
    count(*) FILTER (WHERE v.flagged) AS flagged, (avg(v.score) / 1e9)::float8 AS score
FROM transactions t CROSS JOIN LATERAL (
    VALUES ('basic', t.basic_score, t.basic_status, t.basic_flagged),
        ('enhanced', t.enhanced_score, t.enhanced_status, t.enhanced_flagged)
) AS v (detector, score, status, flagged)
WHERE t.anomalous IS NOT NULL AND v.score IS NOT NULL AND coalesce(v.status, 'ok') NOT IN ('warming', 'backfilled')
    AND t.event_time >= $1
GROUP BY 1, 2, 3, v.flagged, least(v.score / 100000000, 9)
"""

# One change of the tables at a time, by whatever process: the schema, days, a reset. Two would race between looking
# whether something is there and making it, or wait for each other's tables.
ONE_CHANGE = "SELECT pg_advisory_xact_lock(7294000)"

SAVE_SCHEMA_VERSION = "INSERT INTO schema_version (version) VALUES ($1) ON CONFLICT DO NOTHING"

# What a model is fitted on: the newest $1 stored transactions by event time, oldest first.
FIT_HISTORY = f"""
SELECT * FROM (
    SELECT {TRANSACTION} FROM transactions t ORDER BY t.event_time DESC, t.transaction_id DESC LIMIT $1
) AS newest
ORDER BY event_time, transaction_id
"""  # noqa: S608 - constants of this file

# The enhanced model that judged `t`, and how that went; both null where it did not.
_LEARNT_BY = """
(SELECT version FROM model_versions WHERE key = t.enhanced_model) AS model_version,
CASE WHEN t.enhanced_score IS NOT NULL THEN coalesce(t.enhanced_status, 'ok') END AS status
"""

# All transactions in the order their profiles learnt them, with the enhanced model that judged each and how that went.
IN_STORED_ORDER = f"""
SELECT {TRANSACTION}, {_LEARNT_BY} FROM transactions t ORDER BY t.stored_at, t.kafka_partition, t.kafka_offset
"""  # noqa: S608 - constants of this file

# The newest $2 transactions of the user of one, up to that one and with it, the last first: see IN_STORED_ORDER.
LEARNT_UP_TO = f"""
WITH one AS MATERIALIZED (
    SELECT t.user_id, t.stored_at, t.kafka_partition, t.kafka_offset FROM transactions t
    WHERE {BY_ID} ORDER BY t.event_time DESC LIMIT 1
)
SELECT {TRANSACTION}, {_LEARNT_BY} FROM one
JOIN transactions t ON t.user_id = one.user_id
    AND (t.stored_at, t.kafka_partition, t.kafka_offset) <= (one.stored_at, one.kafka_partition, one.kafka_offset)
ORDER BY t.stored_at DESC, t.kafka_partition DESC, t.kafka_offset DESC
LIMIT $2
"""  # noqa: S608 - constants of this file

COUNT_TRANSACTIONS = "SELECT count(*) FROM transactions"

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

USE_MODEL = "UPDATE models SET used_at = clock_timestamp() WHERE version = $1 AND format = $2"

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

VERDICT_COUNTS = """
SELECT v.detector, count(v.score) AS verdicts, count(*) FILTER (WHERE v.flagged) AS flagged
FROM transactions t CROSS JOIN LATERAL (
    VALUES ('basic', t.basic_score, t.basic_flagged), ('enhanced', t.enhanced_score, t.enhanced_flagged)
) AS v (detector, score, flagged)
GROUP BY 1 HAVING count(v.score) > 0
"""

COUNT_DEAD_LETTERS = "SELECT count(*) FROM dead_letters"

PROGRESS = """
SELECT cluster, topic, partition, next_offset, epoch, incarnation, rekeyed, copy, delivered, sources, topic_id,
    begun_at, first_offset, stored, resends, dead, skipped, copied, repeats, without_record, lost
FROM progress ORDER BY 1, 2, 3
"""

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
TRUNCATE progress, transactions, model_versions, brief_reasons, profiles, dead_letters, models, engines, triage,
    triage_log, timeline, stream_clock;
ALTER TABLE triage_log ENABLE TRIGGER only_grows;
"""
