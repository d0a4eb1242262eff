-- Applications for recognition (DESIGN 11). What names a person and what was written is sealed under the applicant's own
-- key; what is in clear are the achievement, the programme and how it was decided, and goes with the applicant.
CREATE TABLE application (
    application_id uuid PRIMARY KEY,
    institution_id uuid NOT NULL REFERENCES institution,
    learner_id uuid NOT NULL REFERENCES learner,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'decided', 'withdrawn', 'lapsed')),
    programme text NOT NULL,
    is_public boolean NOT NULL,
    sealed_applicant bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL,
    closed_at timestamptz
);
CREATE INDEX application_due ON application (institution_id, state, due_at, application_id);
CREATE INDEX application_by_learner ON application (learner_id);
CREATE INDEX application_to_lapse ON application (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE application_item (
    application_id uuid NOT NULL REFERENCES application ON DELETE CASCADE,
    number integer NOT NULL,
    sealed_title bytea NOT NULL,
    sealed_evidence bytea NOT NULL,
    sealed_answer bytea,
    sealed_appeal bytea,
    credential_id bytea,
    achievement text,
    achievement_issuer text,
    publish_at timestamptz,
    PRIMARY KEY (application_id, number)
);
CREATE INDEX application_item_like ON application_item (achievement_issuer, achievement) WHERE achievement IS NOT NULL;
CREATE INDEX application_item_to_publish ON application_item (publish_at) WHERE publish_at IS NOT NULL;

CREATE TABLE application_decision (
    application_id uuid NOT NULL,
    number integer NOT NULL,
    round integer NOT NULL CHECK (round IN (1, 2)),
    decision text NOT NULL CHECK (decision IN ('full', 'partial', 'refused')),
    ects_hundredths integer,
    eqf_level integer,
    reasons text[] NOT NULL,
    sealed_text bytea,
    api_key_id text,
    under_event bytea,
    recognition bytea,
    decided_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (application_id, number, round),
    FOREIGN KEY (application_id, number) REFERENCES application_item ON DELETE CASCADE
);

GRANT SELECT, INSERT ON application, application_item, application_decision TO :"running_role";
GRANT UPDATE (state, closed_at, sealed_applicant) ON application TO :"running_role";
GRANT UPDATE (sealed_answer, sealed_appeal, publish_at, credential_id, achievement, achievement_issuer)
    ON application_item TO :"running_role";
GRANT UPDATE (recognition) ON application_decision TO :"running_role";
GRANT DELETE ON application_item, application_decision TO :"running_role";
