"""Issuing through a running gateway onto a running ledger: from the request to the published event and its document."""

import asyncio
import contextlib
from typing import Any

import msgspec
import pytest

from proto.documents.document import credential_id_of
from proto.documents.open_badge_claims import claims
from proto.ids import AchievementUri, CredentialId
from proto.wire.gateway import CredentialAnswer, EventAnswer
from services.crypto.data_integrity import verify_proof
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.keys.vault import Vault, vault_folder
from services.persistence.postgres import connected
from tests.support.gateways import NO_WAIT, RunningGateway
from tests.support.ledgers import RunningLedger, until


async def test_a_credential_goes_from_the_request_to_a_published_event(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    described = await office.describe()
    issued = await office.issue(described.achievement.uri)
    assert issued.issue.state in {"sequenced", "published"}
    assert issued.issue.index == 2
    published = await office.published(issued.credential_id)
    assert published.status is not None
    assert (published.status.state, published.status.ects_hundredths_remaining) == ("active", 350)
    entry = await gateway.ledger.client.event(issued.issue.event_id)
    assert entry is not None
    assert entry.index == issued.issue.index


async def test_the_document_carries_a_proof_and_leads_to_the_credential_id(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    issued = await office.issue(uri)
    path = f"/v1/credentials/{issued.credential_id}/document"
    answered = await office.client.get(path)
    document = answered.body
    assert answered.headers["Content-Type"] == "application/vc"
    assert credential_id_of(document, office.did) == issued.credential_id
    assert claims(document).ects_hundredths == 350
    assertion = next(key for key in office.created.admission_request.keys if key.purpose == "assertion")
    (proof,) = document["proof"]
    assert proof["verificationMethod"] == assertion.key_id
    verify_proof(document, proof, assertion.public_key)
    again = await office.client.get(path)
    assert again.body == document
    jcs = (await office.client.get(f"{path}?proof=eddsa-jcs-2022")).body
    assert jcs["proof"]["cryptosuite"] == "eddsa-jcs-2022"
    assert "proof" not in (await office.client.get(f"{path}?proof=none")).body


async def test_a_part_of_documents_that_was_altered_in_the_database_is_found_and_never_served(
    gateway: RunningGateway,
) -> None:
    office = await gateway.institution("waterland")
    issued = await office.issue((await office.describe()).achievement.uri)
    path = f"/v1/credentials/{issued.credential_id}/document"
    async with connected(gateway.database.owner_url, application_name="test") as connection:
        content = await connection.fetchval("SELECT content FROM document_part")
        for altered in (content.replace(b"waterland", b"waterlust"), b"nothing"):
            await connection.execute("UPDATE document_part SET content = $1", altered)
            refused = await office.client.get(path)
            assert (refused.status, refused.slug) == (500, "altered-document")
            assert [damage.place.split()[0] for damage in (await gateway.fsck()).damages] == ["credential"]
        await connection.execute("UPDATE document_part SET content = $1", content)
    assert (await office.client.get(path)).status == 200


@pytest.mark.parametrize("rules_version", [1])
async def test_documents_of_one_achievement_share_a_part_and_one_that_was_stored_whole_is_read_too(
    gateway: RunningGateway,
) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    first, second = await office.issue(uri), await office.issue(uri, "learner-2")
    path = f"/v1/credentials/{first.credential_id}/document?proof=none"
    document = (await office.client.get(path)).body
    config = gateway.config
    with contextlib.closing(Vault(vault_folder(config.key_folder, config.master_key_file))) as vault:
        await _store_whole(gateway, vault, first.credential_id, document)
    assert (await office.client.get(path)).body == document
    assert (await office.client.get(f"/v1/credentials/{second.credential_id}/document")).status == 200


async def _store_whole(
    gateway: RunningGateway, vault: Vault, credential_id: CredentialId, document: dict[str, Any]
) -> None:
    """Store a document as an earlier version did."""
    async with connected(gateway.database.owner_url, application_name="test") as connection:
        assert await connection.fetchval("SELECT count(*) FROM document_part") == 1
        name = bytes.fromhex(credential_id)
        learner = await connection.fetchval("SELECT learner_id::text FROM credential WHERE credential_id = $1", name)
        sealed_key = (await vault.keys([learner]))[learner]
        assert sealed_key is not None
        key = Keystore.from_file(gateway.config.master_key_file).learner_key(sealed_key, learner)
        sealed = key.seal(msgspec.json.encode({"document": document}), "document", credential_id)
        await connection.execute(
            "UPDATE credential SET sealed_document = $2, part_digest = NULL WHERE credential_id = $1", name, sealed
        )


async def test_the_same_key_and_body_give_the_same_credential(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    first = await office.client.post("/v1/credentials", office.award(uri), key="one")
    again = await office.client.post("/v1/credentials", office.award(uri), key="one")
    assert (again.status, again.body) == (first.status, first.body)
    other = await office.client.post("/v1/credentials", office.award(uri, "learner-2"), key="one")
    assert (other.status, other.slug) == (409, "idempotency-conflict")
    without = await office.client.post("/v1/credentials", office.award(uri))
    assert (without.status, without.body["credential_id"]) == (200, first.body["credential_id"])
    meant = await office.client.post("/v1/credentials", office.award(uri, "learner-3"))
    assert meant.body["credential_id"] != first.body["credential_id"]


async def test_parallel_requests_with_one_key_issue_one_credential(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    requests = [office.client.post("/v1/credentials", office.award(uri), key="parallel") for _ in range(8)]
    answered = await asyncio.gather(*requests)
    assert {each.status for each in answered} == {201}
    assert len({each.body["credential_id"] for each in answered}) == 1
    page = await office.client.get("/v1/credentials")
    assert len(page.body["credentials"]) == 1


async def test_of_many_requests_at_the_same_time_each_gets_its_own_answer(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    good = (await office.describe()).achievement.uri
    too_large = (await office.describe("too-large", ects_hundredths=90_000)).achievement.uri
    taken = await office.client.post("/v1/credentials", office.award(good, "taken"), key="taken")
    asked = [(str(good), f"learner-{number}", f"key-{number}") for number in range(40)]
    asked += [(good, "learner-2", "taken"), (too_large, "learner-1", "large"), ("https://nowhere.example/x", "y", "z")]
    asked += [(good, "learner-7", "key-7")]
    found = await asyncio.gather(
        *(
            office.client.post("/v1/credentials", office.award(AchievementUri(uri), learner), key=key)
            for uri, learner, key in asked
        )
    )
    assert [answer.status for answer in found] == [201] * 40 + [409, 403, 422, 201]
    assert [answer.slug for answer in found[40:43]] == ["idempotency-conflict", "out-of-scope", "unknown-achievement"]
    made = [answer.as_(CredentialAnswer) for answer in found[:40]]
    assert found[7].body["credential_id"] == found[43].body["credential_id"]
    assert len({answer.credential_id for answer in made} | {taken.body["credential_id"]}) == 41
    assert len({answer.issue.index for answer in made}) == 40
    for answer, described in zip(made[:3], found[:3], strict=True):
        read = (await office.client.get(described.headers["Location"])).as_(CredentialAnswer)
        assert (read.achievement, read.ects_hundredths, read.issued_at, read.document) == (
            answer.achievement,
            answer.ects_hundredths,
            answer.issued_at,
            answer.document,
        )


@pytest.mark.parametrize("gateway_settings", [NO_WAIT])
async def test_a_ledger_that_is_down_makes_a_request_wait_in_the_outbox(
    gateway: RunningGateway, ledger: RunningLedger
) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    await ledger.stop()
    answered = await office.client.post("/v1/credentials", office.award(uri), key="waits")
    assert answered.status == 202
    assert answered.as_(CredentialAnswer).issue.state == "pending"
    assert answered.headers["Location"] == f"/v1/credentials/{answered.body['credential_id']}"
    await gateway.stop()
    await gateway.start()
    await ledger.start()
    published = await office.published(answered.body["credential_id"])
    again = await office.client.post("/v1/credentials", office.award(uri), key="waits")
    assert again.status == 201
    assert again.as_(CredentialAnswer).issue.index == published.issue.index


@pytest.mark.parametrize("gateway_settings", [{"sequencing_wait_ms": 0}])
async def test_what_is_accepted_before_the_log_has_it_is_on_the_log_where_its_location_says(
    gateway: RunningGateway,
) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    issued = await office.client.post("/v1/credentials", office.award(uri))
    assert (issued.status, issued.body["issue"]["state"] in {"sequenced", "published"}) == (201, True)
    path = f"/v1/credentials/{issued.body['credential_id']}"
    revoked = await office.client.post(f"{path}/revoke", {"reason": "error"})
    assert (revoked.status, revoked.body["state"] in {"sequenced", "published"}) == (201, True)
    assert (await office.event_published(revoked.body["event_id"])).credential_id == issued.body["credential_id"]


async def test_what_the_rules_refuse_is_refused_at_once_and_not_stored(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    described = await office.describe("too-large", ects_hundredths=90_000)
    answered = await office.client.post("/v1/credentials", office.award(described.achievement.uri))
    assert (answered.status, answered.slug, answered.body["pointer"]) == (403, "out-of-scope", "/ects_hundredths")
    assert (await office.client.get("/v1/credentials")).body["credentials"] == []


@pytest.mark.parametrize("gateway_settings", [NO_WAIT])
async def test_an_institution_that_is_not_admitted_is_told_so(gateway: RunningGateway) -> None:
    await gateway.ready()
    office = await gateway.tenant("waterland")
    described = await office.describe()
    answered = await office.client.post("/v1/credentials", office.award(described.achievement.uri))
    assert (answered.status, answered.slug) == (403, "unknown-key")
    await gateway.admit(office)
    issued = await office.issue(described.achievement.uri)
    assert (await office.published(issued.credential_id)).issue.index is not None


async def test_nothing_personal_lies_in_the_database_or_the_log_in_the_clear(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    await office.issue(uri, key="private", narrative="A secret narrative")
    async with connected(gateway.database.owner_url, application_name="test") as connection:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for row in tables:
            content = await connection.fetch(f"SELECT * FROM {row['tablename']}")
            told = b"".join(bytes(v) if isinstance(v, bytes) else str(v).encode() for r in content for v in r.values())
            for word in ("Łukasiewicz", "Zoë", "secret narrative"):
                assert word.encode() not in told, (row["tablename"], word)
    assert "Łukasiewicz" not in gateway.log.getvalue().decode()
    assert b"learner-1" not in gateway.log.getvalue()


async def test_an_erased_learner_takes_the_documents_along(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    issued = await office.issue(uri)
    await office.published(issued.credential_id)
    erased = await office.client.send("DELETE", "/v1/learners/learner-1")
    assert (erased.status, erased.body["document_count"]) == (200, 1)
    document = await office.client.get(f"/v1/credentials/{issued.credential_id}/document")
    assert (document.status, document.slug) == (410, "erased")
    shown = (await office.client.get(f"/v1/credentials/{issued.credential_id}")).as_(CredentialAnswer)
    assert shown.is_erased
    assert shown.status is not None
    assert shown.status.state == "active"
    again = await office.client.send("DELETE", "/v1/learners/learner-1")
    assert (again.status, again.slug) == (404, "unknown-learner")
    assert (await office.issue(uri)).credential_id != issued.credential_id


@pytest.mark.parametrize("gateway_settings", [NO_WAIT])
@pytest.mark.parametrize("rules_version", [1])
async def test_an_id_that_another_institution_took_first_is_refused_with_the_name_of_who_holds_it(
    gateway: RunningGateway, ledger: RunningLedger
) -> None:
    rival = await ledger.admit("rival")
    office = await gateway.institution("waterland")  # which has been followed then, and the rival before it
    uri = (await office.describe()).achievement.uri
    await ledger.stop()
    pending = await office.issue(uri)
    assert pending.issue.state == "pending"
    await gateway.stop()
    await ledger.start()
    taken = ledger.registrar.issue(rival, credential_id=CredentialId(pending.credential_id))
    await ledger.say(taken)
    await gateway.start()

    async def ask() -> EventAnswer | None:
        found = (await office.client.get(f"/v1/events/{pending.issue.event_id}")).as_(EventAnswer)
        return found if found.state == "refused" else None

    refused = (await until(ask, "the log has refused it")).problem
    assert refused is not None
    assert refused["type"].endswith("already-exists")
    assert (refused["held_by"], refused["held_by_name"]) == (rival.did, "Rival of Example")
    assert "Rival of Example" in refused["detail"]
    await office.published((await office.issue(uri)).credential_id)
    # What becomes of the other's credential says nothing good of our document, which never held.
    hold = ledger.registrar.hold(rival, taken.credential_id)
    await ledger.say(hold)
    last = await ledger.say(ledger.registrar.release(rival, taken.credential_id))

    async def followed() -> bool | None:
        async with connected(gateway.database.owner_url, application_name="test") as connection:
            seen = await connection.fetchval("SELECT count(*) FROM event WHERE leaf_index = $1", last.index)
            return bool(seen) or None

    await until(followed, "the other's acts are followed")
    async with connected(gateway.database.owner_url, application_name="test") as connection:
        place = "SELECT is_set FROM status_place WHERE credential_id = $1"
        assert await connection.fetchval(place, bytes.fromhex(taken.credential_id)) is True
