-- The whole schema as it is now, of which a start makes what is missing, under an advisory lock (services/store/schema.py).
-- A change of a table that exists is made here and in a file of services/store/migrations/, which brings along databases
-- of older releases.

CREATE TABLE IF NOT EXISTS schema_version (
    version    integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- Kafka positions. The row is the fence: a batch commits only while next_offset and epoch are what its owner
-- believes. `cluster` is the Kafka cluster id, so offsets of a dead broker are never mistaken for a new one's.
-- `incarnation` counts the logs read under one name, 0 before the first: a topic that is deleted and made again, or
-- shortened, begins another. `topic_id` is Kafka's id of the topic, which no other topic of its name has; empty where
-- Kafka gives none.
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
    topic_id      text NOT NULL DEFAULT '',
    incarnation   integer NOT NULL DEFAULT 1,
    -- A topic that is not keyed by user is read through a copy that is, named `copy`. `rekeyed` marks the original's
    -- partitions: `next_offset` is how far they are copied, and nobody scores them; `delivered` is where the partitions of
    -- the copy ended when that was stored. `sources`, of a partition of the copy, has the next place in each partition of
    -- the original (incarnation and offset as one number, see services/store/rekeying.py): a record below it is a repeat.
    rekeyed       boolean NOT NULL DEFAULT false,
    delivered     bigint[] NOT NULL DEFAULT '{}',
    sources       bigint[] NOT NULL DEFAULT '{}',
    copy          text NOT NULL DEFAULT '',
    -- What became of the offsets from `first_offset` on, see domain/accounting.py; moved with next_offset, so that
    -- `counted`, where these sums end, is next_offset. `begun_at` is when the incarnation began at `first_offset`; null
    -- where an older release, which counted nothing, has read some of it.
    begun_at       timestamptz,
    first_offset   bigint NOT NULL DEFAULT 0,
    stored         bigint NOT NULL DEFAULT 0,
    resends        bigint NOT NULL DEFAULT 0,
    dead           bigint NOT NULL DEFAULT 0,
    skipped        bigint NOT NULL DEFAULT 0,
    copied         bigint NOT NULL DEFAULT 0,
    repeats        bigint NOT NULL DEFAULT 0,
    without_record bigint NOT NULL DEFAULT 0,
    lost           bigint NOT NULL DEFAULT 0,
    counted        bigint GENERATED ALWAYS AS
        (first_offset + stored + resends + dead + skipped + copied + repeats + without_record + lost) STORED,
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
-- For queries on what was stored lately: rows lie in this order, so that a few pages have the answer.
CREATE INDEX IF NOT EXISTS transactions_stored_at ON transactions USING brin (stored_at) WITH (autosummarize = on);

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
-- Verdicts that wait for the first fit to be given again: usually none.
CREATE INDEX IF NOT EXISTS verdicts_warming ON verdicts (event_time) WHERE status = 'warming';

-- Days that have partitions; a day is kept while its events or its last write are within retention.
-- It is `simulated` while nothing but a simulation has written to it, and goes by its events alone then.
CREATE TABLE IF NOT EXISTS days (
    day       date PRIMARY KEY,
    stored_at timestamptz NOT NULL DEFAULT now(),
    simulated boolean NOT NULL DEFAULT false
);

-- The clock of what was read last: `live`, where it is the wall's, or the event time that a stream had come to.
CREATE TABLE IF NOT EXISTS stream_clock (
    single     boolean PRIMARY KEY DEFAULT true CHECK (single),
    kind       text NOT NULL,
    at         timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- What the producer knew. Detectors have no way here.
CREATE TABLE IF NOT EXISTS ground_truth (
    transaction_id text PRIMARY KEY,
    event_time     timestamptz NOT NULL,
    anomalous      boolean NOT NULL,
    kind           text
);

-- `cluster`, `topic` and `kafka_partition` are whose a profile is: only its owner may write it, see SAVE_PROFILES in
-- services/store/statements.py. The first two are empty where it was rebuilt from stored transactions. `flagged` is how
-- many of the user's transactions were flagged, as the state has it too: what a list of users is ordered by. The time a
-- user was seen last is not here, because an index on what every batch changes would make each update a costly one.
CREATE TABLE IF NOT EXISTS profiles (
    user_id         text PRIMARY KEY,
    -- Already compact: compressing it again costs more than it saves.
    state           bytea STORAGE EXTERNAL NOT NULL,
    state_version   integer NOT NULL,
    model_version   text NOT NULL,
    kafka_partition integer NOT NULL,
    next_offset     bigint NOT NULL,
    updated_at      timestamptz NOT NULL DEFAULT now(),
    flagged         integer NOT NULL DEFAULT 0,
    cluster         text NOT NULL DEFAULT '',
    topic           text NOT NULL DEFAULT ''
) WITH (fillfactor = 60);
CREATE INDEX IF NOT EXISTS profiles_flagged ON profiles (flagged DESC, user_id COLLATE "C");
CREATE INDEX IF NOT EXISTS profiles_prefix ON profiles (user_id COLLATE "C");

CREATE TABLE IF NOT EXISTS dead_letters (
    cluster     text NOT NULL,
    topic       text NOT NULL,
    partition   integer NOT NULL,
    incarnation integer NOT NULL DEFAULT 1,
    "offset"    bigint NOT NULL,
    payload     bytea NOT NULL,
    reason      text NOT NULL,
    stored_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cluster, topic, partition, incarnation, "offset")
);
CREATE INDEX IF NOT EXISTS dead_letters_stored_at ON dead_letters (stored_at);

-- Fitted models as arrays; of a detector's versions the one taken into use last is in use. `format` is what a body is
-- written in, `figures` what is shown of the fit.
CREATE TABLE IF NOT EXISTS models (
    version      text NOT NULL,
    detector     text NOT NULL,
    trained_rows bigint NOT NULL,
    fitted_at    timestamptz NOT NULL DEFAULT now(),
    body         bytea NOT NULL,
    used_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    format       integer NOT NULL DEFAULT 1,
    figures      jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (detector, version)
);

-- What analysts decided, one row a transaction; no row is an anomaly nobody looked at. `until` ends a snooze, or the
-- leniency of a false positive. `merchant_id` is what detectors know the merchant by: its id, else its name.
CREATE TABLE IF NOT EXISTS triage (
    transaction_id text PRIMARY KEY,
    event_time     timestamptz NOT NULL,
    user_id        text NOT NULL,
    merchant_id    text,
    status         text NOT NULL
        CHECK (status IN ('open', 'acknowledged', 'confirmed', 'false_positive', 'snoozed')),
    until          timestamptz,
    note           text NOT NULL DEFAULT '',
    decided_by     text NOT NULL,
    decided_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS triage_status ON triage (status, until);
CREATE INDEX IF NOT EXISTS triage_confirmed ON triage (event_time) WHERE status = 'confirmed';

-- Every decision ever taken, never changed. Rows of one action share a step; `undoes` is the step it took back.
CREATE SEQUENCE IF NOT EXISTS triage_steps;
CREATE TABLE IF NOT EXISTS triage_log (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at             timestamptz NOT NULL DEFAULT now(),
    decided_by     text NOT NULL,
    action         text NOT NULL,
    undoes         bigint,
    transaction_id text NOT NULL,
    before         jsonb,
    after          jsonb,
    step           bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS triage_log_transaction ON triage_log (transaction_id, id);
CREATE INDEX IF NOT EXISTS triage_log_step ON triage_log (step);
CREATE INDEX IF NOT EXISTS triage_log_decided_by ON triage_log (decided_by, step) WHERE undoes IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS triage_log_undoes ON triage_log (undoes, transaction_id) WHERE undoes IS NOT NULL;
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION '% only grows: % is refused', TG_TABLE_NAME, TG_OP;
END $$;
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'triage_log'::regclass AND tgname = 'only_grows') THEN
        CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON triage_log
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    END IF;
END $$;

-- One row per running engine, so that `anomaly-tui stats`, another process, can show its rate and workers.
CREATE TABLE IF NOT EXISTS engines (
    instance     text PRIMARY KEY,
    started_at   timestamptz NOT NULL,
    heartbeat_at timestamptz NOT NULL,
    status       jsonb NOT NULL
);

-- What engines saw change: starts, crashes, outages, fits, rebalances. Bounded, see services/store/timeline.py; what
-- analysts decided is in triage_log.
CREATE TABLE IF NOT EXISTS timeline (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL,
    instance text NOT NULL,
    kind     text NOT NULL,
    level    text NOT NULL,
    subject  text NOT NULL,
    text     text NOT NULL
);
CREATE INDEX IF NOT EXISTS timeline_at ON timeline (at);

-- Who asks on behalf of people can only read. Roles belong to the whole server: another database may be making this one
-- now, and a user who may not make it goes without. Partitions are read through their tables and need no grant.
DO $$ DECLARE name text; BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'anomaly_tui_reader') THEN
        BEGIN
            CREATE ROLE anomaly_tui_reader NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END IF;
    BEGIN
        SET LOCAL ROLE anomaly_tui_reader;
        RESET ROLE;
    EXCEPTION WHEN insufficient_privilege THEN
        GRANT anomaly_tui_reader TO CURRENT_USER;
    END;
    IF NOT has_schema_privilege('anomaly_tui_reader', current_schema(), 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO anomaly_tui_reader', current_schema());
    END IF;
    FOREACH name IN ARRAY ARRAY['progress', 'transaction_ids', 'transactions', 'verdicts', 'days', 'ground_truth',
        'profiles', 'dead_letters', 'models', 'triage', 'triage_log', 'engines', 'timeline',
        'stream_clock']
    LOOP
        IF NOT has_table_privilege('anomaly_tui_reader', name, 'SELECT') THEN
            EXECUTE format('GRANT SELECT ON %I TO anomaly_tui_reader', name);
        END IF;
    END LOOP;
EXCEPTION WHEN insufficient_privilege OR undefined_object THEN
    NULL;
END $$;
