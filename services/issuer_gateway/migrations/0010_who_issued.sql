-- Which API key issued a credential: one that may only issue gets a link only to what it issued itself. Empty where what
-- a credential says is a learner's own words (a request that was accepted), and for all that was issued before.
ALTER TABLE credential ADD COLUMN api_key_id uuid;
ALTER TABLE batch ADD COLUMN api_key_id uuid;
ALTER TABLE claim ADD COLUMN api_key_id uuid;
