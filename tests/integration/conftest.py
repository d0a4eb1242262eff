"""Fixtures of integration tests: a registrar, a ledger with a fresh log, a gateway and a verifier that follow it."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from proto.lifecycle.rules_versions import RULES_VERSION_OF_NEW_LOGS
from services.crypto import rdf_processes
from services.verifier.answers import service
from services.verifier.documents import pdf
from tests.support.databases import MakeDatabase
from tests.support.gateways import RunningGateway, running_gateway
from tests.support.judged import Verifier, running_verifier
from tests.support.ledgers import Registrar, RunningLedger, running_ledger

BEGUN_BY_VERSION_1 = """
    agreement_endings any_origin applications_over_time behind_nginx command_batch command_credential
    command_recognition command_requests compared_logs gateway_api_keys gateway_audit_trail gateway_client
    gateway_import_shapes gateway_imported_words gateway_interop gateway_log_findings gateway_page_texts
    gateway_papers gateway_reminders gateway_retention_races gateway_statement_counts gateway_texts gateway_trace
    key_folder_troubles office_pages other_formats pinned_registrar projection_troubles statements_of_verifiers traces
    verdict_path verifier_catalogue verifier_content verifier_days verifier_http verifier_languages
    verifier_odd_requests verifier_pdf verifier_quality verifier_register verifier_snapshot verifier_statements
    verifier_statistics
"""
"""Modules whose logs begin with version 1, as those do that are older: what they look at is the same by either."""


@pytest.fixture
def rules_version(request: pytest.FixtureRequest) -> int:
    """By which rules the log of a test begins: those of new logs. What is said by version 1 alone says so itself."""
    module = request.module.__name__.rpartition("test_")[2]
    return 1 if module in BEGUN_BY_VERSION_1.split() else RULES_VERSION_OF_NEW_LOGS


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
