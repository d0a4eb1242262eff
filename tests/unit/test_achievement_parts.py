"""Documents whose shared part was made before: the same documents, the same names, checked as strictly."""

import uuid
from typing import Any

import msgspec
import pytest

from proto.documents.checked_part import CheckedPart
from proto.documents.credential import Award
from proto.documents.document import credential_id_of
from proto.documents.open_badge import build_document
from proto.documents.shape import NODES_MAX, shape_of
from proto.documents.vc import DataModelProblem, check_credential, check_shared
from proto.documents.vc_terms import KnownContexts
from proto.envelope import open_envelope, seal, seal_opened
from proto.ids import Origin
from proto.keys import SecretKey, key_id_of
from proto.moment import Moment
from services.crypto.rdf_canonical import known_contexts, pinned_contexts
from services.issuer_gateway.achievements.document_parts import AchievementParts, with_part, without_part
from services.issuer_gateway.domain.awarding import Common, document_of
from services.issuer_gateway.domain.issuing import issued_event, statement_of
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.store.achievements import StoredAchievement
from tests.support.tenants import stored_achievement, tenant_of

KEY = SecretKey.generate()


@pytest.fixture
def tenant() -> Tenant:
    return tenant_of("harbour", "Harbour University")


@pytest.fixture
def stored(tenant: Tenant) -> StoredAchievement:
    return stored_achievement(tenant)


def award(stored: StoredAchievement) -> Award:
    learner = {"ref": "s1", "given_name": "Zoë", "family_name": "Løvstad"}
    fields = {"learner": learner, "achievement": stored.achievement.uri, "valid_from": "2026-01-01T00:00:00Z"}
    return msgspec.convert(fields, Award)


def made(tenant: Tenant, stored: StoredAchievement, parts: AchievementParts) -> dict[str, Any]:
    part = parts.of(tenant, stored)
    return document_of(
        tenant,
        stored.achievement,
        award(stored),
        document_id=f"urn:uuid:{uuid.uuid4()}",
        fixed=part.fixed,
    )


def test_a_document_with_a_part_made_before_is_the_one_made_without_and_has_its_name(
    tenant: Tenant, stored: StoredAchievement
) -> None:
    document = made(tenant, stored, AchievementParts())
    afresh = build_document(
        document_id=document["id"], issuer=tenant.issuer, achievement=stored.achievement, award=award(stored)
    )
    assert afresh == document
    assert credential_id_of(afresh, tenant.did) == credential_id_of(document, tenant.did)


def test_what_is_sealed_without_its_part_is_whole_again_with_it_and_holds_nothing_of_it(
    tenant: Tenant, stored: StoredAchievement
) -> None:
    parts = AchievementParts()
    document = made(tenant, stored, parts)
    sealed = msgspec.json.encode(without_part(document))
    assert tenant.legal_name.encode() not in sealed
    assert next(iter(stored.achievement.title.values())).encode() not in without_name(sealed)
    whole = with_part(msgspec.json.decode(sealed), parts.of(tenant, stored).stored)
    assert list(whole) == list(document)
    assert whole == document


def without_name(sealed: bytes) -> bytes:
    """The document's own name is the achievement's title, and stays with it."""
    return msgspec.json.encode({key: value for key, value in msgspec.json.decode(sealed).items() if key != "name"})


def test_a_document_that_was_stored_whole_is_taken_as_it_is(tenant: Tenant, stored: StoredAchievement) -> None:
    document = made(tenant, stored, AchievementParts())
    assert with_part(document, None) == document


def test_an_institution_with_another_name_has_another_part(tenant: Tenant, stored: StoredAchievement) -> None:
    parts = AchievementParts()
    before = parts.of(tenant, stored)
    renamed = msgspec.structs.replace(tenant, legal_name="Harbour Institute")
    after = parts.of(renamed, stored)
    assert after.fixed.issuer["name"] == "Harbour Institute"
    assert after.digest != before.digest
    assert parts.of(msgspec.structs.replace(renamed), stored) is after


def test_a_name_without_meaning_is_found_beside_a_part_that_is_known(tenant: Tenant, stored: StoredAchievement) -> None:
    parts = AchievementParts()
    document = made(tenant, stored, parts)
    part = parts.of(tenant, stored)
    part.check(document)
    part.check(document)
    document["credentialSubject"]["unheardOf"] = "x"
    with pytest.raises(DataModelProblem) as caught:
        part.check(document)
    assert caught.value.pointer == "/credentialSubject/unheardOf"


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        (("credentialSubject", "achievement"), "unheardOf", "x"),
        (("issuer",), "url", "javascript:alert(1)"),
        (("issuer",), "unheardOf", {"a": 1}),
        (("credentialSubject", "achievement"), "https://x.example/y", {"unheardOf": "x"}),
    ],
)
def test_a_part_that_was_changed_since_it_was_checked_is_looked_through_again(
    tenant: Tenant, stored: StoredAchievement, place: tuple[str, ...], name: str, value: Any
) -> None:
    document = made(tenant, stored, parts := AchievementParts())
    part = parts.of(tenant, stored)
    part.check(document)
    changed = document
    for step in place:
        changed = changed[step]
    changed[name] = value  # the very object that was checked
    with pytest.raises(DataModelProblem) as caught:
        part.check(document)
    assert caught.value.pointer is not None
    assert caught.value.pointer.startswith("/" + "/".join(place))


