"""Fixtures of integration tests: a registrar, a ledger on a free port with a fresh log, a gateway that follows it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.databases import MakeDatabase
from tests.support.gateways import RunningGateway, running_gateway
from tests.support.ledgers import Registrar, RunningLedger, running_ledger


@pytest.fixture
def registrar() -> Registrar:
    """Who admits institutions to the ledger of this test, and makes every event that can be said to it."""
    return Registrar()


@pytest.fixture
async def ledger(make_database: MakeDatabase, tmp_path: Path, registrar: Registrar) -> AsyncIterator[RunningLedger]:
    """A running ledger with a fresh log; `fsck` finds no damage when the test is over."""
    async with running_ledger(make_database, tmp_path / "ledger", registrar) as running:
        yield running


@pytest.fixture
async def gateway(make_database: MakeDatabase, tmp_path: Path, ledger: RunningLedger) -> AsyncIterator[RunningGateway]:
    """A running issuer gateway on the test's ledger; its own `fsck` finds no damage when the test is over."""
    async with running_gateway(make_database, tmp_path / "gateway", ledger) as running:
        yield running
