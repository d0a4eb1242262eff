-- What rows refer to is asked once for all rows of a statement. A list of 768 awards adds its rows by a few statements,
-- and the database asked for each row by itself whether the institution, the achievement, the event, the shared part,
-- the learner, the list and the batch are there: eleven questions, most of them the same for all rows.
--
-- A foreign key has two sides. (1) A row that refers to nothing is refused, with the same SQLSTATE as before. (2) What
-- is referred to stays, and what it is known by: nothing leaves these tables (no role has DELETE on them), so that is
-- refused for the owner too, instead of being asked of every table that refers to them. An institution is not asked for
-- where an achievement of it is.

CREATE FUNCTION refuse_loss() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE foreign_key_violation USING
        TABLE = TG_TABLE_NAME,
        MESSAGE = format('rows of %s stay, and what they are known by: others refer to them', TG_TABLE_NAME);
END
$$;
CREATE TRIGGER is_referred_to BEFORE DELETE OR TRUNCATE OR UPDATE OF institution_id
    ON institution FOR EACH STATEMENT EXECUTE FUNCTION refuse_loss();
CREATE TRIGGER is_referred_to BEFORE DELETE OR TRUNCATE OR UPDATE OF institution_id, achievement_id, revision
    ON achievement_revision FOR EACH STATEMENT EXECUTE FUNCTION refuse_loss();
CREATE TRIGGER is_referred_to BEFORE DELETE OR TRUNCATE OR UPDATE OF digest
    ON document_part FOR EACH STATEMENT EXECUTE FUNCTION refuse_loss();
CREATE TRIGGER is_referred_to BEFORE DELETE OR TRUNCATE OR UPDATE OF outbox_id, event_id
    ON outbox FOR EACH STATEMENT EXECUTE FUNCTION refuse_loss();
CREATE TRIGGER is_referred_to BEFORE DELETE OR TRUNCATE OR UPDATE OF institution_id, number
    ON status_list FOR EACH STATEMENT EXECUTE FUNCTION refuse_loss();
CREATE TRIGGER is_referred_to BEFORE DELETE OR TRUNCATE OR UPDATE OF batch_id
    ON batch FOR EACH STATEMENT EXECUTE FUNCTION refuse_loss();
CREATE TRIGGER is_referred_to BEFORE DELETE OR TRUNCATE OR UPDATE OF learner_id, institution_id
    ON learner FOR EACH STATEMENT EXECUTE FUNCTION refuse_loss();
CREATE TRIGGER is_referred_to BEFORE DELETE OR TRUNCATE OR UPDATE OF credential_id
    ON credential FOR EACH STATEMENT EXECUTE FUNCTION refuse_loss();
-- These refer, and are not referred to: they may go, but refer to nothing else later.
CREATE TRIGGER refers_as_added BEFORE UPDATE OF credential_id, institution_id, list_number
    ON status_place FOR EACH STATEMENT EXECUTE FUNCTION refuse_loss();
CREATE TRIGGER refers_as_added BEFORE UPDATE OF batch_id, credential_id
    ON batch_row FOR EACH STATEMENT EXECUTE FUNCTION refuse_loss();
CREATE TRIGGER refers_as_added BEFORE UPDATE OF outbox_id
    ON outbox_stream FOR EACH STATEMENT EXECUTE FUNCTION refuse_loss();

CREATE FUNCTION refuse_dangling(referring text, missing text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE foreign_key_violation USING
        TABLE = referring,
        CONSTRAINT = referring || '_' || missing,
        MESSAGE = format('a row of %s refers to a row of %s that is not there', referring, missing);
END
$$;

-- Each looks up by an index, however small a table was when the plan was made: plans are kept, and tables grow.
CREATE FUNCTION check_credentials_added() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    missing text := CASE
        WHEN EXISTS (
            SELECT FROM (SELECT DISTINCT institution_id, achievement_id, revision FROM added) AS named
            WHERE NOT EXISTS (
                SELECT FROM achievement_revision AS there
                WHERE (there.institution_id, there.achievement_id, there.revision)
                    = (named.institution_id, named.achievement_id, named.revision))
        ) THEN 'achievement_revision'
        WHEN EXISTS (
            SELECT FROM (SELECT DISTINCT event_id FROM added) AS named
            WHERE NOT EXISTS (SELECT FROM outbox AS there WHERE there.event_id = named.event_id)
        ) THEN 'outbox'
        WHEN EXISTS (
            SELECT FROM (SELECT DISTINCT part_digest FROM added WHERE part_digest IS NOT NULL) AS named
            WHERE NOT EXISTS (SELECT FROM document_part AS there WHERE there.digest = named.part_digest)
        ) THEN 'document_part'
        WHEN EXISTS (
            SELECT FROM added AS named
            WHERE NOT EXISTS (SELECT FROM learner AS there WHERE there.learner_id = named.learner_id)
        ) THEN 'learner'
    END;
BEGIN
    IF missing IS NOT NULL THEN
        PERFORM refuse_dangling('credential', missing);
    END IF;
    RETURN NULL;
END
$$;
CREATE FUNCTION check_learners_added() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT institution_id FROM added) AS named
        WHERE NOT EXISTS (SELECT FROM institution AS there WHERE there.institution_id = named.institution_id)
    ) THEN
        PERFORM refuse_dangling('learner', 'institution');
    END IF;
    RETURN NULL;
