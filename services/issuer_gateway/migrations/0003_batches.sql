-- Batches that are worked on in the background, changes by batch, dry runs, and the skills of ESCO.

-- (1) A batch in the background: its input lies sealed under a key of its own until it is done with.
ALTER TABLE batch
    ADD COLUMN kind text NOT NULL DEFAULT 'awards' CHECK (kind IN ('awards', 'changes')),
    ADD COLUMN is_background boolean NOT NULL DEFAULT false,
    ADD COLUMN is_dry_run boolean NOT NULL DEFAULT false,
    ADD COLUMN media_type text,
    ADD COLUMN may_issue boolean NOT NULL DEFAULT true,
    ADD COLUMN state text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'running', 'finished', 'cancelled', 'failed')),
    ADD COLUMN sealed_key bytea,
    ADD COLUMN accepted_count integer NOT NULL DEFAULT 0,
    ADD COLUMN refused_count integer NOT NULL DEFAULT 0,
    ADD COLUMN worked_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN finished_at timestamptz;
CREATE INDEX batch_to_do ON batch (worked_at) WHERE is_background AND state IN ('waiting', 'running');
-- An upload that broke off leaves parts without a batch; nobody has their key, and they are swept.
CREATE TABLE batch_part (
    batch_id uuid NOT NULL,
    part integer NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (batch_id, part)
);
CREATE INDEX batch_part_by_age ON batch_part (created_at);

-- (2) Results: a change has an event and makes no credential, a dry run makes neither. A row of a CSV file has a
-- fingerprint under the batch's key, so that the same row is not awarded twice.
ALTER TABLE batch_row
    DROP CONSTRAINT batch_row_check,
    ADD COLUMN event_id bytea REFERENCES outbox (event_id),
    ADD COLUMN is_checked boolean NOT NULL DEFAULT false,
    ADD COLUMN fingerprint bytea,
    ADD CONSTRAINT batch_row_has_result
        CHECK ((sealed_problem IS NOT NULL) <> (credential_id IS NOT NULL OR event_id IS NOT NULL OR is_checked));
CREATE INDEX batch_row_by_fingerprint ON batch_row (batch_id, fingerprint) WHERE fingerprint IS NOT NULL;

-- (3) Skills as ESCO's own CSV files list them; label and search_text are in one language.
CREATE TABLE esco_skill (
    uri text NOT NULL,
    language text NOT NULL,
    label text NOT NULL,
    skill_type text NOT NULL,
    description text NOT NULL,
    search_text text NOT NULL,
    PRIMARY KEY (uri, language)
);

-- (4) The running role takes input away once it is done with, and keeps results.
GRANT SELECT, INSERT, DELETE ON batch_part TO :"running_role";
GRANT SELECT, INSERT, UPDATE ON esco_skill TO :"running_role";
GRANT UPDATE (state, sealed_key, accepted_count, refused_count, worked_at, finished_at) ON batch TO :"running_role";
