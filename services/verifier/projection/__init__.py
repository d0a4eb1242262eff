"""The replayed log in one SQLite file: read, written, copied, derived again. May be thrown away and rebuilt."""
