"""A ledger on two database servers, of which one is promoted."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from services.ledger.signer import LAST_SIGNED
from tests.support.databases import Database
from tests.support.ledgers import (
    RunningLedger,
    running_ledger,
)
from tests.support.standbys import Pair, pair

ENTRIES = 40
IMPATIENT = {"database_timeout_ms": 600, "append_timeout_ms": 3_000, "signer_lock_wait_ms": 2_000}
"""A commit that waits for a standby in vain is cancelled soon."""


@contextlib.asynccontextmanager
async def ledger_on_pair(
    folder: Path, *, is_synchronous: bool, **settings: Any
) -> AsyncIterator[tuple[Pair, RunningLedger]]:
    """Run a ledger on the primary of a pair."""
    async with (
        pair(folder, is_synchronous=is_synchronous) as made,
        running_ledger(made.make_database, folder / "ledger", **settings) as ledger,
    ):
        yield made, ledger


def move(ledger: RunningLedger, database: Database) -> None:
    """Point a stopped ledger at the same database elsewhere."""
    ledger.database = database
    ledger.config = replace(ledger.config, database_url=database.running_url, migration_database_url=database.owner_url)


async def said(ledger: RunningLedger, words: bytes) -> bool | None:
    """Say whether the ledger's log has these words."""
    return words in ledger.log.getvalue() or None


def signed_by(ledger: RunningLedger) -> bytes:
    """Return what the signer remembers."""
    assert ledger.config.state_folder is not None
    return (ledger.config.state_folder / LAST_SIGNED).read_bytes()
