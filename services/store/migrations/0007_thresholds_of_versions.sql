-- Rows whose threshold is their version's usual one have none of their own. The view is made again by schema.sql.
ALTER TABLE IF EXISTS model_versions ADD COLUMN threshold integer;
DROP VIEW IF EXISTS verdicts;
