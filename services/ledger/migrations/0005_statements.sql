-- Rules version 2: standing decisions, invitations and endorsements, and the groups that the rules read them by
-- (services/persistence/postgres_statements.py).
CREATE TABLE statement (event_id bytea PRIMARY KEY CHECK (octet_length(event_id) = 32), state bytea NOT NULL);
CREATE TABLE statement_group (
    name bytea CHECK (octet_length(name) = 32), place bigint, event_id bytea NOT NULL, PRIMARY KEY (name, place)
);
GRANT SELECT, INSERT, UPDATE ON statement TO :"running_role";
GRANT SELECT, INSERT ON statement_group TO :"running_role";

-- A log that continues another begins with its statements too.
ALTER TABLE inherited_state DROP CONSTRAINT inherited_state_kind_check;
ALTER TABLE inherited_state ADD CONSTRAINT inherited_state_kind_check
    CHECK (kind IN ('log', 'issuer', 'credential', 'shared_credential', 'shared_lives', 'recognition', 'statement'));
