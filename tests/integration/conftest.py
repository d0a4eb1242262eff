"""Fixtures of integration tests: a registrar, and a ledger that runs on a free port with a fresh log."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.databases import MakeDatabase
from tests.ledgers import Registrar, RunningLedger, running_ledger


@pytest.fixture
def registrar() -> Registrar:
    """Who admits institutions to the ledger of this test, and makes every event that can be said to it."""
    return Registrar()


@pytest.fixture
async def ledger(make_database: MakeDatabase, tmp_path: Path, registrar: Registrar) -> AsyncIterator[RunningLedger]:
    """A running ledger with a fresh log; `fsck` finds no damage when the test is over."""
    async with running_ledger(make_database, tmp_path / "ledger", registrar) as running:
        yield running
