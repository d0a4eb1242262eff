-- What the documents of an achievement have in common (its description and the contexts) is kept once, by its digest.
-- Documents without a part of this kind are whole.
CREATE TABLE document_part (
    digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    content bytea NOT NULL
);
ALTER TABLE credential ADD COLUMN part_digest bytea REFERENCES document_part;
GRANT SELECT, INSERT ON document_part TO :"running_role";
