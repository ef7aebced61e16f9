-- One index less, and one of few users: a new user costs PostgreSQL two thirds. `profiles_flagged` is made again by schema.sql.
DROP INDEX IF EXISTS profiles_prefix;
DROP INDEX IF EXISTS profiles_flagged;
ALTER TABLE IF EXISTS profiles ALTER COLUMN user_id TYPE text COLLATE "C", SET (fillfactor = 60, toast_tuple_target = 8160);
