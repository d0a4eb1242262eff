"""Status lists and proofs of a running gateway: they follow the log, its registrar and its condemned keys."""

import asyncio
from typing import Any

import msgspec
import pytest

from proto import events
from proto.documents.status_check import StatusEntry, read_entries, read_status
from proto.documents.status_list import decode_list
from proto.events import KeyRecord
from proto.ids import Did, KeyId
from proto.wire.gateway import CredentialAnswer
from proto.wire.institutions import RegisteredKey
from services.crypto.data_integrity import proofs_of, verify_proof
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.institutions.institution_commands import tenant_of
from services.persistence import postgres
from tests.support.gateways import PUBLIC_URL, Office, RunningGateway
from tests.support.ledgers import RunningLedger, until
from tests.support.statements import Party


async def _document(office: Office, credential_id: str, proof: str = "eddsa-rdfc-2022") -> dict[str, Any]:
    answered = await office.client.get(f"/v1/credentials/{credential_id}/document?proof={proof}")
    assert answered.status == 200, answered
    return dict(answered.body)


async def _entry(office: Office, credential_id: str) -> StatusEntry:
    (entry,) = read_entries(await _document(office, credential_id))
    return entry


async def _list(office: Office, entry: StatusEntry) -> dict[str, Any]:
    """Return the list as anybody reads it, its proof checked with a key of the DID document."""
    public = office.gateway.client()
    answered = await public.get(entry.list_url.removeprefix(PUBLIC_URL))
    assert (answered.status, answered.headers["Content-Type"]) == (200, "application/vc")
    keys = (await public.get(f"/issuers/{office.slug}/did.json")).body["verificationMethod"]
    (proof,) = proofs_of(answered.body)
    (key,) = [key for key in keys if key["id"] == proof["verificationMethod"]]
    verify_proof(answered.body, proof, key["publicKeyMultibase"])
    return dict(answered.body)


async def _is_set(office: Office, entry: StatusEntry) -> bool:
    return read_status(entry, await _list(office, entry), issuer=office.did, now=office.gateway.ledger.registrar.now)


async def _until_bit(office: Office, entry: StatusEntry, is_set: bool) -> None:
    async def ask() -> bool | None:
        return True if await _is_set(office, entry) is is_set else None

    await until(ask, f"the bit is {is_set}")


async def _known_institution(gateway: RunningGateway, slug: str = "waterland") -> tuple[Office, Party]:
    did = f"did:web:localhost%3A8102:issuers:{slug}"
    party = gateway.ledger.registrar.party(slug, Did(did))
    return await gateway.institution(slug, recovery_public_key=party.recovery.public_key), party


