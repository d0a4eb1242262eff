-- No question looks through a table that grows with every institution: tests/integration/test_query_plans.py reads the plans.

-- (1) What waits in the outbox, or was refused, is counted every few seconds.
CREATE INDEX outbox_unpublished ON outbox (state, created_at) WHERE state IN ('pending', 'sequenced', 'refused');
-- (2) Rows of batches by the event of their change; those from before rows named what they changed, too.
CREATE INDEX batch_row_by_event ON batch_row (event_id) WHERE event_id IS NOT NULL;
DROP INDEX batch_row_by_change;
-- (3) Which batch needs a key.
CREATE INDEX batch_by_key ON batch (key_id) WHERE key_id IS NOT NULL;
CREATE INDEX batch_with_key_here ON batch (batch_id) WHERE sealed_key IS NOT NULL;
-- (4) Applications with an appeal.
CREATE INDEX application_item_appealed ON application_item (application_id) WHERE sealed_appeal IS NOT NULL;
-- (5) Like cases of one office, however many others decide on the same achievement. The trigger writes whose a piece of
--     evidence is, for the release before, too, which does not know the column; its joins would find a second
--     `institution_id` ambiguous.
ALTER TABLE application_item ADD COLUMN of_institution uuid REFERENCES institution;
UPDATE application_item AS item SET of_institution = application.institution_id
    FROM application WHERE application.application_id = item.application_id;
CREATE FUNCTION give_item_its_institution() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT institution_id INTO NEW.of_institution FROM application WHERE application_id = NEW.application_id;
    RETURN NEW;
END $$;
CREATE TRIGGER item_is_of_an_institution BEFORE INSERT ON application_item
    FOR EACH ROW EXECUTE FUNCTION give_item_its_institution();
CREATE INDEX application_item_by_institution ON application_item (of_institution, achievement_issuer, achievement)
    WHERE achievement IS NOT NULL;
DROP INDEX application_item_like;
