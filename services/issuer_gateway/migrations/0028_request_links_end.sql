-- The link of a request that was decided has an end, and its learner may end it before.
ALTER TABLE request ADD COLUMN link_ended_at timestamptz;
GRANT UPDATE (link_ended_at) ON request TO :"running_role";
