-- Status lists, proofs that were made, the register's search; learners' keys leave the database.

-- (1) Status lists (W3C Bitstring Status List). Places are counted; a sealed secret says which index a place has.
CREATE TABLE status_list (
    institution_id uuid NOT NULL REFERENCES institution,
    number integer NOT NULL CHECK (number >= 1),
    sealed_secret bytea NOT NULL,
    entry_count integer NOT NULL CHECK (entry_count >= 131072),
    allocated_count integer NOT NULL DEFAULT 0 CHECK (allocated_count BETWEEN 0 AND entry_count),
    is_open boolean NOT NULL DEFAULT true,
    -- Rises with every bit that changes; published_version is the one that the published list shows.
    version bigint NOT NULL DEFAULT 1,
    published_version bigint NOT NULL DEFAULT 0,
    -- Rises when a key was condemned; reviewed is how far every bit has been derived anew.
    review bigint NOT NULL DEFAULT 0,
    reviewed bigint NOT NULL DEFAULT 0,
    published bytea,
    published_key_id text,
    refresh_at timestamptz,
    valid_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (institution_id, number)
);
CREATE UNIQUE INDEX status_list_open ON status_list (institution_id) WHERE is_open;
CREATE INDEX status_list_behind ON status_list (institution_id, number)
    WHERE version <> published_version OR review <> reviewed;
CREATE INDEX status_list_by_refresh ON status_list (refresh_at);
CREATE TABLE status_place (
    credential_id bytea PRIMARY KEY REFERENCES credential,
    institution_id uuid NOT NULL,
    list_number integer NOT NULL,
    list_index integer NOT NULL CHECK (list_index >= 0),
    is_set boolean NOT NULL DEFAULT false,
    UNIQUE (institution_id, list_number, list_index),
    FOREIGN KEY (institution_id, list_number) REFERENCES status_list
);
CREATE INDEX status_place_set ON status_place (institution_id, list_number, list_index) WHERE is_set;

-- (2) Proofs of documents, made when they were first asked for, sealed like the documents.
CREATE TABLE document_proof (
    credential_id bytea NOT NULL REFERENCES credential,
    suite text NOT NULL,
    key_id text NOT NULL,
    sealed_proof bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (credential_id, suite)
);

-- (3) Learners' keys lie outside the database (CREDENTIFY_GATEWAY_KEY_FOLDER), so that no backup of it holds them.
--     sealed_key is what an earlier version left here; the next start moves it out.
ALTER TABLE learner DROP CONSTRAINT learner_check;
ALTER TABLE learner ADD CONSTRAINT learner_erased CHECK ((erased_at IS NULL) = (ref IS NOT NULL));
ALTER TABLE learner ADD COLUMN key_destroyed_at timestamptz;
CREATE INDEX learner_with_key_here ON learner (learner_id) WHERE sealed_key IS NOT NULL;
CREATE INDEX learner_with_key_to_destroy ON learner (learner_id)
    WHERE erased_at IS NOT NULL AND key_destroyed_at IS NULL;

-- (4) The register: words of achievements by their beginnings.
CREATE INDEX achievement_by_words ON achievement
    USING gin (array_to_tsvector(array_remove(regexp_split_to_array(search_text, '\s+'), '')));

GRANT SELECT, INSERT ON status_list, status_place, document_proof TO :"running_role";
GRANT UPDATE (allocated_count, is_open, version, published_version, review, reviewed, published, published_key_id,
    refresh_at, valid_until) ON status_list TO :"running_role";
GRANT UPDATE (is_set) ON status_place TO :"running_role";
GRANT UPDATE (key_id, sealed_proof, created_at) ON document_proof TO :"running_role";
GRANT UPDATE (key_destroyed_at) ON learner TO :"running_role";
