"""Files of rows (CSV) that institutions send: awards, changes, skills. Knows no log and no gateway."""
