-- A page of a list is read by one index, in its order, and of other tables only what the page shows.

-- (1) Whether a learner was erased is asked of the few who were, not of the row of everybody on the page.
CREATE INDEX learner_erased ON learner (learner_id) WHERE erased_at IS NOT NULL;
-- (2) Lists that were sorted, or gone through for one state.
CREATE INDEX request_by_state ON request (institution_id, state, created_at, request_id);
CREATE INDEX application_by_due ON application (institution_id, due_at, application_id);
CREATE INDEX batch_by_institution ON batch (institution_id, created_at, batch_id);
