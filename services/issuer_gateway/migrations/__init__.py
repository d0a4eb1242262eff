"""Numbered SQL files of the gateway's database, applied by `persistence.database_setup`; never edited once landed.

Each file is one transaction with the note that it was applied: after a crash the next start goes on with the next file.
"""
