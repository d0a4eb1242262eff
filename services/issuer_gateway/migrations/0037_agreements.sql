-- Agreements between institutions (DESIGN 11): what both signed, and what ended it. Names no person, and is kept for ever,
-- for decisions name the agreement by which they were made.
CREATE TABLE agreement (
    agreement_id bytea PRIMARY KEY CHECK (octet_length(agreement_id) = 32),
    proposer text NOT NULL,
    accepter text NOT NULL,
    payload bytea NOT NULL,
    proposer_key text,
    proposer_signature bytea,
    accepter_key text,
    accepter_signature bytea,
    proposed_at timestamptz NOT NULL DEFAULT now(),
    accepted_at timestamptz,
    ended_by text,
    ended_at timestamptz,
    ending_payload bytea,
    ending_key text,
    ending_signature bytea,
    CHECK ((accepter_key IS NULL) = (accepted_at IS NULL)),
    CHECK ((ended_by IS NULL) = (ended_at IS NULL))
);
CREATE INDEX agreement_by_proposer ON agreement (proposer, proposed_at, agreement_id);
CREATE INDEX agreement_by_accepter ON agreement (accepter, proposed_at, agreement_id);
GRANT SELECT, INSERT ON agreement TO :"running_role";
GRANT UPDATE (proposer_key, proposer_signature, accepter_key, accepter_signature, accepted_at, ended_by, ended_at,
    ending_payload, ending_key, ending_signature) ON agreement TO :"running_role";

-- By which agreement a decision was made at once, and what of a credential was decided already.
ALTER TABLE application_decision ADD COLUMN agreement bytea;
CREATE INDEX application_item_by_credential ON application_item (credential_id) WHERE credential_id IS NOT NULL;
