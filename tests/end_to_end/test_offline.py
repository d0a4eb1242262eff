"""What an employer without a network and an independent auditor do with a running Credentify: bundles and audits."""

import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import Up

AUTHENTIC, INVALID = 2, 1


class Desk:
    """A running demo, and three files per credential."""

    def __init__(self, up: Up, folder: Path) -> None:
        self.up = up
        self.folder = folder
        self.addresses = up.start("--demo")
        self.rows: list[dict[str, Any]] = json.loads(up.command("demo", "--json").stdout)["rows"]
        self.policy = folder / "policy"
        self.policy.write_text(f"log {self.addresses.log_verifier_key}\nquorum none\n")

    def credential_id(self, step: str, place: int = 0) -> str:
        found: list[str] = [row["id"] for row in self.rows if row["step"] == step and row["id"]]
        return found[place]

    def document(self, credential_id: str) -> Path:
        """Return the learner's file, fetched as the institution that issued it."""
        keys = json.loads((self.up.data / "demo" / "state.json").read_bytes())["api_keys"]
        url = f"{self.addresses.gateway}/v1/credentials/{credential_id}/document"
        path = self.folder / f"{credential_id}.json"
        for key in keys.values():
            request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
            try:
                with urllib.request.urlopen(request, timeout=120) as answer:
                    path.write_bytes(answer.read())
                    return path
            except urllib.error.HTTPError:
                continue
        raise AssertionError(f"no institution of the demo has the document of {credential_id}")

    def bundle(self, of: str) -> Path:
        path = self.folder / "bundle.json"
        self.up.command("bundle", of, "--ledger", self.addresses.ledger, "--out", str(path))
        return path

    def verify(self, document: Path, bundle: Path) -> subprocess.CompletedProcess[str]:
        words = ("verify", "--offline", str(document), str(bundle), "--policy", str(self.policy))
        return self.up.command(*words, check=False)


@pytest.fixture
def desk(up: Up, tmp_path: Path) -> Desk:
    return Desk(up, tmp_path)


def test_bundles_answer_when_everything_is_switched_off_and_the_log_stands_up_to_an_audit(desk: Desk) -> None:
    kept, revoked = desk.document(desk.credential_id("imported", 1)), desk.document(desk.credential_id("revoked"))
    good, bad = desk.bundle(str(kept)).read_bytes(), desk.bundle(desk.credential_id("revoked")).read_bytes()
    audit = ("audit", desk.addresses.ledger, "--key", desk.addresses.log_verifier_key, "--once")
    state = str(desk.folder / "audit")
    assert "entries proven" in desk.up.command(*audit, "--state", state).stdout
    assert json.loads(desk.up.command(*audit, "--state", state, "--json").stdout)["entry_count"] == 0
    assert desk.up.stop() == 0

    bundle = desk.folder / "bundle.json"
    bundle.write_bytes(good)
    found = desk.verify(kept, bundle)
    assert (found.returncode, found.stdout[:15]) == (AUTHENTIC, "AUTHENTIC AS OF"), found.stdout + found.stderr
    assert "the document's own signature was made" in found.stdout.lower()
    kept.write_bytes(kept.read_bytes().replace(b"Hogeschool", b"Hochschule", 1))
    assert desk.verify(kept, bundle).returncode == INVALID
    bundle.write_bytes(bad)
    found = desk.verify(revoked, bundle)
    assert found.returncode == INVALID
    assert "revoked" in found.stdout