async def test_a_bit_follows_what_is_said_of_the_credential(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    issued, other = await office.issue(uri), await office.issue(uri, "learner-2")
    entry, untouched = await _entry(office, issued.credential_id), await _entry(office, other.credential_id)
    assert entry.list_url == f"{PUBLIC_URL}/issuers/waterland/status/1"
    assert entry.index != untouched.index
    found = await _list(office, entry)
    assert len(decode_list(found["credentialSubject"]["encodedList"])) * 8 == 131_072
    assert not await _is_set(office, entry)
    path = f"/v1/credentials/{issued.credential_id}"
    for verb, is_set in (("suspend", True), ("reinstate", False), ("revoke", True)):
        assert (await office.client.post(f"{path}/{verb}", {"reason": "error"})).status == 201
        await _until_bit(office, entry, is_set)
    assert not await _is_set(office, untouched)


async def test_a_list_is_kept_for_its_ttl_and_asked_for_by_its_etag(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    entry = await _entry(office, (await office.issue((await office.describe()).achievement.uri)).credential_id)
    path = entry.list_url.removeprefix(PUBLIC_URL)
    first = await gateway.client().get(path)
    assert first.headers["Cache-Control"] == "public, max-age=60, must-revalidate"
    assert first.body["credentialSubject"]["ttl"] == 60_000
    assert first.body["validFrom"] < first.body["validUntil"]
    again = await gateway.client().get(path, **{"If-None-Match": first.headers["ETag"]})
    assert again.status == 304
    assert (await gateway.client().get(path.replace("/1", "/2"))).status == 404


async def test_the_registrar_and_a_lost_part_set_bits_too(gateway: RunningGateway, ledger: RunningLedger) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    other = (await office.describe("statistics")).achievement.uri
    parts = [await office.issue(each) for each in (uri, other)]
    for part in parts:
        await office.published(part.credential_id)
    whole = (await office.describe("whole", ects_hundredths=700)).achievement.uri
    components = sorted(part.credential_id for part in parts)
    answered = await office.client.post("/v1/stacks", office.award(whole) | {"components": components})
    stack = await _entry(office, answered.as_(CredentialAnswer).credential_id)
    assert not await _is_set(office, stack)
    registrar = ledger.registrar
    await ledger.say(
        registrar.make(
            events.CredentialRevoked,
            registrar.registrar,
            credential_id=components[0],
            reason="legal-order",
            effective_at=registrar.now,
        )
    )
    await _until_bit(office, await _entry(office, components[0]), True)
    await _until_bit(office, stack, True)
    assert not await _is_set(office, await _entry(office, components[1]))


async def test_what_a_condemned_event_key_issued_is_void_on_the_list(
    gateway: RunningGateway, ledger: RunningLedger
) -> None:
    office, party = await _known_institution(gateway)
    issued = await office.issue((await office.describe()).achievement.uri)
    await office.published(issued.credential_id)
    entry = await _entry(office, issued.credential_id)
    key = _key(office, "event")
    added = (await gateway.client().get("/v1/institutions/waterland")).body["keys"][0]["added_at"]
    condemnation = ledger.registrar.condemnation(party, party, key, added)
    await ledger.say(condemnation, key=party.recovery)
    await _until_bit(office, entry, True)
    refused = await office.client.post("/v1/credentials", office.award(issued.achievement))
    assert (refused.status, refused.slug) == (503, "no-key")


def _key(office: Office, purpose: str) -> KeyRecord:
    return next(key for key in office.created.admission_request.keys if key.purpose == purpose)


async def test_proofs_and_lists_are_made_anew_once_their_key_is_condemned(
    gateway: RunningGateway, ledger: RunningLedger
) -> None:
    office, party = await _known_institution(gateway)
    issued = await office.issue((await office.describe()).achievement.uri)
    before = await _document(office, issued.credential_id)
    assert before == await _document(office, issued.credential_id)
    old = _key(office, "assertion")
    # (1) A new key that the log does not have yet signs nothing; (2) the recovery key adds it and condemns the old one.
    made = await office.client.post("/v1/signing-keys", {"purpose": "assertion"}, key="new")
    new = made.as_(KeyRecord)
    assert made.status == 201
    assert (await _document(office, issued.credential_id)) == before
    await ledger.say(ledger.registrar.key_addition(party, party, new), key=party.recovery)
    added = await _registered(gateway, new.key_id, "active")
    await ledger.say(ledger.registrar.condemnation(party, party, old, added.added_at), key=party.recovery)
    await _registered(gateway, old.key_id, "compromised")
    after = await _document(office, issued.credential_id)
    assert after["proof"][0]["verificationMethod"] == new.key_id
    assert {**after, "proof": None} == {**before, "proof": None}
    assert after == await _document(office, issued.credential_id)
    entry = await _entry(office, issued.credential_id)
    assert (await _list(office, entry))["proof"]["verificationMethod"] == new.key_id


async def _registered(gateway: RunningGateway, key_id: KeyId, state: str) -> RegisteredKey:
    """Return a key of the public register once it is in this state."""

    async def ask() -> RegisteredKey | None:
        shown = (await gateway.client().get("/v1/institutions/waterland")).body
        keys = msgspec.convert(shown["keys"], list[RegisteredKey])
        return next((key for key in keys if key.key_id == key_id and key.state == state), None)

    return await until(ask, f"the key is {state}")


async def test_no_place_is_given_twice(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    issued = await asyncio.gather(*(office.issue(uri, f"learner-{n}") for n in range(16)))
    entries = [await _entry(office, each.credential_id) for each in issued]
    assert len({(entry.list_url, entry.index) for entry in entries}) == len(issued)
    assert gateway.inside is not None
    tenant = await _tenant(gateway)
    given = await asyncio.gather(*(gateway.inside.status_lists.place(tenant) for _ in range(200)))
    places = {(place.number, place.index) for place in given} | {(1, entry.index) for entry in entries}
    assert len(places) == len(given) + len(entries)


async def _tenant(gateway: RunningGateway) -> Tenant:
    assert gateway.inside is not None
    return await tenant_of(gateway.inside.pool, "waterland")


@pytest.mark.parametrize("suite", ["eddsa-rdfc-2022", "eddsa-jcs-2022"])
async def test_both_suites_are_kept_and_stay_the_same_over_a_restart(gateway: RunningGateway, suite: str) -> None:
    office = await gateway.institution("waterland")
    issued = await office.issue((await office.describe()).achievement.uri)
    document = await _document(office, issued.credential_id, suite)
    assert isinstance(document["proof"], list if suite == "eddsa-rdfc-2022" else dict)
    await gateway.stop()
    await gateway.start()
    assert await _document(Office(gateway, office.created), issued.credential_id, suite) == document


async def _without_key(gateway: RunningGateway, purpose: str) -> tuple[Office, str]:
    """Return an institution with a credential on the log, whose key of this purpose is condemned since."""
    office, party = await _known_institution(gateway)
    issued = await office.issue((await office.describe()).achievement.uri)
    await office.published(issued.credential_id)
    key = _key(office, purpose)
    added = (await gateway.client().get("/v1/institutions/waterland")).body["keys"][0]["added_at"]
    await gateway.ledger.say(gateway.ledger.registrar.condemnation(party, party, key, added), key=party.recovery)
    await _registered(gateway, key.key_id, "compromised")
    return office, issued.credential_id


async def test_a_file_of_an_institution_without_a_key_keeps_no_other_waiting(gateway: RunningGateway) -> None:
    mute, name = await _without_key(gateway, "event")
    other = await gateway.institution("hillside")
    issued = await other.issue((await other.describe()).achievement.uri)
    change = {"action": "revoke", "reason": "error"}
    for number in range(3):
        body = msgspec.json.encode(change | {"credential_id": name})
        waits = await mute.client.send(
            "POST", "/v1/batches/changes", body, media_type="application/x-ndjson", key=f"{number}"
        )
        assert waits.status in {200, 202}, waits
    body = msgspec.json.encode(change | {"credential_id": issued.credential_id})
    sent = await other.client.send("POST", "/v1/batches/changes", body, media_type="application/x-ndjson", key="k")

    async def over() -> str | None:
        found = (await other.client.get(f"/v1/batches/{sent.body['batch_id']}")).body
        return found["state"] if found["state"] == "finished" else None

    await until(over, "the other institution's file is done")
    assert (await mute.client.get(f"/v1/batches/{waits.body['batch_id']}")).body["state"] != "finished"


async def test_lists_that_nobody_may_sign_keep_no_other_waiting(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.issuer_gateway.status_lists.LISTS_AT_ONCE", 1)
    mute, _ = await _without_key(gateway, "assertion")
    offices = [mute, *[await gateway.institution(slug) for slug in ("hillside", "seaside")]]
    for office in offices[1:]:
        issued = await office.issue((await office.describe()).achievement.uri)
        said = await office.client.post(f"/v1/credentials/{issued.credential_id}/revoke", {"reason": "error"})
        assert said.status == 201, said

    async def up() -> bool | None:
        async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
            rows = await connection.fetch(
                "SELECT slug FROM status_list JOIN institution USING (institution_id) WHERE version = published_version"
            )
        return {"hillside", "seaside"} <= {row["slug"] for row in rows} or None

    await until(up, "the lists of those who have keys are published, whatever the order")
