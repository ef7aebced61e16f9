"""The SQL of re-keying: the positions of a topic and of its copy that is keyed by user."""

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
RETURNING partition, next_offset, epoch, topic_id, incarnation, delivered, copy
"""

# Names another copy, $4 in place of $3, unless somebody else has, and so fences the re-keyer.
NAME_ANOTHER_COPY = """
UPDATE progress SET copy = $4, epoch = epoch + 1, updated_at = now()
WHERE cluster = $1 AND topic = $2 AND copy = $3 AND rekeyed
RETURNING partition, next_offset, first_offset, incarnation, delivered
"""

# Ends the use of a copy: whoever has one of its partitions can store nothing more, and learns that it is re-keyed.
RETIRE_COPY = """
UPDATE progress SET epoch = epoch + 1, rekeyed = true, updated_at = now() WHERE cluster = $1 AND topic = $2
RETURNING partition, next_offset, sources
"""

# The partitions of a copy that take the place of others, with what of the originals is stored.
TAKE_PLACE = """
INSERT INTO progress (cluster, topic, partition, sources, incarnation)
SELECT $1, $3, partition, sources, 0 FROM progress WHERE cluster = $1 AND topic = $2
ON CONFLICT DO NOTHING
"""

# Copies again from the offsets $4 on, which are further back; the sums begin there.
COPY_AGAIN = """
UPDATE progress p SET next_offset = x.at, first_offset = x.at, begun_at = NULL, stored = 0, resends = 0, dead = 0,
    skipped = 0, copied = 0, repeats = 0, without_record = 0, lost = 0
FROM unnest($3::integer[], $4::bigint[]) AS x (partition, at)
WHERE p.cluster = $1 AND p.topic = $2 AND p.partition = x.partition
"""

# Of a copy that was just named nothing is delivered.
FORGET_DELIVERED = "UPDATE progress SET delivered = '{}' WHERE cluster = $1 AND topic = $2"

# Moves the positions of a re-keyer once all it sent is acknowledged; fewer rows than partitions: another took over.
MOVE_SOURCES = """
UPDATE progress p SET next_offset = x.following, delivered = $7::bigint[], updated_at = now(),
    copied = p.copied + x.copied, without_record = p.without_record + x.following - p.next_offset - x.copied
FROM unnest($3::integer[], $4::bigint[], $5::bigint[], $6::bigint[]) AS x (partition, epoch, following, copied)
WHERE p.cluster = $1 AND p.topic = $2 AND p.partition = x.partition AND p.epoch = x.epoch
"""

# Moves one position over what Kafka has deleted, of which $6 records had been copied and the others are lost.
SKIP_EXPIRED = """
UPDATE progress SET next_offset = $5, delivered = $7::bigint[], updated_at = now(), copied = copied + $6,
    lost = lost + $5 - next_offset - $6
WHERE cluster = $1 AND topic = $2 AND partition = $3 AND epoch = $4
"""

# One re-keyer of a topic at a time, as long as its connection lives.
LOCK_SOURCES = "SELECT pg_try_advisory_lock(hashtextextended($1 || ' ' || $2, 7294005))"
UNLOCK = "SELECT pg_advisory_unlock_all()"
