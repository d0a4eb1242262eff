-- Reminders of applications that are to be decided: each once for each round of decisions, whoever restarts meanwhile.
CREATE TABLE application_reminder (
    reminder_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    institution_id uuid NOT NULL REFERENCES institution,
    application_id uuid NOT NULL REFERENCES application,
    kind text NOT NULL CHECK (kind IN ('due-soon', 'overdue')),
    round integer NOT NULL CHECK (round IN (1, 2)),
    due_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (application_id, kind, round)
);
CREATE INDEX application_reminder_by_institution ON application_reminder (institution_id, reminder_id);
CREATE INDEX application_waiting ON application (due_at, application_id) WHERE state = 'open';
GRANT SELECT, INSERT, DELETE ON application_reminder TO :"running_role";
