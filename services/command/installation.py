"""An installation of `credentify up` that does not run: its ledger's settings, and its database started for a while."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from services.command.home import Home, Settings
from services.embedded import EmbeddedPostgres
from services.ledger.config import Config


def ledger_config(home: Home, settings: Settings, postgres: EmbeddedPostgres) -> Config:
    """Return the settings of the ledger that `up` runs on a data folder."""
    return Config(
        port=settings.ledger_port,
        database_url=postgres.url(role="ledger_running", database="ledger"),
        migration_database_url=postgres.url(role="ledger_owner", database="ledger"),
        log_key_file=home.path("ledger", "log.key"),
        state_folder=home.path("ledger"),
    )


@contextlib.asynccontextmanager
async def stopped_ledger(data: Path) -> AsyncIterator[Config]:
    """Hold a data folder whose `up` does not run, with its database started, and give the ledger's settings.

    Raises `InvalidProblem` where there is no installation, `InUseProblem` while it runs.
    """
    home = Home(data)
    settings = home.open_existing()
    try:
        async with EmbeddedPostgres(home.path("postgres")) as postgres:
            yield ledger_config(home, settings, postgres)
    finally:
        home.close()
