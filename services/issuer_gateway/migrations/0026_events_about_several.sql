-- Rules version 2: one event may be about several credentials, and credentials are named by commitments.

-- (1) In which streams an event of the outbox stands: that of each credential that it is about. What was signed anew in
--     place of an event that was refused has that one's place, so that nothing passes it.
CREATE TABLE outbox_stream (
    stream bytea NOT NULL CHECK (octet_length(stream) = 32),
    place bigint NOT NULL,
    outbox_id bigint NOT NULL REFERENCES outbox,
    PRIMARY KEY (stream, place, outbox_id)
);
CREATE INDEX outbox_stream_by_event ON outbox_stream (outbox_id);
INSERT INTO outbox_stream (stream, place, outbox_id) SELECT stream, outbox_id, outbox_id FROM outbox;
-- `stream` is that of an event about one credential.
ALTER TABLE outbox ALTER COLUMN stream DROP NOT NULL;
DROP INDEX outbox_open_streams;

-- (2) Several credentials may have one event, and another one in its place.
ALTER TABLE credential DROP CONSTRAINT credential_event_id_key;
CREATE INDEX credential_by_event ON credential (event_id);
GRANT UPDATE (event_id) ON credential TO :"running_role";
-- The commitment lies outside the learner's key: a void issue can be said again after an erasure.
ALTER TABLE credential ADD COLUMN commitment bytea CHECK (octet_length(commitment) = 32);

-- (3) The credential that a row of a batch changed, whose event may be about others as well.
ALTER TABLE batch_row ADD COLUMN changed bytea CHECK (octet_length(changed) = 32);
CREATE INDEX batch_row_by_change ON batch_row (event_id) WHERE changed IS NOT NULL;
GRANT UPDATE (event_id) ON batch_row TO :"running_role";

GRANT SELECT, INSERT ON outbox_stream TO :"running_role";
CREATE INDEX batch_row_by_credential ON batch_row (credential_id) WHERE credential_id IS NOT NULL AND NOT is_repeated;
