"""The replayed log in one SQLite file: read, written, copied, derived again. May be thrown away and rebuilt.

Entries and position are of one transaction: after a crash the file is as of one position, and the replay goes on there.
"""
