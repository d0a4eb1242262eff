-- The titles of achievements of all institutions are found by their addresses, whoever awards them.
CREATE INDEX achievement_by_uri ON achievement (uri);
