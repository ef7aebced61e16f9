-- Verdicts and ground truth become columns of their transaction, and ids an index of each day. Run again until all days
-- are moved, one each time, with what is left counted in `unfinished`: see services/store/schema.py.
CREATE TABLE IF NOT EXISTS unfinished (days integer NOT NULL);

DO $$ DECLARE name text; BEGIN
    IF to_regclass('moved_transactions') IS NULL THEN
        FOR name IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent IN ('transactions'::regclass, 'verdicts'::regclass)
        LOOP
            EXECUTE format('ALTER TABLE %I RENAME TO %I', name, 'moved_' || name);
        END LOOP;
        ALTER TABLE transactions RENAME TO moved_transactions;
        ALTER TABLE verdicts RENAME TO moved_verdicts;
        ALTER TABLE ground_truth RENAME TO moved_ground_truth;
        ALTER INDEX IF EXISTS transactions_stored_at RENAME TO moved_transactions_stored_at;
        ALTER INDEX IF EXISTS ground_truth_pkey RENAME TO moved_ground_truth_pkey;
        CREATE TABLE model_versions (key integer PRIMARY KEY, version text NOT NULL UNIQUE);
        CREATE TABLE brief_reasons (key smallint PRIMARY KEY, lines text NOT NULL UNIQUE);
        CREATE TABLE transactions (
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
        CREATE INDEX transactions_event_time ON transactions (event_time);
        CREATE INDEX transactions_of_user ON transactions (user_id);
        CREATE INDEX transactions_stored_at ON transactions USING brin (stored_at) WITH (autosummarize = on);
        CREATE INDEX transactions_flagged ON transactions (event_time) WHERE basic_flagged OR enhanced_flagged;
        CREATE INDEX transactions_warming ON transactions (event_time)
            WHERE basic_status = 'warming' OR enhanced_status = 'warming';
    END IF;
END $$;

DO $$ DECLARE
    one   date := (SELECT max(day) FROM days WHERE to_regclass(format('moved_transactions_%s', to_char(day, 'YYYYMMDD')))
        IS NOT NULL);
    place text := to_char(one, 'YYYYMMDD');
BEGIN
    IF one IS NOT NULL THEN
        EXECUTE format('CREATE TABLE %I (LIKE transactions INCLUDING ALL)', 'transactions_' || place);
        -- What was said, with reasons that are brief (at most two lines, without sentences) as their lines.
        EXECUTE format($q$
            CREATE TEMPORARY TABLE said ON COMMIT DROP AS
            SELECT v.*, CASE WHEN brief THEN lines END AS brief_lines,
                CASE WHEN brief AND line_count = 2 THEN round((first * 1e9)::numeric)::integer END AS first_part,
                CASE WHEN NOT brief AND line_count > 0 THEN whole END AS told
            FROM %I v CROSS JOIN LATERAL (
                SELECT count(*) AS line_count, string_agg((r ->> 'feature') || ':' || (r ->> 'factor'), ' ' ORDER BY n)
                    AS lines,
                    json_agg(json_build_array(r -> 'feature', r -> 'factor', r -> 'contribution',
                        coalesce(r ->> 'observed', ''), coalesce(r ->> 'expected', ''), coalesce(r ->> 'text', ''))
                        ORDER BY n) AS whole,
                    max((r ->> 'contribution')::float8) FILTER (WHERE n = 1) AS first,
                    count(*) BETWEEN 1 AND 2 AND bool_and(coalesce(r ->> 'observed', '') = ''
                        AND coalesce(r ->> 'expected', '') = '' AND coalesce(r ->> 'text', '') = '')
                        AND abs(sum((r ->> 'contribution')::float8) - v.score) < 1e-6 AS brief
                FROM jsonb_array_elements(v.reasons) WITH ORDINALITY AS each (r, n)
            ) AS why $q$, 'moved_verdicts_' || place);
        INSERT INTO model_versions
            SELECT (SELECT coalesce(max(key), 0) FROM model_versions) + row_number() OVER (), model_version
            FROM (SELECT DISTINCT model_version FROM said) AS named
            WHERE NOT EXISTS (SELECT FROM model_versions WHERE version = model_version);
        INSERT INTO brief_reasons
            SELECT (SELECT coalesce(max(key), 0) FROM brief_reasons) + row_number() OVER (), brief_lines
            FROM (SELECT DISTINCT brief_lines FROM said WHERE brief_lines IS NOT NULL) AS named
            WHERE NOT EXISTS (SELECT FROM brief_reasons WHERE lines = brief_lines);
        EXECUTE format($q$
            INSERT INTO %I (event_time, stored_at, kafka_offset, latitude, longitude, kafka_partition,
                basic_score, basic_threshold, basic_model, basic_first, enhanced_score, enhanced_threshold,
                enhanced_model, enhanced_first, basic_severity, basic_brief, enhanced_severity, enhanced_brief,
                basic_flagged, enhanced_flagged, anomalous, transaction_id, user_id, amount, currency, country, city,
                transaction_type, merchant_id, merchant_name, merchant_category, payment_method, device_id, device_type,
                device_ip, extra, anomaly_kind, basic_status, basic_reasons, basic_error, enhanced_status,
                enhanced_reasons, enhanced_error)
            SELECT t.event_time, t.stored_at, t.kafka_offset, t.latitude, t.longitude, t.kafka_partition,
                round((b.score * 1e9)::numeric), round((b.threshold * 1e9)::numeric),
                (SELECT key FROM model_versions WHERE version = b.model_version), b.first_part,
                round((e.score * 1e9)::numeric), round((e.threshold * 1e9)::numeric),
                (SELECT key FROM model_versions WHERE version = e.model_version), e.first_part,
                nullif(b.severity, 0), (SELECT key FROM brief_reasons WHERE lines = b.brief_lines),
                nullif(e.severity, 0), (SELECT key FROM brief_reasons WHERE lines = e.brief_lines),
                b.flagged, e.flagged, g.anomalous, t.transaction_id, t.user_id, t.amount, t.currency, t.country, t.city,
                t.transaction_type, t.merchant_id, t.merchant_name, t.merchant_category, t.payment_method, t.device_id,
                t.device_type, t.device_ip, t.extra, g.kind, nullif(b.status, 'ok'), b.told, b.error,
                nullif(e.status, 'ok'), e.told, e.error
            FROM %I t
            LEFT JOIN said b ON b.transaction_id = t.transaction_id AND b.event_time = t.event_time
                AND b.detector = 'basic'
            LEFT JOIN said e ON e.transaction_id = t.transaction_id AND e.event_time = t.event_time
                AND e.detector = 'enhanced'
            LEFT JOIN moved_ground_truth g ON g.transaction_id = t.transaction_id
            ORDER BY t.stored_at, t.kafka_partition, t.kafka_offset $q$,
            'transactions_' || place, 'moved_transactions_' || place);
        EXECUTE format('CREATE UNIQUE INDEX %I ON %I (hashtextextended(transaction_id, 0))',
            'transactions_' || place || '_id', 'transactions_' || place);
        EXECUTE format('ALTER TABLE transactions ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            'transactions_' || place, one || ' 00:00+00', (one + 1) || ' 00:00+00');
        EXECUTE format('DROP TABLE %I, %I', 'moved_transactions_' || place, 'moved_verdicts_' || place);
    END IF;
    DELETE FROM unfinished;
    INSERT INTO unfinished SELECT count(*) FROM days
        WHERE to_regclass(format('moved_transactions_%s', to_char(day, 'YYYYMMDD'))) IS NOT NULL;
    IF NOT EXISTS (SELECT FROM unfinished WHERE days > 0) THEN
        DROP TABLE moved_transactions, moved_verdicts, moved_ground_truth, transaction_ids, unfinished;
    END IF;
END $$;
