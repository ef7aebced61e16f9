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

-- What many rows have in common, kept once: versions of models, and reasons that are told in a word or two, each as
-- `feature:factor`, the stronger first.
CREATE TABLE IF NOT EXISTS model_versions (
    key                integer PRIMARY KEY,
    version            text NOT NULL UNIQUE,
    -- Of each detector's verdicts whose row has none, in billionths: nearly all of a version's have the same. Set once;
    -- null where every row has its own.
    basic_threshold    integer,
    enhanced_threshold integer
);
CREATE TABLE IF NOT EXISTS brief_reasons (
    key   smallint PRIMARY KEY,
    lines text NOT NULL UNIQUE
);

-- One row a transaction, with what both detectors said of it and what its producer knew; `verdicts` and `ground_truth`
-- below are views of it, one row a verdict. Columns of fixed width come first, so that nothing is lost to alignment.
-- An id is stored once a day: each day has a unique index on hashtextextended(transaction_id, 0), see
-- services/store/days.py.
--
-- Of each detector: score and threshold in billionths, the score null where it gave no verdict, the threshold where it is
-- its version's in model_versions and the verdict no alert; severity from 0 to 3 and status, null for 0 and 'ok'; keys of
-- model_versions and brief_reasons. `brief` and `first`, the billionths of the score that are the first line's (null where
-- there is but one), are reasons without sentences; all other reasons are arrays of feature, factor, contribution,
-- observed, expected and text.
CREATE TABLE IF NOT EXISTS transactions (
    event_time         timestamptz NOT NULL,
    stored_at          timestamptz NOT NULL DEFAULT now(),
    kafka_offset       bigint NOT NULL,
    latitude           double precision,
    longitude          double precision,
    kafka_partition    integer NOT NULL,
    basic_score        integer CHECK (basic_score BETWEEN 0 AND 1000000000),
    basic_threshold    integer,
    basic_model        integer,
    basic_first        integer,
    enhanced_score     integer CHECK (enhanced_score BETWEEN 0 AND 1000000000),
    enhanced_threshold integer,
    enhanced_model     integer,
    enhanced_first     integer,
    basic_severity     smallint,
    basic_brief        smallint,
    enhanced_severity  smallint,
    enhanced_brief     smallint,
    basic_flagged      boolean,
    enhanced_flagged   boolean,
    anomalous          boolean,
    transaction_id     text NOT NULL,
    user_id            text NOT NULL,
    amount             numeric NOT NULL,
    currency           text NOT NULL,
    country            text,
    city               text,
    transaction_type   text,
    merchant_id        text,
    merchant_name      text,
    merchant_category  text,
    payment_method     text,
    device_id          text,
    device_type        text,
    device_ip          text,
    extra              jsonb,
    anomaly_kind       text,
    basic_status       text,
    basic_reasons      json,
    basic_error        text,
    enhanced_status    text,
    enhanced_reasons   json,
    enhanced_error     text
) PARTITION BY RANGE (event_time);
CREATE INDEX IF NOT EXISTS transactions_event_time ON transactions (event_time);
-- A user's rows of one day are few: they are sorted when they are read, and the index is a quarter of one with the time.
CREATE INDEX IF NOT EXISTS transactions_of_user ON transactions (user_id);
-- For queries on what was stored lately: rows lie in this order, so that a few pages have the answer.
CREATE INDEX IF NOT EXISTS transactions_stored_at ON transactions USING brin (stored_at) WITH (autosummarize = on);
CREATE INDEX IF NOT EXISTS transactions_flagged ON transactions (event_time) WHERE basic_flagged OR enhanced_flagged;
-- Those that wait for the first fit to be judged again: usually none.
CREATE INDEX IF NOT EXISTS transactions_warming ON transactions (event_time)
    WHERE basic_status = 'warming' OR enhanced_status = 'warming';

