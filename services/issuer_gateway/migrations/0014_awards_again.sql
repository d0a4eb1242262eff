-- Awards that were made before are recognised: such a row names the credential that it found.
ALTER TABLE batch
    ADD COLUMN repeated_count integer NOT NULL DEFAULT 0,
    ADD COLUMN on_repeat text CHECK (on_repeat IN ('replace', 'repeat')),
    ADD COLUMN may_revoke boolean NOT NULL DEFAULT false;
-- A row's learner and achievement, by a fingerprint under the batch's key, which goes when the batch is over.
ALTER TABLE batch_row
    ADD COLUMN is_repeated boolean NOT NULL DEFAULT false,
    ADD COLUMN pair_fingerprint bytea;
CREATE INDEX batch_row_by_pair ON batch_row (batch_id, pair_fingerprint) WHERE pair_fingerprint IS NOT NULL;
GRANT UPDATE (repeated_count) ON batch TO :"running_role";
