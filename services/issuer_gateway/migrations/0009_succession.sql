-- A log may be continued by another: its entries have places of their own there.

-- (1) The log on which an event was published, where that one has ended; NULL is the log that is followed now.
ALTER TABLE outbox ADD COLUMN ended_log text;
ALTER TABLE outbox ADD CONSTRAINT outbox_ended CHECK (ended_log IS NULL OR state = 'published');
GRANT UPDATE (ended_log) ON outbox TO :"running_role";
GRANT DELETE ON event TO :"running_role";
