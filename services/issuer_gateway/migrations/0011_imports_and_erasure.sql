-- What an import became is kept under a fingerprint by its learner's key, and forgotten with the learner. Fingerprints of
-- earlier versions are by the master key, so those of learners who were erased are removed here.
DELETE FROM imported USING credential, learner
    WHERE credential.credential_id = imported.credential_id AND learner.learner_id = credential.learner_id
        AND learner.erased_at IS NOT NULL;
CREATE INDEX imported_by_credential ON imported (credential_id);
GRANT DELETE ON imported TO :"running_role";
