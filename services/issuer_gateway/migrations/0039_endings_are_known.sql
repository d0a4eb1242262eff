-- That the other party has what ended an agreement: its signature under the ending. Which decisions an agreement made.
ALTER TABLE agreement
    ADD COLUMN ending_seen_key text,
    ADD COLUMN ending_seen_signature bytea;
GRANT UPDATE (ending_seen_key, ending_seen_signature) ON agreement TO :"running_role";
CREATE INDEX application_decision_by_agreement ON application_decision (agreement, decided_at)
    WHERE agreement IS NOT NULL;