DO $$ BEGIN
    IF to_regprocedure('reasons_of(integer, smallint, integer, json)') IS NULL THEN
        -- The reasons of one detector as an array of objects, strongest first; contributions are in score units.
        CREATE FUNCTION reasons_of(score integer, brief smallint, first integer, told json) RETURNS jsonb
        LANGUAGE sql STABLE PARALLEL SAFE AS $f$
            SELECT CASE
                WHEN score IS NULL THEN NULL
                WHEN told IS NOT NULL THEN (
                    SELECT jsonb_agg(jsonb_build_object('feature', r ->> 0, 'factor', r ->> 1, 'contribution',
                        (r ->> 2)::float8, 'observed', r ->> 3, 'expected', r ->> 4, 'text', r ->> 5))
                    FROM json_array_elements(told) AS r)
                WHEN brief IS NOT NULL THEN (
                    SELECT jsonb_agg(jsonb_build_object('feature', split_part(line, ':', 1), 'factor',
                        split_part(line, ':', 2), 'contribution', CASE
                            WHEN first IS NULL THEN score WHEN place = 1 THEN first ELSE score - first
                        END / 1e9::float8) ORDER BY place)
                    FROM brief_reasons b, string_to_table(b.lines, ' ') WITH ORDINALITY AS l (line, place)
                    WHERE b.key = brief)
                ELSE '[]'
            END
        $f$;
    END IF;
    IF to_regclass('verdicts') IS NULL THEN
        -- One row a transaction and detector.
        CREATE VIEW verdicts AS
        SELECT t.transaction_id, t.event_time, 'basic' AS detector, t.basic_score / 1e9::float8 AS score,
            coalesce(t.basic_threshold, m.basic_threshold) / 1e9::float8 AS threshold, t.basic_flagged AS flagged,
            coalesce(t.basic_severity, 0::smallint) AS severity, coalesce(t.basic_status, 'ok') AS status,
            m.version AS model_version,
            reasons_of(t.basic_score, t.basic_brief, t.basic_first, t.basic_reasons) AS reasons, t.basic_error AS error
        FROM transactions t LEFT JOIN model_versions m ON m.key = t.basic_model WHERE t.basic_score IS NOT NULL
        UNION ALL
        SELECT t.transaction_id, t.event_time, 'enhanced', t.enhanced_score / 1e9::float8,
            coalesce(t.enhanced_threshold, m.enhanced_threshold) / 1e9::float8, t.enhanced_flagged,
            coalesce(t.enhanced_severity, 0::smallint), coalesce(t.enhanced_status, 'ok'), m.version,
            reasons_of(t.enhanced_score, t.enhanced_brief, t.enhanced_first, t.enhanced_reasons), t.enhanced_error
        FROM transactions t LEFT JOIN model_versions m ON m.key = t.enhanced_model WHERE t.enhanced_score IS NOT NULL;
    END IF;
    IF to_regclass('ground_truth') IS NULL THEN
        -- What the producer knew. Detectors have no way here.
        CREATE VIEW ground_truth AS
        SELECT transaction_id, event_time, anomalous, anomaly_kind AS kind FROM transactions WHERE anomalous IS NOT NULL;
    END IF;
END $$;

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

-- `cluster`, `topic` and `kafka_partition` are whose a profile is: only its owner may write it, see SAVE_PROFILES in
-- services/store/statements.py. The first two are empty where it was rebuilt from stored transactions. `flagged` is how
-- many of the user's transactions were flagged, as the state has it too: what a list of users is ordered by. The time a
-- user was seen last is not here, because an index on what every batch changes would make each update a costly one. States
-- stay in the row, whose page is tidied by the next update; what is put out of line waits for VACUUM.
CREATE TABLE IF NOT EXISTS profiles (
    -- In code point order, so that the key finds ids by their beginning too.
    user_id         text COLLATE "C" PRIMARY KEY,
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
) WITH (fillfactor = 60, toast_tuple_target = 8160);
CREATE INDEX IF NOT EXISTS profiles_flagged ON profiles (flagged DESC, user_id) WHERE flagged > 0;

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
-- leniency of a false positive. `over_budget` is of no analyst: alerts of the day are worth more, see
-- services/store/budget.py. `merchant_id` is what detectors know the merchant by: its id, else its name.
CREATE TABLE IF NOT EXISTS triage (
    transaction_id text PRIMARY KEY,
    event_time     timestamptz NOT NULL,
    user_id        text NOT NULL,
    merchant_id    text,
    status         text NOT NULL
        CHECK (status IN ('open', 'acknowledged', 'confirmed', 'false_positive', 'snoozed', 'over_budget')),
    until          timestamptz,
    note           text NOT NULL DEFAULT '',
    decided_by     text NOT NULL,
    decided_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS triage_status ON triage (status, until);
CREATE INDEX IF NOT EXISTS triage_confirmed ON triage (event_time) WHERE status = 'confirmed';

-- Every decision ever taken, never changed. Rows of one action share a step; `undoes` is the step it took back. Rows of
-- step 0 are nobody's decision: they say when an alert was put beyond the budget, and go with the alert.
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
        CREATE TRIGGER only_grows BEFORE UPDATE OR TRUNCATE ON triage_log
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
        CREATE TRIGGER keeps_decisions BEFORE DELETE ON triage_log
            FOR EACH ROW WHEN (OLD.step > 0) EXECUTE FUNCTION refuse_change();
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
    FOREACH name IN ARRAY ARRAY['progress', 'model_versions', 'brief_reasons', 'transactions', 'verdicts', 'ground_truth', 'days',
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