END
$$;
CREATE FUNCTION check_status_places_added() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    missing text := CASE
        WHEN EXISTS (
            SELECT FROM (SELECT DISTINCT institution_id, list_number FROM added) AS named
            WHERE NOT EXISTS (
                SELECT FROM status_list AS there
                WHERE (there.institution_id, there.number) = (named.institution_id, named.list_number))
        ) THEN 'status_list'
        WHEN EXISTS (
            SELECT FROM added AS named
            WHERE NOT EXISTS (SELECT FROM credential AS there WHERE there.credential_id = named.credential_id)
        ) THEN 'credential'
    END;
BEGIN
    IF missing IS NOT NULL THEN
        PERFORM refuse_dangling('status_place', missing);
    END IF;
    RETURN NULL;
END
$$;
CREATE FUNCTION check_batch_rows_added() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    missing text := CASE
        WHEN EXISTS (
            SELECT FROM (SELECT DISTINCT batch_id FROM added) AS named
            WHERE NOT EXISTS (SELECT FROM batch AS there WHERE there.batch_id = named.batch_id)
        ) THEN 'batch'
        WHEN EXISTS (
            SELECT FROM (SELECT DISTINCT event_id FROM added WHERE event_id IS NOT NULL) AS named
            WHERE NOT EXISTS (SELECT FROM outbox AS there WHERE there.event_id = named.event_id)
        ) THEN 'outbox'
        WHEN EXISTS (
            SELECT FROM added AS named
            WHERE credential_id IS NOT NULL
                AND NOT EXISTS (SELECT FROM credential AS there WHERE there.credential_id = named.credential_id)
        ) THEN 'credential'
    END;
BEGIN
    IF missing IS NOT NULL THEN
        PERFORM refuse_dangling('batch_row', missing);
    END IF;
    RETURN NULL;
END
$$;
CREATE FUNCTION check_outbox_streams_added() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT outbox_id FROM added) AS named
        WHERE NOT EXISTS (SELECT FROM outbox AS there WHERE there.outbox_id = named.outbox_id)
    ) THEN
        PERFORM refuse_dangling('outbox_stream', 'outbox');
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER refers AFTER INSERT ON credential REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_credentials_added();
CREATE TRIGGER refers AFTER INSERT ON learner REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_learners_added();
CREATE TRIGGER refers AFTER INSERT ON status_place REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_status_places_added();
CREATE TRIGGER refers AFTER INSERT ON batch_row REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_batch_rows_added();
CREATE TRIGGER refers AFTER INSERT ON outbox_stream REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_outbox_streams_added();
-- An event that is said again in place of one that was void is the one thing of these that changes.
CREATE TRIGGER refers_later AFTER UPDATE ON credential REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_credentials_added();
CREATE TRIGGER refers_later AFTER UPDATE ON batch_row REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_batch_rows_added();
-- For who reads the catalogue: what a constraint would say.
COMMENT ON TRIGGER refers ON credential IS 'achievement_revision, outbox, document_part, learner';
COMMENT ON TRIGGER refers ON learner IS 'institution';
COMMENT ON TRIGGER refers ON status_place IS 'status_list, credential';
COMMENT ON TRIGGER refers ON batch_row IS 'batch, outbox, credential';
COMMENT ON TRIGGER refers ON outbox_stream IS 'outbox';

ALTER TABLE credential
    DROP CONSTRAINT credential_institution_id_fkey,
    DROP CONSTRAINT credential_institution_id_achievement_id_revision_fkey,
    DROP CONSTRAINT credential_event_id_fkey,
    DROP CONSTRAINT credential_part_digest_fkey,
    DROP CONSTRAINT credential_learner_id_fkey;
ALTER TABLE learner DROP CONSTRAINT learner_institution_id_fkey;
ALTER TABLE status_place
    DROP CONSTRAINT status_place_institution_id_list_number_fkey,
    DROP CONSTRAINT status_place_credential_id_fkey;
ALTER TABLE batch_row
    DROP CONSTRAINT batch_row_batch_id_fkey,
    DROP CONSTRAINT batch_row_event_id_fkey,
    DROP CONSTRAINT batch_row_credential_id_fkey;
ALTER TABLE outbox_stream DROP CONSTRAINT outbox_stream_outbox_id_fkey;
