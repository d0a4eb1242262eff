-- An event that a condemned key made void, and the one that says the same under another key.
CREATE TABLE said_again (
    event_id bytea PRIMARY KEY REFERENCES outbox (event_id),
    again bytea NOT NULL REFERENCES outbox (event_id)
);
GRANT SELECT, INSERT ON said_again TO :"running_role";
