-- How the cells of a batch's table are read: in which order its columns write day and month, and what is said of it.
ALTER TABLE batch ADD COLUMN reading text CHECK (length(reading) < 10000);
