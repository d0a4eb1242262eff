-- Who assessed prior learning is said with a decision on it, sealed under the applicant's key like its words.
ALTER TABLE application_decision ADD COLUMN sealed_assessor bytea;
