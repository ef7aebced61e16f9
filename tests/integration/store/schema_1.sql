-- The whole schema, idempotent: applied at every start under an advisory lock (services/store/migration.py).

CREATE TABLE IF NOT EXISTS schema_version (
    version    integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- Kafka positions. The row is the fence: a batch commits only while next_offset and epoch are what its owner
-- believes. `cluster` is the Kafka cluster id, so offsets of a dead broker are never mistaken for a new one's.
-- `attempt_size` and `attempts` mark a batch being tried after repeated crashes at the same offset.
CREATE TABLE IF NOT EXISTS progress (
    cluster       text NOT NULL,
    topic         text NOT NULL,
    partition     integer NOT NULL,
    next_offset   bigint NOT NULL DEFAULT 0,
    epoch         bigint NOT NULL DEFAULT 0,
    owner         text NOT NULL DEFAULT '',
    restored_from bigint NOT NULL DEFAULT -1,
    restores      integer NOT NULL DEFAULT 0,
    attempt_size  integer NOT NULL DEFAULT 0,
    attempts      integer NOT NULL DEFAULT 0,
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cluster, topic, partition)
);

-- Every stored id once, whatever its day: a partitioned table cannot promise that by itself.
CREATE TABLE IF NOT EXISTS transaction_ids (
    transaction_id text PRIMARY KEY,
    event_time     timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS transaction_ids_event_time ON transaction_ids USING brin (event_time);

CREATE TABLE IF NOT EXISTS transactions (
    transaction_id    text NOT NULL,
    user_id           text NOT NULL,
    amount            numeric NOT NULL,
    currency          text NOT NULL,
    event_time        timestamptz NOT NULL,
    country           text,
    city              text,
    latitude          double precision,
    longitude         double precision,
    transaction_type  text,
    merchant_id       text,
    merchant_name     text,
    merchant_category text,
    payment_method    text,
    device_id         text,
    device_type       text,
    device_ip         text,
    extra             jsonb,
    kafka_partition   integer NOT NULL,
    kafka_offset      bigint NOT NULL,
    stored_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_time, transaction_id)
) PARTITION BY RANGE (event_time);
CREATE INDEX IF NOT EXISTS transactions_user ON transactions (user_id, event_time);

CREATE TABLE IF NOT EXISTS verdicts (
    transaction_id text NOT NULL,
    event_time     timestamptz NOT NULL,
    detector       text NOT NULL,
    score          double precision NOT NULL CHECK (score BETWEEN 0 AND 1),
    threshold      double precision NOT NULL,
    flagged        boolean NOT NULL,
    severity       smallint NOT NULL,
    status         text NOT NULL,
    model_version  text NOT NULL,
    reasons        jsonb NOT NULL,
    error          text,
    PRIMARY KEY (event_time, transaction_id, detector)
) PARTITION BY RANGE (event_time);
CREATE INDEX IF NOT EXISTS verdicts_flagged ON verdicts (event_time) WHERE flagged;

-- Days that have partitions; a day is kept while its events or its last write are within retention.
CREATE TABLE IF NOT EXISTS days (
    day       date PRIMARY KEY,
    stored_at timestamptz NOT NULL DEFAULT now()
);

-- What the producer knew. Detectors have no way here.
CREATE TABLE IF NOT EXISTS ground_truth (
    transaction_id text PRIMARY KEY,
    event_time     timestamptz NOT NULL,
    anomalous      boolean NOT NULL,
    kind           text
);

CREATE TABLE IF NOT EXISTS profiles (
    user_id         text PRIMARY KEY,
    state           bytea NOT NULL,
    state_version   integer NOT NULL,
    model_version   text NOT NULL,
    kafka_partition integer NOT NULL,
    next_offset     bigint NOT NULL,
    updated_at      timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 60);
-- Already compact: compressing it again costs more than it saves.
ALTER TABLE profiles ALTER COLUMN state SET STORAGE EXTERNAL;

CREATE TABLE IF NOT EXISTS dead_letters (
    cluster   text NOT NULL,
    topic     text NOT NULL,
    partition integer NOT NULL,
    "offset"  bigint NOT NULL,
    payload   bytea NOT NULL,
    reason    text NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cluster, topic, partition, "offset")
);
CREATE INDEX IF NOT EXISTS dead_letters_stored_at ON dead_letters (stored_at);

-- Fitted models as arrays; the newest version of a detector is the one in use.
CREATE TABLE IF NOT EXISTS models (
    version      text NOT NULL,
    detector     text NOT NULL,
    trained_rows bigint NOT NULL,
    fitted_at    timestamptz NOT NULL DEFAULT now(),
    body         bytea NOT NULL,
    PRIMARY KEY (detector, version)
);

-- One row per running engine, so that `anomaly-tui stats` can tell rate and workers from beside it.
CREATE TABLE IF NOT EXISTS engines (
    instance     text PRIMARY KEY,
    started_at   timestamptz NOT NULL,
    heartbeat_at timestamptz NOT NULL,
    status       jsonb NOT NULL
);


INSERT INTO schema_version (version) VALUES (1) ON CONFLICT DO NOTHING;
