"""How requests of one process wait for each other, and for what happens. Knows no database and no event."""
