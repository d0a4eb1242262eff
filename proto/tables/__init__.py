"""Files of rows (CSV) that institutions send: awards, changes, skills. Pure; knows no log and no gateway."""
