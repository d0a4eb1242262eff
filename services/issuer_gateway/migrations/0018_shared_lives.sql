-- Rules version 2: credentials that one event gave the same lives share one row of them (services/persistence/
-- postgres_states.py), made of the event's place and never changed; what is said of one alone gives it a state of its own.
CREATE TABLE shared_lives (place bigint PRIMARY KEY, lives bytea NOT NULL);
ALTER TABLE credential_state
    ALTER COLUMN state DROP NOT NULL,
    ADD COLUMN shared bigint,
    ADD CONSTRAINT own_or_shared CHECK ((state IS NULL) <> (shared IS NULL));
GRANT SELECT, INSERT, UPDATE ON shared_lives TO :"running_role";
