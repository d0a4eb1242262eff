-- The issuer gateway's database: the followed log, the tenants, and what they said.

-- (1) The followed log, in the form that services.states documents.
CREATE TABLE log_state (is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only), state bytea NOT NULL);
CREATE TABLE issuer (did text PRIMARY KEY, successors text[] NOT NULL DEFAULT '{}', state bytea NOT NULL);
CREATE TABLE public_key (public_key text PRIMARY KEY, key_id text NOT NULL);
CREATE TABLE credential_state (credential_id bytea PRIMARY KEY, state bytea NOT NULL);
CREATE TABLE recognition (
    event_id bytea PRIMARY KEY,
    credential_id bytea NOT NULL,
    recogniser text NOT NULL,
    state bytea NOT NULL
);
CREATE INDEX recognition_by_pair ON recognition (credential_id, recogniser);
CREATE TABLE event (event_id bytea PRIMARY KEY, leaf_index bigint NOT NULL);
-- Stacks by their parts, for recipes whose parts may not count twice.
CREATE TABLE stack_part (
    part_id bytea NOT NULL,
    stack_id bytea NOT NULL,
    issuer text NOT NULL,
    PRIMARY KEY (part_id, stack_id)
);
-- How far the projection has come (msgpack of services.follow's Position).
CREATE TABLE followed (is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only), position bytea NOT NULL);

-- (2) Tenants and their keys.
CREATE TABLE keystore_check (is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only), sealed bytea NOT NULL);
CREATE TABLE institution (
    institution_id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    did text NOT NULL UNIQUE,
    record bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE secret_key (
    key_id text PRIMARY KEY,
    institution_id uuid NOT NULL REFERENCES institution,
    purpose text NOT NULL CHECK (purpose IN ('event', 'assertion')),
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX secret_key_by_institution ON secret_key (institution_id, purpose);
CREATE TABLE api_key (
    api_key_id uuid PRIMARY KEY,
    institution_id uuid NOT NULL REFERENCES institution,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    name text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
CREATE INDEX api_key_by_institution ON api_key (institution_id, created_at);

-- (3) What can be achieved; a revision stays as it was awarded. source_uri is what an imported document called it.
CREATE TABLE achievement (
    institution_id uuid NOT NULL REFERENCES institution,
    achievement_id text NOT NULL,
    uri text NOT NULL,
    source_uri text,
    revision integer NOT NULL CHECK (revision >= 1),
    search_text text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (institution_id, achievement_id),
    UNIQUE (institution_id, uri),
    UNIQUE (institution_id, source_uri)
);
CREATE TABLE achievement_revision (
    institution_id uuid NOT NULL,
    achievement_id text NOT NULL,
    revision integer NOT NULL,
    content bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (institution_id, achievement_id, revision),
    FOREIGN KEY (institution_id, achievement_id) REFERENCES achievement DEFERRABLE INITIALLY DEFERRED
);

-- (4) Learners. Erasing one takes the key and the institution's name for the learner; what was sealed stays unreadable.
CREATE TABLE learner (
    learner_id uuid PRIMARY KEY,
    institution_id uuid NOT NULL REFERENCES institution,
    ref text,
    sealed_key bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    erased_at timestamptz,
    UNIQUE (institution_id, ref),
    CHECK ((erased_at IS NULL) = (sealed_key IS NOT NULL) AND (erased_at IS NULL) = (ref IS NOT NULL))
);

-- (5) The outbox: signed events, kept as they were signed. A stream is the credential that an event is about.
CREATE TABLE outbox (
    outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id bytea NOT NULL UNIQUE CHECK (octet_length(event_id) = 32),
    institution_id uuid NOT NULL REFERENCES institution,
    stream bytea NOT NULL CHECK (octet_length(stream) = 32),
    event_type text NOT NULL,
    envelope bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sequenced', 'published', 'refused')),
    attempt_count integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    leaf_index bigint,
    leaf_hash bytea,
    received_at text,
    problem bytea,
    CHECK ((state IN ('sequenced', 'published')) = (leaf_index IS NOT NULL)),
    CHECK (state <> 'refused' OR problem IS NOT NULL)
);
CREATE INDEX outbox_pending ON outbox (outbox_id) WHERE state = 'pending';
CREATE INDEX outbox_open_streams ON outbox (stream, outbox_id) WHERE state IN ('pending', 'sequenced');

-- (6) Credentials: the document under the learner's key, and which event issued it.
CREATE TABLE credential (
    credential_id bytea PRIMARY KEY CHECK (octet_length(credential_id) = 32),
    institution_id uuid NOT NULL REFERENCES institution,
    learner_id uuid NOT NULL REFERENCES learner,
    achievement_id text NOT NULL,
    revision integer NOT NULL,
    event_id bytea NOT NULL UNIQUE REFERENCES outbox (event_id),
    ects_hundredths integer NOT NULL,
    components bytea[] NOT NULL,
    sealed_document bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (institution_id, achievement_id, revision) REFERENCES achievement_revision
);
CREATE INDEX credential_by_institution ON credential (institution_id, created_at DESC, credential_id DESC);
CREATE INDEX credential_by_learner ON credential (learner_id, created_at DESC, credential_id DESC);
CREATE TABLE imported (
    institution_id uuid NOT NULL REFERENCES institution,
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    credential_id bytea NOT NULL REFERENCES credential,
    PRIMARY KEY (institution_id, fingerprint)
);

-- (7) Requests that were answered, so that a repeated one gets the same answer. The operator's have the nil UUID.
CREATE TABLE answered (
    institution_id uuid NOT NULL,
    key_fingerprint bytea NOT NULL CHECK (octet_length(key_fingerprint) = 32),
    request_fingerprint bytea NOT NULL CHECK (octet_length(request_fingerprint) = 32),
    event_id bytea,
    status integer,
    sealed_answer bytea,
    is_secret boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (institution_id, key_fingerprint)
);
CREATE INDEX answered_with_secrets ON answered (created_at) WHERE is_secret AND sealed_answer IS NOT NULL;
CREATE TABLE batch (
    batch_id uuid PRIMARY KEY,
    institution_id uuid NOT NULL REFERENCES institution,
    key_fingerprint bytea NOT NULL,
    request_fingerprint bytea NOT NULL,
    row_count integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (institution_id, key_fingerprint)
);
CREATE TABLE batch_row (
    batch_id uuid NOT NULL REFERENCES batch,
    line integer NOT NULL,
    credential_id bytea REFERENCES credential,
    sealed_problem bytea,
    PRIMARY KEY (batch_id, line),
    CHECK ((credential_id IS NULL) <> (sealed_problem IS NULL))
);

-- (8) The running role adds and reads; it changes only what moves, and removes nothing.
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO :"running_role";
REVOKE INSERT ON migration FROM :"running_role";
GRANT UPDATE ON log_state, issuer, credential_state, recognition, followed TO :"running_role";
GRANT UPDATE (revoked_at) ON api_key TO :"running_role";
GRANT UPDATE (revision, search_text) ON achievement TO :"running_role";
GRANT UPDATE (ref, sealed_key, erased_at) ON learner TO :"running_role";
GRANT UPDATE (state, attempt_count, next_attempt_at, leaf_index, leaf_hash, received_at, problem) ON outbox
    TO :"running_role";
GRANT UPDATE (status, sealed_answer) ON answered TO :"running_role";
GRANT UPDATE (row_count) ON batch TO :"running_role";
