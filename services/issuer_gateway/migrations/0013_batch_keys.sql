-- Keys of batches lie outside the database (CREDENTIFY_GATEWAY_KEY_FOLDER), so that no backup of it opens their rows.

-- (1) Under which name the key folder has a batch's key; NULL once nothing more is done for the batch. `sealed_key` is
--     what an earlier version left here; the next start moves it out.
ALTER TABLE batch ADD COLUMN key_id uuid;
-- Keys that nothing needs any more, until the key folder has destroyed them.
CREATE TABLE batch_key_ended (key_id uuid PRIMARY KEY);

-- (2) Refusals that an earlier version kept may quote what stood in a row; the next start takes their words away.
ALTER TABLE batch ADD COLUMN may_quote_rows boolean NOT NULL DEFAULT true;
ALTER TABLE batch ALTER COLUMN may_quote_rows SET DEFAULT false;
CREATE INDEX batch_that_may_quote_rows ON batch (batch_id) WHERE may_quote_rows;

-- (3) An erasure takes its learner's rows out of what waits, and seals the rest anew.
GRANT UPDATE (key_id, may_quote_rows) ON batch TO :"running_role";
GRANT UPDATE (sealed) ON batch_part TO :"running_role";
GRANT UPDATE (sealed_problem, sealed_notes) ON batch_row TO :"running_role";
GRANT SELECT, INSERT, DELETE ON batch_key_ended TO :"running_role";
