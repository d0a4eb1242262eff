-- Who used a link may fetch the credential again for a day: known by a token of the browser, of which the hash is kept.
ALTER TABLE claim ADD COLUMN taker_hash bytea CHECK (octet_length(taker_hash) = 32);
GRANT UPDATE (taker_hash) ON claim TO :"running_role";
