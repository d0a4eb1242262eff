-- Sessions of the office's pages that were signed out of, by the hash of their token, until the cookie would have ended
-- by itself: a copy of the cookie leads nowhere any more. Names nobody.
CREATE TABLE ended_office_session (
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    ends_at timestamptz NOT NULL
);
CREATE INDEX ended_office_session_by_end ON ended_office_session (ends_at);
GRANT SELECT, INSERT, DELETE ON ended_office_session TO :"running_role";
