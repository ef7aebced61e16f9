-- Version 1 was kept while columns were added to it, each asked for first: a database may have some and lack others.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'progress'::regclass AND attname = 'incarnation') THEN
        ALTER TABLE progress ADD COLUMN topic_id text NOT NULL DEFAULT '',
            ADD COLUMN incarnation integer NOT NULL DEFAULT 1;
    END IF;
END $$;

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'progress'::regclass AND attname = 'rekeyed') THEN
        ALTER TABLE progress ADD COLUMN rekeyed boolean NOT NULL DEFAULT false,
            ADD COLUMN delivered bigint[] NOT NULL DEFAULT '{}', ADD COLUMN sources bigint[] NOT NULL DEFAULT '{}',
            ADD COLUMN copy text NOT NULL DEFAULT '';
    END IF;
END $$;

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'progress'::regclass AND attname = 'counted') THEN
        ALTER TABLE progress ADD COLUMN begun_at timestamptz, ADD COLUMN first_offset bigint NOT NULL DEFAULT 0,
            ADD COLUMN stored bigint NOT NULL DEFAULT 0, ADD COLUMN resends bigint NOT NULL DEFAULT 0,
            ADD COLUMN dead bigint NOT NULL DEFAULT 0, ADD COLUMN skipped bigint NOT NULL DEFAULT 0,
            ADD COLUMN copied bigint NOT NULL DEFAULT 0, ADD COLUMN repeats bigint NOT NULL DEFAULT 0,
            ADD COLUMN without_record bigint NOT NULL DEFAULT 0, ADD COLUMN lost bigint NOT NULL DEFAULT 0,
            ADD COLUMN counted bigint GENERATED ALWAYS AS
                (first_offset + stored + resends + dead + skipped + copied + repeats + without_record + lost) STORED;
        UPDATE progress SET first_offset = next_offset;
    END IF;
END $$;

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'profiles'::regclass AND attname = 'flagged') THEN
        ALTER TABLE profiles ADD COLUMN flagged integer NOT NULL DEFAULT 0;
    END IF;
    IF (SELECT attstorage FROM pg_attribute WHERE attrelid = 'profiles'::regclass AND attname = 'state') <> 'e' THEN
        ALTER TABLE profiles ALTER COLUMN state SET STORAGE EXTERNAL;
    END IF;
END $$;

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'profiles'::regclass AND attname = 'topic') THEN
        ALTER TABLE profiles ADD COLUMN cluster text NOT NULL DEFAULT '', ADD COLUMN topic text NOT NULL DEFAULT '';
    END IF;
END $$;

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'dead_letters'::regclass AND attname = 'incarnation') THEN
        ALTER TABLE dead_letters ADD COLUMN incarnation integer NOT NULL DEFAULT 1, DROP CONSTRAINT dead_letters_pkey,
            ADD PRIMARY KEY (cluster, topic, partition, incarnation, "offset");
    END IF;
END $$;

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'models'::regclass AND attname = 'used_at') THEN
        ALTER TABLE models ADD COLUMN used_at timestamptz NOT NULL DEFAULT clock_timestamp();
    END IF;
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'models'::regclass AND attname = 'format') THEN
        ALTER TABLE models ADD COLUMN format integer NOT NULL DEFAULT 1, ADD COLUMN figures jsonb NOT NULL DEFAULT '{}';
    END IF;
END $$;
