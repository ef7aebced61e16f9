-- One index of profiles less, and one of few users: a new user costs PostgreSQL two thirds. `profiles_flagged` is made again
-- by schema.sql.
DROP INDEX IF EXISTS profiles_prefix;
DROP INDEX IF EXISTS profiles_flagged;
ALTER TABLE IF EXISTS profiles ALTER COLUMN user_id TYPE text COLLATE "C", SET (fillfactor = 60, toast_tuple_target = 8160);

-- Rows whose threshold is their version's usual one have none of their own. The view is made again by schema.sql.
ALTER TABLE IF EXISTS model_versions ADD COLUMN basic_threshold integer, ADD COLUMN enhanced_threshold integer;
DROP VIEW IF EXISTS verdicts;
