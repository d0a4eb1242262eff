-- Rules version 2: URI prefixes of institutions do not overlap, so whose they are is looked up by key. What was saved before
-- is noted at the first such look-up (services/persistence/postgres_states.py).
CREATE TABLE uri_prefix (prefix text COLLATE "C", did text, PRIMARY KEY (prefix, did));
ALTER TABLE issuer ADD COLUMN has_prefixes boolean NOT NULL DEFAULT false;
GRANT SELECT, INSERT ON uri_prefix TO :"running_role";
