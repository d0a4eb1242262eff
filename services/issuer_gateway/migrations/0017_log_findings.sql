-- What was found against the followed log ('fault'), and the checkpoints that it signed and did not show to be of one
-- history ('suspects'): both outlive a restart.
CREATE TABLE log_finding (name text PRIMARY KEY, value bytea NOT NULL);
GRANT SELECT, INSERT, UPDATE ON log_finding TO :"running_role";
