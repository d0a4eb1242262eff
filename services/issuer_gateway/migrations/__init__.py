"""Numbered SQL files of the gateway's database; applied by `services.postgres.migrate`, never edited once landed."""
