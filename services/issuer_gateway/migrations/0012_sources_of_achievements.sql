-- What an imported document calls its achievement is a name together with who issued it: two issuers may use one.
-- source_issuer is a digest of the issuer; empty where an older version did not note it.
ALTER TABLE achievement ADD COLUMN source_issuer text NOT NULL DEFAULT '';
ALTER TABLE achievement DROP CONSTRAINT achievement_institution_id_source_uri_key;
CREATE UNIQUE INDEX achievement_by_source ON achievement (institution_id, source_uri, source_issuer);
