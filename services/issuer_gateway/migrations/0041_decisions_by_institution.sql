-- How one office decides is read without what others decide: by indexes that begin with the institution. The trigger
-- writes whose a decision is for the release before, too, which does not know the column.
CREATE INDEX application_item_of_institution ON application_item (of_institution, application_id, number);
ALTER TABLE application_decision ADD COLUMN of_institution uuid REFERENCES institution;
UPDATE application_decision AS made SET of_institution = application.institution_id
    FROM application WHERE application.application_id = made.application_id;
CREATE FUNCTION give_decision_its_institution() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT institution_id INTO NEW.of_institution FROM application WHERE application_id = NEW.application_id;
    RETURN NEW;
END $$;
CREATE TRIGGER decision_is_of_an_institution BEFORE INSERT ON application_decision
    FOR EACH ROW EXECUTE FUNCTION give_decision_its_institution();
CREATE INDEX application_decision_of_institution ON application_decision (of_institution, application_id, number, round);
