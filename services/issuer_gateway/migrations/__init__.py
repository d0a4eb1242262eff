"""Numbered SQL files of the gateway's database, applied by `persistence.database_setup`; never edited once landed."""
