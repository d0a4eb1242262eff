"""What earlier versions got wrong is listed by fsck, and the change that it writes puts it right."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proto.documents import open_badge
from proto.documents.credential import Achievement, Award
from proto.documents.open_badge_names import IRIS
from proto.ids import CredentialId
from proto.imports.imported import Imported
from proto.wire.batches import BatchAnswer
from services.command.fsck import Targets
from services.command.fsck import check as checked
from services.issuer_gateway.achievements.imported_achievement import adopted
from services.issuer_gateway.fsck.database_check import Report, check
from services.issuer_gateway.fsck.earlier_faults import Fault
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.keys.vault import Vault, vault_folder
from services.persistence import postgres
from tests.support.foreign_documents import nameless_badge
from tests.support.gateways import Office, RunningGateway
from tests.support.ledgers import until


def _badge(number: int, **person: str) -> bytes:
    document = nameless_badge(**person) | {"id": f"urn:uuid:{number:08}-1111-4111-8111-111111111111"}
    return json.dumps(document).encode()


async def _import(office: Office, document: bytes, query: str = "") -> str:
    answered = await office.client.send("POST", f"/v1/imports/open-badges{query}", document)
    assert answered.status == 201, answered
    await office.published(answered.body["credential_id"])
    return str(answered.body["credential_id"])


async def _faults(gateway: RunningGateway) -> tuple[Report, list[Fault]]:
    found: list[Fault] = []
    keystore = Keystore.from_file(gateway.config.master_key_file)
    with contextlib.closing(Vault(vault_folder(gateway.config.key_folder, gateway.config.master_key_file))) as vault:
        async with postgres.connected(gateway.database.owner_url, application_name="fsck") as connection:
            return await check(connection, keystore, vault, mend=found.append), found


async def _changed(office: Office, faults: list[Fault]) -> BatchAnswer:
    body = b"\n".join(msgspec.json.encode(fault.change) for fault in faults)
    answered = await office.client.send(
        "POST", "/v1/batches/changes", body, media_type="application/x-ndjson", key="mend"
    )
    assert answered.status == 200, answered
    batch = answered.as_(BatchAnswer)

    async def ask() -> bool | None:
        found = (await office.client.get(f"/v1/batches/{batch.batch_id}")).as_(BatchAnswer)
        return True if found.published_count == found.row_count else None

    await until(ask, "the changes are published")
    return batch


async def _reseal(gateway: RunningGateway, credential_id: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what is sealed of a credential beside its document, as an earlier version would have written it."""
    name = bytes.fromhex(credential_id)
    keystore = Keystore.from_file(gateway.config.master_key_file)
    with contextlib.closing(Vault(vault_folder(gateway.config.key_folder, gateway.config.master_key_file))) as vault:
        async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
            row = await connection.fetchrow(
                "SELECT learner_id::text, sealed_document FROM credential WHERE credential_id = $1", name
            )
            assert row is not None
            sealed_key = (await vault.keys([row["learner_id"]]))[row["learner_id"]]
            assert sealed_key is not None
            key = keystore.learner_key(sealed_key, row["learner_id"])
            sealed = json.loads(key.open(row["sealed_document"], "document", credential_id))
            change(sealed)
            again = key.seal(msgspec.json.encode(sealed), "document", credential_id)
            await connection.execute("UPDATE credential SET sealed_document = $2 WHERE credential_id = $1", name, again)


