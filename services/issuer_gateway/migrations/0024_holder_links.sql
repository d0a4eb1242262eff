-- Secret links by which learners show what they hold, and others see it. Of a link's secret only the hash is kept.

-- (1) A learner's own link leads to one credential, or (credential_id NULL) to all of the institution's. A share is made
--     on the page of such a link (shared_from), shows one credential to others, and says in sealed_terms (under the
--     learner's key) for whom it is meant and which parts it shows. source names the claim or request that led to it.
CREATE TABLE holder_link (
    link_id uuid PRIMARY KEY,
    institution_id uuid NOT NULL REFERENCES institution,
    learner_id uuid NOT NULL REFERENCES learner,
    credential_id bytea REFERENCES credential,
    shared_from uuid REFERENCES holder_link ON DELETE CASCADE,
    source text,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    sealed_terms bytea,
    view_count integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    CHECK ((shared_from IS NULL) = (sealed_terms IS NULL)),
    CHECK (shared_from IS NULL OR credential_id IS NOT NULL)
);
CREATE INDEX holder_link_by_learner ON holder_link (learner_id, created_at);
CREATE INDEX holder_link_by_share ON holder_link (shared_from) WHERE shared_from IS NOT NULL;
CREATE INDEX holder_link_by_source ON holder_link (source) WHERE source IS NOT NULL;
GRANT SELECT, INSERT, DELETE ON holder_link TO :"running_role";
GRANT UPDATE (view_count, ended_at) ON holder_link TO :"running_role";

-- (2) A claim may lead to all that its learner holds, and not to its credential alone.
ALTER TABLE claim ADD COLUMN opens_all boolean NOT NULL DEFAULT false;

-- (3) The institution's logo, a PNG.
CREATE TABLE institution_logo (
    institution_id uuid PRIMARY KEY REFERENCES institution,
    content bytea NOT NULL CHECK (octet_length(content) BETWEEN 1 AND 262144),
    changed_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON institution_logo TO :"running_role";