def test_a_part_says_nothing_of_a_document_of_other_types(tenant: Tenant, stored: StoredAchievement) -> None:
    document = made(tenant, stored, AchievementParts())
    part = check_shared(document, contexts=known_contexts())
    assert part.is_in(document, known_contexts())
    assert not part.is_in(document, KnownContexts(pinned_contexts()))
    assert not part.is_in(document | {"type": ["VerifiableCredential"]}, known_contexts())
    subject = document["credentialSubject"]
    assert not part.is_in(document | {"credentialSubject": subject | {"type": ["Other"]}}, known_contexts())
    assert not part.is_in(document | {"credentialSubject": [subject]}, known_contexts())


def test_only_the_checker_makes_a_checked_part_and_nobody_changes_one(
    tenant: Tenant, stored: StoredAchievement
) -> None:
    document = made(tenant, stored, AchievementParts())
    with pytest.raises(TypeError):
        CheckedPart(document, known_contexts(), object())
    part = check_shared(document, contexts=known_contexts())
    with pytest.raises(AttributeError):
        part._bytes = ()
    with pytest.raises(DataModelProblem):
        check_shared(document | {"unheardOf": "x"}, contexts=known_contexts())


def test_an_event_sealed_and_opened_at_once_is_the_one_that_is_opened_after(
    tenant: Tenant, stored: StoredAchievement
) -> None:
    name = credential_id_of(made(tenant, stored, AchievementParts()), tenant.did)
    said = Common(
        log=Origin("log.example/one"),
        issuer=tenant.did,
        at=Moment("2026-11-27T06:00:00.000Z"),
        nonce="01890a5d-ac96-774b-bcce-b302099a8057",
    )
    event = issued_event(said, statement_of(stored.achievement, award(stored)), name)
    key_id = key_id_of(tenant.did, KEY.public_key)
    assert seal_opened(event, key_id, KEY.sign) == open_envelope(seal(event, key_id, KEY.sign))


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ((), "unheardOf", "x"),
        ((), "evidence", [{"id": "https://x.example/e", "type": ["Evidence", "Unheard"]}]),
        ((), "evidence", [{"id": "https://x.example/e", "type": ["Evidence"], "unheardOf": 1}]),
        (
            (),
            "evidence",
            [{"id": "https://x.example/e", "type": ["Evidence"], "@context": {"name": None}, "name": "x"}],
        ),
        (("credentialSubject",), "narrative", {"unheardOf": "x"}),
        (("credentialSubject",), "https://x.example/y", None),
        (("credentialSubject",), "https://x.example/y", [["x"]]),
        (("credentialStatus",), "unheardOf", "x"),
    ],
)
def test_a_document_of_another_shape_is_looked_through_and_one_of_a_shape_without_fault_is_not(
    tenant: Tenant, stored: StoredAchievement, place: tuple[str, ...], name: str, value: Any
) -> None:
    good = made(tenant, stored, AchievementParts()) | {
        "credentialStatus": {"type": "BitstringStatusListEntry", "statusPurpose": "revocation"},
        "evidence": [{"id": "https://x.example/e", "type": ["Evidence"]}],
    }
    good["credentialStatus"] |= {"statusListIndex": "7", "statusListCredential": "https://x.example/l"}
    part = check_shared(good, contexts=known_contexts())
    check_credential(good, contexts=known_contexts(), part=part)
    assert part.knows(part.rest_of(good))
    other = msgspec.json.decode(msgspec.json.encode(good))
    other["credentialStatus"]["statusListIndex"] = "8"
    assert part.knows(part.rest_of(other))
    check_credential(other, contexts=known_contexts(), part=part)
    inside = other
    for step in place:
        inside = inside[step]
    inside[name] = value
    assert not part.knows(part.rest_of(other))
    with pytest.raises(DataModelProblem) as alone:
        check_credential(other, contexts=known_contexts())
    with pytest.raises(DataModelProblem) as after:
        check_credential(other, contexts=known_contexts(), part=part)
    assert after.value.members == alone.value.members
    assert not part.knows(part.rest_of(other))


def test_no_shape_is_made_of_what_is_too_large() -> None:
    nested: Any = {}
    for _ in range(NODES_MAX + 1):
        nested = [nested]
    assert shape_of({"a": nested}, kept=()) is None
    assert shape_of({"a": [{}] * (NODES_MAX + 1)}, kept=()) is None
    assert shape_of({"a": 1, "type": [1]}, kept=("type",)) is None