async def test_people_who_were_taken_for_one_are_listed_and_told_apart_again(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    merged = f"imported-{'a' * 32}"
    maria = await _import(office, _badge(1, givenName="Maria"), f"?learner_ref={merged}")
    tom = await _import(office, _badge(2, givenName="Tom"), f"?learner_ref={merged}&on_repeat=repeat")
    report, faults = await _faults(gateway)
    assert [damage.place for damage in report.damages] == [f"credential {tom}"]
    assert "Tom" not in str(report)
    assert [fault.institution for fault in faults] == ["waterland"]
    batch = await _changed(office, faults)
    assert (batch.accepted_count, batch.rows[0].state) == (1, "accepted")
    report, faults = await _faults(gateway)
    assert (report.damages, faults) == ((), [])
    kept = (await office.client.get(f"/v1/credentials?learner={merged}")).body["credentials"]
    assert {each["credential_id"]: each["status"]["state"] for each in kept} == {maria: "active", tom: "revoked"}
    new = next(each["status"]["replaced_by"] for each in kept if each["credential_id"] == tom)
    document = (await office.client.get(f"/v1/credentials/{new}/document")).body
    assert document["credentialSubject"][IRIS["givenName"]] == "Tom"
    assert (await office.client.send("DELETE", f"/v1/learners/{merged}")).body["document_count"] == 2
    assert (await office.client.get(f"/v1/credentials/{new}/document")).status == 200


async def test_a_document_with_anothers_words_is_listed_until_it_is_imported_anew(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = await gateway.institution("waterland")
    seen: list[Imported] = []

    async def with_the_first_words(connection: Any, tenant: Any, imported: Imported) -> Any:
        seen.append(imported)
        return await adopted(connection, tenant, seen[0])

    with monkeypatch.context() as patched:  # as an earlier version did it
        patched.setattr("services.issuer_gateway.credentials.import_document.adopted", with_the_first_words)
        await _import(office, _badge(1, givenName="Maria"), "?learner_ref=m-1")
        surgery = _badge(2, givenName="Tom").replace(b"Soil types.", b"Brains are mended.").replace(b"Soil", b"Brain")
        wrong = await _import(office, surgery, "?learner_ref=t-1")
    note = "The achievement is described here already, and otherwise in title; ours was used"
    await _reseal(gateway, wrong, lambda sealed: sealed.setdefault("notes", []).append(note))
    report, faults = await _faults(gateway)
    assert [damage.place for damage in report.damages] == [f"credential {wrong}"]
    assert "on_repeat=replace" in report.damages[0].what
    assert [fault.change for fault in faults] == [None]
    anew = await _import(office, surgery, "?learner_ref=t-1&on_repeat=replace")
    assert anew != wrong
    for query in ("", "&on_repeat=replace"):
        assert await _import(office, surgery, f"?learner_ref=t-1{query}") == anew
    document = (await office.client.get(f"/v1/credentials/{anew}/document")).body
    assert document["credentialSubject"]["achievement"]["description"] == "Brains are mended."

    async def ask() -> bool | None:
        found = (await office.client.get(f"/v1/credentials/{wrong}")).body.get("status") or {}
        return True if found.get("state") == "revoked" and found.get("replaced_by") == anew else None

    await until(ask, "the earlier one is revoked and names the new one")
    assert (await _faults(gateway))[0].damages == ()


def _credits_as_they_were(achievement: Achievement, award: Award) -> float | None:
    """What an earlier version wrote of the credits earned: a 0 was nothing."""
    return open_badge.credits_number(award.earned_hundredths(achievement)) or None


async def test_a_zero_that_was_dropped_is_listed_and_the_change_writes_it(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = await gateway.institution("waterland")
    soil, whole = [(await office.describe(name)).achievement.uri for name in ("soil", "whole")]
    other = await office.issue((await office.describe("other")).achievement.uri, "s-1")
    with monkeypatch.context() as earlier:
        earlier.setattr(open_badge, "_credits_earned", _credits_as_they_were)
        wrong = await office.issue(soil, "s-1", ects_hundredths=0)
        body = office.award(whole, "s-1", ects_hundredths=0, components=[wrong.credential_id, other.credential_id])
        stacked = (await office.client.post("/v1/stacks", body)).body["credential_id"]
    for credential_id in (wrong.credential_id, stacked):
        await office.published(credential_id)
    report, faults = await _faults(gateway)
    assert not report.is_clean
    found = {fault.credential_id: fault for fault in faults}
    assert set(found) == {wrong.credential_id, stacked}
    assert all("credits" in fault.what for fault in faults)
    assert found[stacked].change is None
    assert "on_repeat" in found[stacked].what
    again = await office.client.post("/v1/stacks", body | {"on_repeat": "replace"})
    assert again.status == 201, again
    (row,) = (await _changed(office, [found[CredentialId(wrong.credential_id)]])).rows
    await office.published(again.body["credential_id"])
    for credential_id in (row.credential_id, again.body["credential_id"]):
        document = (await office.client.get(f"/v1/credentials/{credential_id}/document")).body
        assert document["credentialSubject"]["creditsEarned"] == 0
    assert (await _faults(gateway))[1] == []


async def test_the_command_writes_the_changes_for_each_institution(gateway: RunningGateway, tmp_path: Path) -> None:
    office = await gateway.institution("waterland")
    merged = f"imported-{'b' * 32}"
    await _import(office, _badge(1, givenName="Maria"), f"?learner_ref={merged}")
    await _import(office, _badge(2, givenName="Tom"), f"?learner_ref={merged}&on_repeat=repeat")
    targets = Targets(
        gateway_database=gateway.database.owner_url,
        master_key_file=gateway.config.master_key_file,
        key_folder=gateway.config.key_folder,
    )
    folder = tmp_path / "corrections"
    await checked(targets, folder)
    file = folder / "waterland.ndjson"
    assert file.stat().st_mode & 0o777 == 0o600
    (line,) = file.read_bytes().splitlines()
    assert json.loads(line)["action"] == "reissue"
    (fault,) = (await _faults(gateway))[1]
    await _changed(office, [fault])
