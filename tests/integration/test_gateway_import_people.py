"""Whom imports are about: nobody is taken for another, the same person's same document is one credential."""

import asyncio
import contextlib
import sqlite3
from typing import Any

import pytest

from proto.canonical import canonical_json
from proto.wire.gateway import CredentialAnswer
from services.issuer_gateway.keys.vault import FILE_NAME, vault_folder
from services.persistence import postgres
from tests.support.foreign_documents import nameless_badge
from tests.support.gateways import Answered, Office, RunningGateway

BORN = {"dateOfBirth": "2001-02-03"}


def badge(name: str = "soil", **subject: Any) -> dict[str, Any]:
    """Return an Open Badges document of an achievement, for a subject that says this of itself."""
    document = nameless_badge(**subject)
    words = {"id": f"https://badges.example/achievements/{name}", "name": name.title()}
    document["credentialSubject"]["achievement"] |= words
    return document | {"id": f"urn:uuid:11111111-1111-4111-8111-{len(name):012}", "name": name.title()}


MARIA = badge(givenName="Maria", familyName="Jansen")
TOM = badge(givenName="Tom", familyName="Jansen")


async def imported(office: Office, document: dict[str, Any], query: str = "", kind: str = "open-badges") -> Answered:
    """Import a document, which is taken."""
    answered = await office.client.post(f"/v1/imports/{kind}{query}", document)
    assert answered.status in {201, 202}, answered
    return answered


async def _id(office: Office, document: dict[str, Any], query: str = "") -> str:
    return str((await imported(office, document, query)).as_(CredentialAnswer).credential_id)


async def _ref(gateway: RunningGateway, credential_id: str) -> str:
    """Return the institution's own name of a credential's learner."""
    async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
        found: str = await connection.fetchval(
            "SELECT ref FROM learner JOIN credential USING (learner_id) WHERE credential_id = $1",
            bytes.fromhex(credential_id),
        )
        return found


async def test_maria_and_tom_stay_two_and_erasing_her_leaves_him_his(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    maria, tom = await imported(office, MARIA), await imported(office, TOM)
    refs = [await _ref(gateway, each.body["credential_id"]) for each in (maria, tom)]
    assert refs[0] != refs[1]
    assert any(refs[0] in note for note in maria.body["notes"])
    soil = maria.body["achievement"]
    award = office.award(
        (await office.describe("advanced", entry_requirements={"achievements": [soil]})).achievement.uri
    )
    learner = {"ref": refs[0], "given_name": "Maria", "family_name": "Jansen"}
    assert (await office.client.post("/v1/credentials", award | {"learner": learner})).status == 201
    stranger = {"ref": "t-1", "given_name": "Tom", "family_name": "Jansen"}
    refused = await office.client.post("/v1/credentials", award | {"learner": stranger})
    assert refused.slug == "prerequisite-missing"
    assert (await office.client.send("DELETE", f"/v1/learners/{refs[0]}")).status == 200
    documents = [f"/v1/credentials/{each.body['credential_id']}/document" for each in (maria, tom)]
    assert [(await office.client.get(path)).status for path in documents] == [410, 200]


@pytest.mark.parametrize(
    ("kind", "one", "another"),
    [
        ("open-badges", badge(familyName="Jansen", **BORN), badge(familyName="Jansen", dateOfBirth="2001-02-04")),
        (
            "microhe",
            {"title": "Ledgers", "dateOfIssue": "2019-06-30", "holder": "Zoë", "dateOfBirth": "2001-02-03"},
            {"title": "Ledgers", "dateOfIssue": "2019-06-30", "holder": "Zoë", "dateOfBirth": "2001-02-04"},
        ),
    ],
)
async def test_who_was_born_on_another_day_is_another(
    gateway: RunningGateway, kind: str, one: dict[str, Any], another: dict[str, Any]
) -> None:
    office = await gateway.institution("waterland")
    found = [(await imported(office, document, kind=kind)).body["credential_id"] for document in (one, another)]
    assert len({await _ref(gateway, each) for each in found}) == 2


async def test_who_is_told_apart_by_enough_is_one_learner_over_documents(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    named = {"givenName": "Maria", "familyName": "Jansen"}
    first, second, other = (
        badge(name, **named, **born) for name, born in (("soil", BORN), ("clay", BORN), ("loam", {}))
    )
    refs = [await _ref(gateway, await _id(office, document)) for document in (first, second, other)]
    assert refs[0] == refs[1]
    assert refs[2] != refs[0]  # a name alone is many people's
    again = await imported(office, badge("peat", **named, **BORN))
    assert any(refs[0] in note and "imported before" in note for note in again.body["notes"])


async def test_the_same_document_for_another_person_is_another_credential(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    alice, bob, nobody = [await _id(office, MARIA, query) for query in ("?learner_ref=alice", "?learner_ref=bob", "")]
    assert len({alice, bob, nobody}) == 3
    assert [await _ref(gateway, each) for each in (alice, bob)] == ["alice", "bob"]
    signed = MARIA | {"proof": {"type": "DataIntegrityProof", "cryptosuite": "of-others", "proofValue": "z1"}}
    for document in (MARIA, dict(reversed(MARIA.items())), signed):
        again = [await _id(office, document, query) for query in ("?learner_ref=alice", "?learner_ref=bob", "")]
        assert again == [alice, bob, nobody]


@pytest.mark.parametrize("query", ["", "?learner_ref=new-1"])
async def test_the_same_document_at_the_same_time_is_one_credential(gateway: RunningGateway, query: str) -> None:
    office = await gateway.institution("waterland")
    document = badge(givenName="Maria", familyName="Jansen", **BORN)
    found = await asyncio.gather(*(_id(office, document, query) for _ in range(5)))
    assert len(set(found)) == 1
    assert await gateway.database_count("learner") == 1


async def test_one_persons_documents_at_the_same_time_are_of_one_learner(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    names = ("soil", "clay", "loam", "peat")
    documents = [badge(name, givenName="Maria", familyName="Jansen", **BORN) for name in names]
    found = await asyncio.gather(*(_id(office, document) for document in documents))
    assert len(set(found)) == 4
    assert await gateway.database_count("learner") == 1


async def test_nothing_links_a_person_to_one_who_was_erased(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    document = badge(givenName="Maria", familyName="Jansen", **BORN)
    for query in ("", "?learner_ref=alice"):
        first = await _id(office, document, query)
        ref = await _ref(gateway, first)
        assert (await office.client.send("DELETE", f"/v1/learners/{ref}")).status == 200
        assert await gateway.database_count("imported") == 0
        assert await gateway.database_count("learner WHERE ref IS NOT NULL") == 0
        second = await _id(office, document, query)
        assert second != first
        assert (await office.client.get(f"/v1/credentials/{second}/document")).status == 200
        await office.client.send("DELETE", f"/v1/learners/{await _ref(gateway, second)}")
    folder = vault_folder(gateway.config.key_folder, gateway.config.master_key_file)
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as file:
        assert file.execute("SELECT count(*) FROM learner_mark").fetchone() == (0,)


async def test_what_an_earlier_version_imported_is_the_same_for_the_same_person(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    alice = await _id(office, MARIA, "?learner_ref=alice")
    assert gateway.inside is not None
    institution_id = office.created.institution_id
    async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
        earlier = gateway.inside.keystore.fingerprint(b"import", institution_id.encode(), canonical_json(MARIA))
        await connection.execute("UPDATE imported SET fingerprint = $1", earlier)
    assert await _id(office, MARIA, "?learner_ref=alice") == alice
    assert await _id(office, MARIA, "?learner_ref=bob") != alice
