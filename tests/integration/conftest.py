"""Fixtures of integration tests: a registrar, a ledger with a fresh log, a gateway and a verifier that follow it."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.crypto import rdf_processes
from services.verifier.answers import service
from services.verifier.documents import pdf
from tests.support.databases import MakeDatabase
from tests.support.gateways import RunningGateway, running_gateway
from tests.support.judged import Verifier, running_verifier
from tests.support.ledgers import Registrar, RunningLedger, running_ledger


@pytest.fixture
def registrar() -> Registrar:
    """Who admits institutions to the ledger of this test, and makes every event that can be said to it.

    `CREDENTIFY_TEST_RULES=2` has it open the log with rules version 2.
    """
    return Registrar(rules_version=int(os.environ.get("CREDENTIFY_TEST_RULES", "1")))


@pytest.fixture
async def ledger(make_database: MakeDatabase, tmp_path: Path, registrar: Registrar) -> AsyncIterator[RunningLedger]:
    """A running ledger with a fresh log; `fsck` finds no damage when the test is over."""
    is_new = registrar.rules_version > 1
    async with running_ledger(make_database, tmp_path / "ledger", registrar, development_rules=is_new) as running:
        yield running


@pytest.fixture
async def gateway(make_database: MakeDatabase, tmp_path: Path, ledger: RunningLedger) -> AsyncIterator[RunningGateway]:
    """A running issuer gateway on the test's ledger; its own `fsck` finds no damage when the test is over."""
    async with running_gateway(make_database, tmp_path / "gateway", ledger) as running:
        yield running


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents have as long as they need by the clock, so that a busy machine gives up none of them.

    What bounds them still is processor time. Tests of the bounds themselves do without this.
    """
    monkeypatch.setattr(service, "QUESTION_SECONDS_MAX", 120.0)
    monkeypatch.setattr(rdf_processes, "ANSWER_SECONDS_MAX", 60.0)
    monkeypatch.setattr(pdf, "READ_SECONDS_MAX", 60.0)


@pytest.fixture
async def verifier(ledger: RunningLedger, tmp_path: Path) -> AsyncIterator[Verifier]:
    """Our own verifier, which follows the test's ledger."""
    async with running_verifier(ledger, tmp_path) as running:
        yield running
