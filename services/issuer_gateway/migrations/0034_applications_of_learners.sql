-- Whose application it is, where the office says that its applicant is a learner of the institution: then it is in that
-- learner's export, and goes with that learner. Applicants stay learners of their own, with a key of their own.
ALTER TABLE application ADD COLUMN of_learner uuid REFERENCES learner;
CREATE INDEX application_of_learner ON application (of_learner) WHERE of_learner IS NOT NULL;
GRANT UPDATE (of_learner) ON application TO :"running_role";
