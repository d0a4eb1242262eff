-- The audit trail: who did what, from where, answered what. Append-only: what was recorded is changed by nobody, and only
-- retention takes the oldest of it away. Nothing in it names a learner.

-- (1) Written in the transaction of what it records, without waiting for anybody. A moment later it becomes a link.
CREATE TABLE audit_record (
    record_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    institution_id uuid NOT NULL,
    record bytea NOT NULL
);
-- (2) The chain of each institution, and the operator's, which has the id of zeros.
CREATE TABLE audit_entry (
    institution_id uuid NOT NULL,
    number bigint NOT NULL CHECK (number >= 1),
    record_id bigint NOT NULL UNIQUE,
    recorded_at timestamptz NOT NULL,
    previous bytea NOT NULL CHECK (octet_length(previous) = 32),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    record bytea NOT NULL,
    PRIMARY KEY (institution_id, number)
);
-- (3) Its end, and how far retention has taken its beginning away.
CREATE TABLE audit_chain (
    institution_id uuid PRIMARY KEY,
    number bigint NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    purged_number bigint NOT NULL DEFAULT 0,
    purged_hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex')
);

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'audit_record' THEN
        IF EXISTS (SELECT FROM audit_entry AS entry WHERE entry.record_id = OLD.record_id AND entry.record = OLD.record) THEN
            RETURN OLD;
        END IF;
    ELSIF TG_OP = 'DELETE' AND current_setting('credentify.audit_retention', true) = OLD.institution_id::text THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit trail is append-only: % of % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_record_is_kept BEFORE UPDATE OR DELETE ON audit_record
    FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_record_is_not_emptied BEFORE TRUNCATE ON audit_record
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_entry_is_kept BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_entry_is_not_emptied BEFORE TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

-- The one way by which anything leaves: the oldest of one institution, older than so many days, 30 at least.
CREATE FUNCTION purge_audit_trail(of_institution uuid, days integer, entries_max integer)
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    chain RECORD;
    last RECORD;
BEGIN
    IF days < 30 THEN
        RAISE EXCEPTION 'an audit trail is kept for 30 days at least' USING ERRCODE = 'check_violation';
    END IF;
    SELECT * INTO chain FROM public.audit_chain WHERE institution_id = of_institution FOR UPDATE;
    SELECT number, hash INTO last FROM public.audit_entry
        WHERE institution_id = of_institution AND number > chain.purged_number
            AND number <= chain.purged_number + entries_max AND recorded_at < now() - make_interval(days => days)
            AND number < chain.number
        ORDER BY number DESC LIMIT 1;
    IF last.number IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM set_config('credentify.audit_retention', of_institution::text, true);
    DELETE FROM public.audit_entry WHERE institution_id = of_institution AND number <= last.number;
    PERFORM set_config('credentify.audit_retention', '', true);
    UPDATE public.audit_chain SET purged_number = last.number, purged_hash = last.hash
        WHERE institution_id = of_institution;
    RETURN last.number - chain.purged_number;
END $$;
REVOKE ALL ON FUNCTION purge_audit_trail FROM PUBLIC;
GRANT EXECUTE ON FUNCTION purge_audit_trail TO :"running_role";

GRANT SELECT, INSERT, DELETE ON audit_record TO :"running_role";
GRANT SELECT, INSERT ON audit_entry, audit_chain TO :"running_role";
GRANT UPDATE (number, hash) ON audit_chain TO :"running_role";

-- Who manages keys of an institution may read its trail, and let others read it.
UPDATE api_key SET scopes = scopes || '{audit:read}' WHERE 'keys:manage' = ANY(scopes) AND revoked_at IS NULL;
