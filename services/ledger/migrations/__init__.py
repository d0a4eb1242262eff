"""The ledger's tables, as numbered SQL files that are never edited once landed."""
