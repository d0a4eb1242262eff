"""What an import believes: a broken proof, a revocation, an end refuse it; what was not checked is said."""

import copy
import itertools
from typing import Any

import msgspec
import pytest

from proto.documents.status_list import build_list_credential, empty_bits, status_entry, with_bits
from proto.ids import Did, KeyId
from proto.keys import SecretKey
from proto.moment import Moment
from proto.wire.gateway import CredentialAnswer
from services.crypto.data_integrity import Suite, create_proof
from tests.support.foreign_documents import elm, nameless_badge
from tests.support.gateways import NO_WAIT, Answered, Office, RunningGateway, achievement

LIST_URL = "https://badges.example/status/1"
KEY = SecretKey.generate()
STRANGER = Did(f"did:key:{KEY.public_key}")
REFS = itertools.count(1)
AT = Moment("2025-06-01T00:00:00.000Z")


def badge(**members: Any) -> dict[str, Any]:
    """Return an unsigned Open Badges document of a stranger."""
    issuer = {"id": STRANGER, "type": ["Profile"], "name": "Zuidzee College"}
    return nameless_badge(id="did:example:maria") | {"issuer": issuer} | members


def signed(document: dict[str, Any], suite: Suite = "eddsa-jcs-2022") -> dict[str, Any]:
    """Return a document with a proof by the stranger's key."""
    key_id = KeyId(f"{STRANGER}#{KEY.public_key}")
    return document | {"proof": create_proof(document, key_id=key_id, sign=KEY.sign, suite=suite, created=AT)}


def status_list(*, is_set: bool) -> dict[str, Any]:
    """Return the stranger's signed list, on which place 7 is set or clear."""
    unsigned = build_list_credential(
        list_url=LIST_URL,
        issuer=STRANGER,
        bits=with_bits(empty_bits(), {7: is_set}),
        valid_from=AT,
        valid_until=Moment("2036-01-01T00:00:00.000Z"),
        ttl_ms=60_000,
    )
    return signed(unsigned)


async def _sent(office: Office, document: Any, query: str = "", kind: str = "open-badges") -> Answered:
    """Import a document for a learner who was never awarded anything."""
    return await office.client.post(f"/v1/imports/{kind}?learner_ref=s-{next(REFS)}{query}", document)


def _codes(answered: Answered) -> set[str]:
    assert (answered.status, answered.slug) == (422, "source-refused"), answered.body

    return {item["code"] for item in answered.body["found"] if item["result"] == "invalid"}


def _notes(answered: Answered) -> str:
    assert answered.status in {201, 202}, answered.body
    return "\n".join(answered.body["notes"])


async def _own(gateway: RunningGateway, office: Office, **fields: Any) -> tuple[CredentialAnswer, dict[str, Any]]:
    """Issue a credential with a grade, and return it with its document."""
    uri = (await office.describe()).achievement.uri
    issued = await office.issue(uri, result={"value": "6"}, **fields)
    await office.published(issued.credential_id)
    read = await office.client.get(f"/v1/credentials/{issued.credential_id}/document")
    return issued, read.body


async def test_a_document_of_this_log_that_was_altered_is_refused_with_and_without_its_proof(
    gateway: RunningGateway,
) -> None:
    first, other = await gateway.institution("waterland"), await gateway.institution("bergland")
    _, document = await _own(gateway, first)
    altered = copy.deepcopy(document)
    altered["credentialSubject"]["result"][0]["value"] = "10"
    for office in (first, other):
        assert _codes(await _sent(office, altered)) == {"proof-wrong", "log-unknown"}
        assert _codes(await _sent(office, altered, "&despite=not-on-log")) == {"proof-wrong", "log-unknown"}
    del altered["proof"]
    refused = await _sent(other, altered)
    assert _codes(refused) == {"log-unknown"}
    assert "despite=not-on-log" in refused.body["detail"]
    assert "all the same" in _notes(await _sent(other, altered, "&despite=not-on-log"))
    whole = _notes(await _sent(other, document))
    assert "it holds, by a key of its issuer on this log" in whole
    assert "it is active on this log" in whole


