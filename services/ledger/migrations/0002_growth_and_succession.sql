-- Entries in partitions of ten million; the freezing of a log; the first state of a log that continues another.

-- Entries. What was the table becomes its first partition, with all it holds; the new parent takes over its name. That
-- an event is on the log once is enforced within a partition by the index, and across partitions by the sequencer, who
-- looks the event up while it holds the head row (a unique index over all partitions would have to contain the index).
DROP VIEW event;
DROP TRIGGER append_only ON entry;
ALTER TABLE entry RENAME TO entry_0;
ALTER INDEX entry_pkey RENAME TO entry_0_pkey;
ALTER INDEX entry_event_id_key RENAME TO entry_0_event_id_key;

CREATE FUNCTION entries_per_partition() RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 10000000::bigint';

CREATE TABLE entry (
    leaf_index bigint NOT NULL CONSTRAINT entry_leaf_index_check CHECK (leaf_index >= 0),
    leaf_hash bytea NOT NULL CONSTRAINT entry_leaf_hash_check CHECK (octet_length(leaf_hash) = 32),
    event_id bytea NOT NULL CONSTRAINT entry_event_id_check CHECK (octet_length(event_id) = 32),
    received_at_ms bigint NOT NULL,
    entry bytea NOT NULL CONSTRAINT entry_entry_check CHECK (octet_length(entry) BETWEEN 1 AND 65535),
    PRIMARY KEY (leaf_index)
) PARTITION BY RANGE (leaf_index);
ALTER TABLE entry ALTER COLUMN entry SET STORAGE EXTERNAL;
DO $$
BEGIN
    IF EXISTS (SELECT FROM entry_0 WHERE leaf_index >= entries_per_partition()) THEN
        RAISE EXCEPTION 'the log has more than % entries already: split it by hand', entries_per_partition();
    END IF;
    EXECUTE format('ALTER TABLE entry ATTACH PARTITION entry_0 FOR VALUES FROM (0) TO (%s)', entries_per_partition());
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE entry ENABLE ALWAYS TRIGGER append_only;
REVOKE ALL ON entry_0 FROM :"running_role";
GRANT SELECT, INSERT ON entry TO :"running_role";
CREATE VIEW event AS SELECT event_id, leaf_index FROM entry;
GRANT SELECT ON event TO :"running_role";

-- Append-only tables are frozen as they fill, so that no vacuum ever has to read them all again; the planner's numbers
-- follow every tenth of a partition at the latest. One-row tables leave room on their page for their next versions.
CREATE FUNCTION settle_partition(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I SET (autovacuum_vacuum_insert_scale_factor = 0, '
        'autovacuum_vacuum_insert_threshold = 250000, autovacuum_freeze_min_age = 0, '
        'autovacuum_analyze_scale_factor = 0.1, autovacuum_analyze_threshold = 10000)', name);
    EXECUTE format('ALTER TABLE %I ALTER COLUMN entry SET STORAGE EXTERNAL', name);
    EXECUTE format('CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I '
        'FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER append_only', name);
END
$$;
REVOKE ALL ON FUNCTION settle_partition(text) FROM PUBLIC;
SELECT settle_partition('entry_0');
ALTER TABLE tile SET (
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 5000,
    autovacuum_freeze_min_age = 0, autovacuum_analyze_scale_factor = 0.1, autovacuum_analyze_threshold = 1000
);
ALTER TABLE head SET (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE edge SET (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE credential_state SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE issuer SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

-- Makes the next partition when the last one is half full; returns how many entries there is room for beyond `size`.
-- Attaching holds up no insert (SHARE UPDATE EXCLUSIVE). The running role may call this and create nothing else.
CREATE FUNCTION make_room(size bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
DECLARE
    width bigint := entries_per_partition();
    last bigint;
    room_end bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(1701737586); -- "entr": two at once make one partition
    SELECT max(substr(relname, 7)::bigint) INTO last FROM pg_inherits
        JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'public.entry'::regclass;
    WHILE (last + 1) * width < size + width / 2 LOOP
        last := last + 1;
        EXECUTE format('CREATE TABLE public.entry_%s (LIKE public.entry INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', last);
        EXECUTE format('ALTER TABLE public.entry_%s ADD PRIMARY KEY (leaf_index), ADD UNIQUE (event_id)', last);
        PERFORM public.settle_partition(format('entry_%s', last));
        EXECUTE format('ALTER TABLE public.entry ATTACH PARTITION public.entry_%s FOR VALUES FROM (%s) TO (%s)',
            last, last * width, (last + 1) * width);
    END LOOP;
    RETURN (last + 1) * width - size;
END
$$;
REVOKE ALL ON FUNCTION make_room(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_room(bigint) TO :"running_role";

-- A frozen log takes nothing more. The row is written while the head is locked, so no batch is under way then.
CREATE TABLE frozen (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    frozen_at timestamptz NOT NULL DEFAULT now(),
    successor text CHECK (length(successor) BETWEEN 1 AND 500)
);
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON frozen FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE frozen ENABLE ALWAYS TRIGGER append_only;
CREATE FUNCTION refuse_growth() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM frozen) THEN
        RAISE EXCEPTION 'the log is frozen' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER not_frozen BEFORE UPDATE ON head FOR EACH ROW EXECUTE FUNCTION refuse_growth();
ALTER TABLE head ENABLE ALWAYS TRIGGER not_frozen;
GRANT SELECT, INSERT, UPDATE ON frozen TO :"running_role";

-- What a log that continues another began with: the predecessor's final state, as its entries gave it when replayed.
CREATE TABLE inherited_event (event_id bytea PRIMARY KEY CHECK (octet_length(event_id) = 32), leaf_index bigint NOT NULL);
CREATE TABLE inherited_state (
    kind text NOT NULL CHECK (kind IN ('log', 'issuer', 'credential', 'recognition')),
    name text NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (kind, name)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON inherited_event FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON inherited_state FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE inherited_event ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE inherited_state ENABLE ALWAYS TRIGGER append_only;
GRANT SELECT, INSERT ON inherited_event, inherited_state TO :"running_role";
