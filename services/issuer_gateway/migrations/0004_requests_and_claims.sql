-- Requests of learners for achievements, and one-time links by which credentials are claimed. Of a link's secret only
-- the hash is kept; what names a person is sealed under the learner's key, like documents.

-- (1) Requests. Until one is accepted its learner is one of its own, who is erased with it.
CREATE TABLE request (
    request_id uuid PRIMARY KEY,
    institution_id uuid NOT NULL REFERENCES institution,
    achievement_id text NOT NULL,
    learner_id uuid NOT NULL REFERENCES learner,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'accepted', 'rejected', 'withdrawn', 'lapsed')),
    sealed_content bytea NOT NULL,
    sealed_reason bytea,
    credential_id bytea REFERENCES credential,
    created_at timestamptz NOT NULL DEFAULT now(),
    decided_at timestamptz,
    FOREIGN KEY (institution_id, achievement_id) REFERENCES achievement,
    CHECK ((state = 'open') = (decided_at IS NULL)),
    CHECK ((state = 'accepted') = (credential_id IS NOT NULL)),
    CHECK (sealed_reason IS NULL OR state IN ('rejected', 'lapsed'))
);
CREATE INDEX request_by_institution ON request (institution_id, created_at, request_id);
CREATE INDEX request_open ON request (institution_id) WHERE state = 'open';
CREATE INDEX request_to_lapse ON request (created_at) WHERE state IN ('open', 'rejected');
CREATE INDEX request_by_learner ON request (learner_id);

-- (2) Claims: of an award that is issued when the link is used (it lies sealed until then), or of an issued credential.
CREATE TABLE claim (
    claim_id uuid PRIMARY KEY,
    institution_id uuid NOT NULL REFERENCES institution,
    learner_id uuid NOT NULL REFERENCES learner,
    achievement_id text NOT NULL,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    sealed_award bytea,
    credential_id bytea REFERENCES credential,
    batch_id uuid REFERENCES batch,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    cancelled_at timestamptz,
    FOREIGN KEY (institution_id, achievement_id) REFERENCES achievement,
    CHECK (used_at IS NULL OR (cancelled_at IS NULL AND credential_id IS NOT NULL AND sealed_award IS NULL))
);
CREATE INDEX claim_by_credential ON claim (credential_id) WHERE credential_id IS NOT NULL;
CREATE INDEX claim_by_learner ON claim (learner_id);
CREATE INDEX claim_with_award ON claim (expires_at) WHERE sealed_award IS NOT NULL;

-- (3) What moves.
GRANT SELECT, INSERT ON request, claim TO :"running_role";
GRANT UPDATE (learner_id, state, sealed_content, sealed_reason, credential_id, decided_at) ON request
    TO :"running_role";
GRANT UPDATE (sealed_award, credential_id, used_at, cancelled_at) ON claim TO :"running_role";
