-- The log: entries and full tiles are only ever added; head and edge move on; the rest is projected from the entries.

CREATE TABLE log (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    origin text NOT NULL,
    verifier_key text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE entry (
    leaf_index bigint PRIMARY KEY CHECK (leaf_index >= 0),
    leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32),
    event_id bytea NOT NULL UNIQUE CHECK (octet_length(event_id) = 32),
    received_at_ms bigint NOT NULL,
    entry bytea NOT NULL CHECK (octet_length(entry) BETWEEN 1 AND 65535)
);
ALTER TABLE entry ALTER COLUMN entry SET STORAGE EXTERNAL; -- signatures and hashes in base64 do not compress

CREATE TABLE tile (
    level smallint NOT NULL CHECK (level BETWEEN 0 AND 63),
    tile_index bigint NOT NULL CHECK (tile_index >= 0),
    hashes bytea NOT NULL CHECK (octet_length(hashes) = 8192),
    PRIMARY KEY (level, tile_index)
);
ALTER TABLE tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- One row each. The lock on `head` is what makes one sequencer at a time; `edge` holds the partial tile of each level.
CREATE TABLE head (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    size bigint NOT NULL CHECK (size >= 1),
    root_hash bytea NOT NULL CHECK (octet_length(root_hash) = 32),
    last_leaf_hash bytea NOT NULL CHECK (octet_length(last_leaf_hash) = 32),
    last_received_at_ms bigint NOT NULL
);
CREATE TABLE edge (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    size bigint NOT NULL CHECK (size >= 1),
    partials bytea[] NOT NULL
);
ALTER TABLE edge ALTER COLUMN partials SET STORAGE EXTERNAL;

-- Every checkpoint that was ever published; a newer note of the same size may carry more cosignatures.
CREATE TABLE checkpoint (
    size bigint PRIMARY KEY CHECK (size >= 1),
    root_hash bytea NOT NULL CHECK (octet_length(root_hash) = 32),
    note bytea NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now()
);

-- What services/states.py reads and writes.
CREATE TABLE log_state (is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only), state bytea NOT NULL);
CREATE TABLE issuer (did text PRIMARY KEY, successors text[] NOT NULL DEFAULT '{}', state bytea NOT NULL);
CREATE TABLE public_key (public_key text PRIMARY KEY, key_id text NOT NULL);
CREATE TABLE credential_state (credential_id bytea PRIMARY KEY, state bytea NOT NULL);
CREATE TABLE recognition (
    event_id bytea PRIMARY KEY,
    credential_id bytea NOT NULL,
    recogniser text NOT NULL,
    state bytea NOT NULL
);
CREATE INDEX recognition_by_pair ON recognition (credential_id, recogniser);
CREATE VIEW event AS SELECT event_id, leaf_index FROM entry;

-- Append-only twice: by what the running role may do (below), and by triggers, which hold for the owner as well.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the table % is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tile FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON head FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON checkpoint FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE log ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE entry ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE tile ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE head ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE checkpoint ENABLE ALWAYS TRIGGER append_only;

CREATE FUNCTION refuse_regress() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.size <= OLD.size OR NEW.last_received_at_ms < OLD.last_received_at_ms THEN
        RAISE EXCEPTION 'the head of the log moves forward only' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER forward_only BEFORE UPDATE ON head FOR EACH ROW EXECUTE FUNCTION refuse_regress();
ALTER TABLE head ENABLE ALWAYS TRIGGER forward_only;

CREATE FUNCTION refuse_other_root() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.size <> OLD.size OR NEW.root_hash <> OLD.root_hash THEN
        RAISE EXCEPTION 'a published checkpoint keeps its size and root' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER same_root_only BEFORE UPDATE ON checkpoint FOR EACH ROW EXECUTE FUNCTION refuse_other_root();
ALTER TABLE checkpoint ENABLE ALWAYS TRIGGER same_root_only;

GRANT SELECT, INSERT ON log, entry, tile TO :"running_role";
GRANT SELECT, INSERT, UPDATE ON head, edge, checkpoint TO :"running_role";
GRANT SELECT, INSERT, UPDATE ON log_state, issuer, public_key, credential_state, recognition TO :"running_role";
GRANT SELECT ON event TO :"running_role";
