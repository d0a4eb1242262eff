-- What a dry run warns of in a row that it passes; sealed like problems.
ALTER TABLE batch_row
    ADD COLUMN sealed_notes bytea,
    ADD CONSTRAINT batch_row_notes_of_dry_run CHECK (sealed_notes IS NULL OR is_checked);
