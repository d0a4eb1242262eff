"""Which settings a deployment names: whatever does nothing until it is set is either in it, or left out for a reason.

So a new setting that a part of the service waits for is not forgotten in the files that people run.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from services.edge import EdgeConfig
from services.issuer_gateway.config import Config as GatewayConfig
from services.ledger.config import Config as LedgerConfig
from services.verifier.config import Config as VerifierConfig
from tests.packages.conftest import ROOT

KINDS: dict[str, type[EdgeConfig]] = {
    "CREDENTIFY_LEDGER_": LedgerConfig,
    "CREDENTIFY_GATEWAY_": GatewayConfig,
    "CREDENTIFY_VERIFIER_": VerifierConfig,
}
WITNESSED = "no log has witnesses before others run them: deploy/OPERATIONS.md says how they are joined"
NOWHERE = {
    "MIGRATION_DATABASE_URL": "no service that runs knows the owner's password: `migrate` is a job of its own",
    "POLICY_FILE": WITNESSED,
    "TRACES_URL": "who has a collector of traces names it; without one there are none",
    "LEDGER_WITNESS_MONITORING": WITNESSED,
    "LEDGER_MIRROR_FOLDER": "where a second disk or a web server lies is the operator's to say",
    "LEDGER_MIRROR_BUCKET": "a bucket and its keys are the operator's",
    "GATEWAY_FONT_FOLDER": "for scripts that the package's own fonts lack",
    "VERIFIER_API_KEYS_FILE": "for clients with quotas of their own, by `credentify verifier-key`",
    "VERIFIER_COMPARE_WITH": "verifiers of others, by agreement with them",
    "VERIFIER_QUALITY_REGISTER_FILE": "whoever has a copy of the quality register imports it",
    "VERIFIER_STATEMENT_KEY_FILE": "who signs dated statements has decided to",
    "VERIFIER_WITNESS_KEY_FILE": "a witness is one for the logs of others",
    "VERIFIER_WITNESS_MEMORY_FILE": "the same",
    "VERIFIER_WITNESS_LOGS_FILE": "the same",
}
PREDECESSORS = {
    f"{name}_PREDECESSORS": "for a log that continues another" for name in ("LEDGER", "GATEWAY", "VERIFIER")
}
PINS = {f"{name}_REGISTRAR": "the registrar's own word, put in by the overlay" for name in ("GATEWAY", "VERIFIER")}
ELSEWHERE = {"LEDGER_FREE_SPACE_FOLDER": "the database lies on another machine, or where only its operator knows"}
BESIDE: dict[str, dict[str, str]] = {
    "compose": {},
    "kubernetes": PREDECESSORS | PINS | ELSEWHERE,
    "systemd": PREDECESSORS | PINS | ELSEWHERE,
}


def compose() -> str:
    return (ROOT / "deploy/compose/compose.yaml").read_text()


def kubernetes() -> str:
    files = ("base/settings.yaml", "overlays/production/kustomization.yaml")
    return "\n".join((ROOT / "deploy/kubernetes" / name).read_text() for name in files)


def systemd() -> str:
    """Return the units and what the paper puts into the files beside them."""
    paper = (ROOT / "deploy/OPERATIONS.md").read_text()
    section = paper.partition("### On a server, with systemd")[2].partition("\n### ")[0]
    return "\n".join([section, *(path.read_text() for path in (ROOT / "deploy/systemd").glob("*.service"))])


WRITTEN: dict[str, Callable[[], str]] = {"compose": compose, "kubernetes": kubernetes, "systemd": systemd}


def waiting() -> set[str]:
    """Return the settings whose part of the service does nothing until they are set, and what a service must have."""
    found = set()
    for prefix, kind in KINDS.items():
        for field in msgspec.structs.fields(kind):
            default: Any = field.default
            if field.required or default is None or default == ():
                found.add(prefix + field.name.upper())
    return found


def named(deployment: str) -> set[str]:
    return {name.removesuffix("_FILE") for name in re.findall(r"CREDENTIFY_[A-Z_]+", WRITTEN[deployment]())}


def left_out(deployment: str) -> set[str]:
    words = NOWHERE | BESIDE[deployment]
    return {name for name in waiting() if any(name.endswith("_" + word) for word in words)}


@pytest.mark.parametrize("deployment", WRITTEN)
def test_a_deployment_names_what_waits_for_its_setting(deployment: str) -> None:
    found = named(deployment)
    missing = {name for name in waiting() if name.removesuffix("_FILE") not in found}
    assert missing - left_out(deployment) == set(), "name it in the deployment, or say here why it is left out"


@pytest.mark.parametrize("deployment", WRITTEN)
def test_no_reason_is_kept_for_a_setting_that_is_gone_or_named(deployment: str) -> None:
    words = BESIDE[deployment]
    for word in (NOWHERE | words) if deployment == "kubernetes" else words:
        assert any(name.endswith("_" + word) for name in waiting()), f"{word} is no such setting any more"
    assert not {f"CREDENTIFY_{word}" for word in words} & named(deployment)


def test_pages_papers_and_evidence_find_their_verifier_and_descriptions_their_gateway() -> None:
    for deployment in WRITTEN:
        assert {
            "CREDENTIFY_GATEWAY_VERIFIER_URL",
            "CREDENTIFY_GATEWAY_EVIDENCE_VERIFIER_URL",
            "CREDENTIFY_VERIFIER_CATALOGUES",
        } <= named(deployment), deployment