@pytest.mark.parametrize(("verb", "kind"), [("revoke", "revoked"), ("suspend", "suspended")])
async def test_what_does_not_hold_on_this_log_is_refused_but_where_the_caller_knows(
    gateway: RunningGateway, verb: str, kind: str
) -> None:
    office, other = await gateway.institution("waterland"), await gateway.institution("bergland")
    issued, document = await _own(gateway, office)
    changed = await office.client.post(f"/v1/credentials/{issued.credential_id}/{verb}", {"reason": "error"})
    assert changed.status in {201, 202}
    refused = await _sent(other, document)
    assert _codes(refused) == {"log-state"}
    assert kind in refused.body["detail"]
    assert await gateway.database_count("credential") == 1
    taken = await _sent(other, document, f"&despite={kind}&despite=expired")
    assert f"it is {kind} on this log; imported all the same" in _notes(taken)
    read = await other.client.get(f"/v1/credentials/{taken.body['credential_id']}")
    assert read.body["notes"] == taken.body["notes"]


async def test_a_document_that_was_imported_is_judged_again_and_its_credential_named(gateway: RunningGateway) -> None:
    office, other = await gateway.institution("waterland"), await gateway.institution("bergland")
    issued, document = await _own(gateway, office)

    async def imported(query: str = "") -> Answered:
        return await other.client.post(f"/v1/imports/open-badges?learner_ref=zo{query}", document)

    taken = await imported()
    assert (await imported()).body["credential_id"] == taken.body["credential_id"]
    changed = await office.client.post(f"/v1/credentials/{issued.credential_id}/revoke", {"reason": "error"})
    assert changed.status in {201, 202}
    refused = await imported()
    assert _codes(refused) == {"log-state"}
    assert refused.body["credential_id"] == taken.body["credential_id"]
    assert "imported before" in refused.body["detail"]
    despite = await imported("&despite=revoked")
    assert despite.body["credential_id"] == taken.body["credential_id"]


@pytest.mark.parametrize("suite", ["eddsa-jcs-2022", "eddsa-rdfc-2022"])
async def test_a_strangers_proof_is_checked_by_the_key_that_it_is(gateway: RunningGateway, suite: Suite) -> None:
    office = await gateway.institution("waterland")
    good = signed(badge(), suite)
    altered = copy.deepcopy(good)
    altered["credentialSubject"]["id"] = "did:example:bakker"
    refused = await _sent(office, altered, "&despite=not-on-log&despite=revoked&despite=suspended&despite=expired")
    assert _codes(refused) == {"proof-wrong"}
    assert "bakker" not in str(refused.body)
    notes = _notes(await _sent(office, good))
    assert "it holds, by the key that its issuer is" in notes
    assert "no institution of this log" in notes
    assert "names no status list" in notes


