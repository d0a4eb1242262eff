-- What earlier rows of a dry run would give their learners, for prerequisites of later ones: fingerprints under the
-- batch's key, which goes when the batch is over.
ALTER TABLE batch_row ADD COLUMN held_fingerprint bytea;
CREATE INDEX batch_row_by_held ON batch_row (batch_id, held_fingerprint) WHERE held_fingerprint IS NOT NULL;
