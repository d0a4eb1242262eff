"""Fixtures of integration tests: a registrar, a ledger with a fresh log, a gateway and a verifier that follow it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from proto.lifecycle.rules_versions import RULES_VERSION_OF_NEW_LOGS
from services.crypto import rdf_processes
from services.issuer_gateway import app as gateway_app
from services.issuer_gateway.learners.retention import Retention
from services.issuer_gateway.requests.learner_requests import LearnerRequests
from services.verifier.answers import service
from services.verifier.documents import pdf
from tests.support.databases import MakeDatabase
from tests.support.gateways import RunningGateway, running_gateway
from tests.support.judged import Verifier, running_verifier
from tests.support.ledgers import Registrar, RunningLedger, running_ledger


@pytest.fixture
def rules_version() -> int:
    """By which rules the log of a test begins: those of new logs. What is said by version 1 alone says so itself."""
    return RULES_VERSION_OF_NEW_LOGS


@pytest.fixture
def registrar(rules_version: int) -> Registrar:
    """Who admits institutions to the ledger of this test, and makes every event that can be said to it."""
    return Registrar(rules_version=rules_version)


@pytest.fixture
async def ledger(make_database: MakeDatabase, tmp_path: Path, registrar: Registrar) -> AsyncIterator[RunningLedger]:
    """A running ledger with a fresh log; `fsck` finds no damage when the test is over."""
    async with running_ledger(make_database, tmp_path / "ledger", registrar) as running:
        yield running


@pytest.fixture
def gateway_settings() -> Mapping[str, Any]:
    """What the gateway of a test, or of a module, is set to beside what all are."""
    return {}


@pytest.fixture
async def gateway(
    make_database: MakeDatabase, tmp_path: Path, ledger: RunningLedger, gateway_settings: Mapping[str, Any]
) -> AsyncIterator[RunningGateway]:
    """A running issuer gateway on the test's ledger; its own `fsck` finds no damage when the test is over."""
    async with running_gateway(make_database, tmp_path / "gateway", ledger, **gateway_settings) as running:
        yield running


@pytest.fixture
def rounds_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway publishes, reminds and takes away only where the test says so.

    Its own rounds come each minute or hour, and on a slow machine one of them would do what the test counts.
    """

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(gateway_app, "_applications", never)
    monkeypatch.setattr(Retention, "keep_swept", never)
    monkeypatch.setattr(LearnerRequests, "keep_swept", never)


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