async def test_a_broken_proof_is_found_whoever_the_issuer_is_said_to_be(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    elsewhere = {"id": "https://badges.example/issuers/7", "type": ["Profile"], "name": "Zuidzee College"}
    good = signed(badge(issuer=elsewhere))
    assert _codes(await _sent(office, good | {"name": "Gold"})) == {"proof-wrong"}
    assert "a key that its issuer does not name" in _notes(await _sent(office, good))
    method = {"verificationMethod": "https://badges.example/issuers/7#key-1"}
    notes = _notes(await _sent(office, good | {"name": "Clay", "proof": good["proof"] | method}))
    assert "its key would have to be fetched, and nothing is" in notes
    assert "it carries no proof" in _notes(await _sent(office, badge(issuer=elsewhere, name="Loam")))


async def test_a_status_list_sent_along_is_read_and_one_that_was_not_is_said_to_be_unchecked(
    gateway: RunningGateway,
) -> None:
    office = await gateway.institution("waterland")
    document = signed(badge(credentialStatus=status_entry(LIST_URL, 7)))
    both = {is_set: {"document": document, "status_lists": [status_list(is_set=is_set)]} for is_set in (True, False)}
    refused = await _sent(office, both[True])
    assert _codes(refused) == {"status-list-set"}
    forged = status_list(is_set=False) | {"validFrom": "2025-06-02T00:00:00.000Z"}
    doubted = await _sent(office, {"document": document, "status_lists": [forged]}, "&learner_ref=s-2")
    assert doubted.status == 422  # a parameter may be given once
    doubted = await office.client.post("/v1/imports/open-badges", {"document": document, "status_lists": [forged]})
    assert "does not speak for it" in _notes(doubted)
    assert "not sent along" in _notes(await _sent(office, document))
    assert "has it clear" in _notes(await _sent(office, both[False]))
    wrong = await _sent(office, {"document": document, "status_lists": "none"})
    assert (wrong.status, wrong.body["pointer"]) == (422, "/status_lists")


async def test_a_document_of_a_log_that_was_not_followed_lately_waits(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    _, document = await _own(gateway, office)
    await gateway.stop()
    await gateway.ledger.stop()
    gateway.config = msgspec.structs.replace(gateway.config, stale_seconds_max=0.1, **NO_WAIT)
    await gateway.start()
    office = Office(gateway, office.created)
    unknown = await _sent(office, document)
    assert (unknown.status, unknown.slug) == (503, "log-not-followed")
    assert (await _sent(office, signed(badge()))).status == 202  # which no log is asked about
    await gateway.ledger.start()


async def test_what_is_over_is_refused_in_every_format_but_where_the_caller_knows(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    flat = {"title": "Ledgers", "dateOfIssue": "2019-06-30", "holder": "Zoë", "expiryDate": "2020-06-30"}
    spec = {"id": "urn:epass:spec:1", "type": "LearningAchievementSpecification", "title": {"en": "Statistics I"}}
    model = {
        "@context": ["http://data.europa.eu/snb/model/context/edc-ap"],
        "id": "urn:credential:1",
        "type": ["VerifiableCredential", "EuropeanDigitalCredential"],
        "issuer": {"id": "https://uni.example/org", "type": "Organisation", "legalName": {"en": "Zuidzee College"}},
        "validFrom": "2019-02-01T00:00:00+01:00",
        "expirationDate": "2020-02-01T00:00:00+01:00",
        "credentialSubject": {
            "type": "Person",
            "fullName": {"en": "Anna K"},
            "hasClaim": [{"type": "LearningAchievement", "title": {"en": "Statistics I"}, "specifiedBy": spec}],
        },
    }
    over = badge(validUntil="2025-06-01T00:00:00Z")
    for kind, document in (("microhe", flat), ("elm", model), ("open-badges", over)):
        refused = await _sent(office, document, kind=kind)
        assert _codes(refused) == {"period-over"}
        assert "despite=expired" in refused.body["detail"]
        taken = _notes(await _sent(office, document, "&despite=expired", kind=kind))
        assert "its time was over at" in taken
    assert (await _sent(office, over, "&despite=anything")).status == 422


@pytest.mark.parametrize(
    ("kind", "changed", "pointer"),
    [
        ("open-badges", ("credentialSubject", "achievement", "id"), "/credentialSubject/achievement/id"),
        ("open-badges", ("issuer", "id"), "/issuer/id"),
        ("open-badges", ("issuer", "url"), "/issuer/url"),
        ("elm", ("issuer", "homepage", "url"), "/issuer/homepage/url"),
    ],
)
async def test_an_address_that_a_reader_must_not_follow_is_not_imported_wherever_it_stands(
    gateway: RunningGateway, kind: str, changed: tuple[str, ...], pointer: str
) -> None:
    office = await gateway.institution("waterland")
    document = badge() if kind == "open-badges" else elm()
    inside = document
    for name in changed[:-1]:
        inside = inside.setdefault(name, {})
    inside[changed[-1]] = "JaVaScript:alert(1)"
    refused = await _sent(office, document, kind=kind)
    assert (refused.status, refused.body["pointer"]) == (422, pointer)
    assert "write an https address" in refused.body["detail"]


async def test_an_achievement_that_could_never_be_awarded_for_its_addresses_is_refused(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    for field, value, pointer in (
        ("image", "javascript:alert(1)", "/image"),
        (
            "grading_scheme",
            {"name": "Grade", "type": "LetterGrade", "uri": "file:///etc/passwd"},
            "/grading_scheme/uri",
        ),
    ):
        refused = await office.client.post("/v1/achievements", achievement("soil", **{field: value}))
        assert (refused.status, refused.body["pointer"]) == (422, pointer)
    uri = (await office.describe()).achievement.uri
    learner = {"ref": "s-1", "given_name": "Zoë", "uri": "javascript:alert(1)"}
    refused = await office.client.post("/v1/credentials", office.award(uri, learner=learner))
    assert (refused.status, refused.body["pointer"]) == (422, "/learner/uri")
