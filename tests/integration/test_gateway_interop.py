"""What a running gateway serves (documents, DID document, status list) is judged by the checkers of others.

Accepted as it is issued; refused once it is revoked, suspended, void, or its proof's key is condemned. Skips where the
judges are not installed (tests/interop/judges/README.md).
"""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from proto.documents.status_check import read_entries
from proto.events import KeyRecord
from proto.ids import Did
from proto.wire.gateway import CredentialAnswer
from services.crypto.rdf_canonical import pinned_contexts
from tests.interop.installed_judges import JUDGES, READS, READS_PROOFS, run, separate_judges
from tests.support.documents import EXAMPLES
from tests.support.gateways import PUBLIC_URL, Office, RunningGateway
from tests.support.ledgers import RunningLedger, until

Json = dict[str, Any]


class Served:
    """Reads from the gateway what a checker would, and asks every judge about documents."""

    def __init__(self, office: Office, folder: Path) -> None:
        self._office = office
        self._folder = folder
        self._documents: dict[str, Json] = {}

    async def read(self, name: str, credential_id: str) -> None:
        """Read a document with each suite that a judge reads."""
        for suite in sorted({suite for suite, _ in READS_PROOFS}):
            path = f"/v1/credentials/{credential_id}/document?proof={suite}"
            answered = await self._office.client.get(path)
            assert answered.status == 200, answered
            self._documents[f"{name} {suite}"] = answered.body

    async def judged(self) -> dict[tuple[str, str], tuple[bool, str]]:
        """Return by document and judge whether it accepts, and its reason, with what is served now."""
        world = {
            "now": self._office.gateway.ledger.registrar.now,
            "loads": await self._loads(),
            "hasSchema": False,
            "cases": self._documents,
        }
        (self._folder / "world.json").write_text(json.dumps(world))
        node = shutil.which("node")
        assert node is not None, "its absence is a reason to skip"
        await asyncio.to_thread(run, [node, str(JUDGES / "run.mjs"), str(self._folder)])
        verdicts = json.loads((self._folder / "verdicts.json").read_text())["verdicts"]
        for command, file in separate_judges():
            await asyncio.to_thread(run, [*command, str(self._folder)])
            more = json.loads((self._folder / file).read_text())["verdicts"]
            verdicts = {name: found | more[name] for name, found in verdicts.items()}
        return {
            (name, judge): (verdict["accepts"], verdict["reason"])
            for name, found in verdicts.items()
            for judge, verdict in found.items()
            if (name.rpartition(" ")[2], judge) in READS_PROOFS
        }

    async def _loads(self) -> Json:
        public = self._office.gateway.client()
        path = f"/issuers/{self._office.slug}/did.json"
        did_document = (await public.get(path)).body
        loads: Json = {address: {"@context": context} for address, context in pinned_contexts().items()}
        loads |= {self._office.did: did_document, f"{PUBLIC_URL.replace('http:', 'https:')}{path}": did_document}
        for document in self._documents.values():
            (entry,) = read_entries(document)
            loads[entry.list_url] = (await public.get(entry.list_url.removeprefix(PUBLIC_URL))).body
        return loads


@pytest.fixture
def judges_folder(tmp_path: Path) -> Path:
    """A folder to ask in; skips where the judges are not installed."""
    if shutil.which("node") is None or not (JUDGES / "node_modules").is_dir():
        pytest.skip("the judges from npm are not installed; see tests/interop/judges/README.md")
    folder = tmp_path / "judged"
    folder.mkdir()
    return folder


def _accepted(judged: dict[tuple[str, str], tuple[bool, str]], name: str) -> set[bool]:
    """Return what those say of a document who ask for its status and key; there must be as many as are installed."""
    found = {
        judge: accepts
        for (case, judge), (accepts, _) in judged.items()
        if case.rpartition(" ")[0] == name and (case.rpartition(" ")[2], judge) in READS
    }
    assert len(found) >= 2, judged
    return set(found.values())


async def _published(office: Office, uri: str, ref: str) -> CredentialAnswer:
    return await office.published((await office.issue(uri, ref)).credential_id)


async def _withdrawn(office: Office, count: int) -> None:
    """Wait until so many credentials do not hold any more, by the log that the gateway follows."""

    async def ask() -> bool | None:
        shown = (await office.client.get("/v1/credentials")).body["credentials"]
        return True if sum(each["status"]["state"] != "active" for each in shown) == count else None

    await until(ask, f"{count} are withdrawn")


async def test_what_the_gateway_serves_is_accepted_and_after_a_withdrawal_refused(
    gateway: RunningGateway, judges_folder: Path
) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    kept, revoked, suspended = [await _published(office, uri, f"learner-{n}") for n in range(3)]
    whole = (await office.describe("whole", ects_hundredths=700)).achievement.uri
    other = (await office.describe("statistics")).achievement.uri
    parts = sorted((kept.credential_id, (await _published(office, other, "learner-0")).credential_id))
    answered = await office.client.post("/v1/stacks", office.award(whole, "learner-0") | {"components": parts})
    stack = answered.as_(CredentialAnswer)
    badge = min((EXAMPLES / "open-badges").glob("*.json")).read_bytes()
    imported = await office.client.send("POST", "/v1/imports/open-badges?learner_ref=learner-9", badge)
    assert imported.status in {201, 202}, imported
    given = [kept, revoked, suspended, stack, imported.as_(CredentialAnswer)]
    names = dict(zip(("kept", "revoked", "suspended", "stack", "imported"), given, strict=True))
    served = Served(office, judges_folder)
    for name, credential in names.items():
        await served.read(name, credential.credential_id)
    before = await served.judged()
    assert {found for found, _ in before.values()} == {True}, before
    # The same documents, after their institution has withdrawn two of them.
    for verb, credential in (("revoke", revoked), ("suspend", suspended)):
        path = f"/v1/credentials/{credential.credential_id}/{verb}"
        assert (await office.client.post(path, {"reason": "error"})).status == 201
    await _withdrawn(office, 2)
    after = await served.judged()
    assert {name: _accepted(after, name) for name in names} == {
        name: {name not in {"revoked", "suspended"}} for name in names
    }, after


async def test_what_a_condemned_key_signed_is_refused_and_what_is_read_anew_accepted(
    gateway: RunningGateway, ledger: RunningLedger, judges_folder: Path
) -> None:
    did = Did("did:web:localhost%3A8102:issuers:waterland")
    party = ledger.registrar.party("waterland", did)
    office = await gateway.institution("waterland", recovery_public_key=party.recovery.public_key)
    issued = await _published(office, (await office.describe()).achievement.uri, "learner-1")
    served = Served(office, judges_folder)
    await served.read("old proof", issued.credential_id)
    assert _accepted(await served.judged(), "old proof") == {True}
    old = next(key for key in office.created.admission_request.keys if key.purpose == "assertion")
    new = (await office.client.post("/v1/signing-keys", {"purpose": "assertion"})).as_(KeyRecord)
    added = await ledger.say(ledger.registrar.key_addition(party, party, new), key=party.recovery)
    await ledger.say(ledger.registrar.condemnation(party, party, old, added.received_at), key=party.recovery)

    async def dropped() -> bool | None:
        served_now = (await gateway.client().get("/issuers/waterland/did.json")).body
        return True if served_now["assertionMethod"] == [new.key_id] else None

    await until(dropped, "the condemned key is dropped")
    await served.read("new proof", issued.credential_id)
    judged = await served.judged()
    assert _accepted(judged, "old proof") == {False}
    assert _accepted(judged, "new proof") == {True}, judged
