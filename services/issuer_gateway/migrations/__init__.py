"""Numbered SQL files of the gateway's database, applied by `services.database_setup`; never edited once landed."""
