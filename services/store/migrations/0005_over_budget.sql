-- Alerts beyond the budget are a status of triage; what the log says of them may be dropped with them, decisions never.
-- The triggers are made again by schema.sql.
ALTER TABLE IF EXISTS triage DROP CONSTRAINT IF EXISTS triage_status_check;
ALTER TABLE IF EXISTS triage ADD CONSTRAINT triage_status_check
    CHECK (status IN ('open', 'acknowledged', 'confirmed', 'false_positive', 'snoozed', 'over_budget'));
DROP TRIGGER IF EXISTS only_grows ON triage_log;
