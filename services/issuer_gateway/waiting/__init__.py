"""How requests of one process wait for each other, and for what happens. Knows no database and no event.

It is memory alone: after a crash nobody waits, and what was waited for is as the database says.
"""
