"""The ledger's tables, as numbered SQL files that are never edited once landed.

Each file is one transaction with the note that it was applied: after a crash the next start goes on with the next file.
"""
