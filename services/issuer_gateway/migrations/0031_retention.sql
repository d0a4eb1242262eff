-- How long an institution keeps what: by achievement ('' for every achievement that has no rule of its own).
CREATE TABLE retention_rule (
    institution_id uuid NOT NULL REFERENCES institution,
    achievement text NOT NULL DEFAULT '',
    document_days integer CHECK (document_days >= 1),
    application_days integer CHECK (application_days >= 1),
    dossier_days integer CHECK (dossier_days >= 1),
    audit_days integer CHECK (audit_days IS NULL OR (audit_days >= 30 AND achievement = '')),
    PRIMARY KEY (institution_id, achievement)
);
CREATE INDEX retention_rule_by_application_days ON retention_rule (application_days, dossier_days);
GRANT SELECT, INSERT, DELETE ON retention_rule TO :"running_role";
