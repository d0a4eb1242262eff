"""What an import takes for the identity of an achievement: what the source calls it, together with its issuer."""

from typing import Any

import pytest

from proto.imports.elm import import_elm
from proto.imports.imported import ImportedIssuer
from proto.imports.microhe import import_microhe
from tests.support.foreign_documents import elm

Json = dict[str, Any]
SCHOOL = {"id": "urn:epass:org:1", "type": "Organisation", "legalName": {"en": "School"}}
UNIVERSITY = {"id": "urn:epass:org:1", "type": "Organisation", "legalName": {"en": "University"}}


def _elm(issuer: Json, title: str = "Mathematics 1", **spec: Any) -> str:
    document = elm(title, issuer=issuer)
    document["credentialSubject"]["hasClaim"][0]["specifiedBy"] |= spec
    return import_elm(document).achievement.uri


def _flat(**members: Any) -> str:
    flat = {"title": "Mathematics 1", "holder": "Zoë", "dateOfIssue": "2020-06-30", "awardingBody": "School"}
    return import_microhe(flat | members).achievement.uri


def test_a_url_is_a_name_of_its_own_and_any_other_id_is_read_with_the_name() -> None:
    assert ImportedIssuer(id="https://a.example", name="A").identity == ImportedIssuer(id="https://a.example").identity
    assert ImportedIssuer(id="did:web:a.example").identity == "did:web:a.example"
    assert ImportedIssuer(id="unknown", name="A").identity != ImportedIssuer(id="unknown", name="B").identity


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ({"issuer": SCHOOL}, {"issuer": SCHOOL}, True),
        ({"issuer": SCHOOL}, {"issuer": UNIVERSITY}, False),
        ({"issuer": SCHOOL}, {"issuer": SCHOOL, "title": "Mathematics 2"}, False),
        ({"issuer": SCHOOL}, {"issuer": SCHOOL, "id": "urn:epass:spec:2"}, True),
        ({"issuer": SCHOOL, "id": "urn:course:1"}, {"issuer": SCHOOL, "id": "urn:course:1", "title": "Maths"}, True),
        ({"issuer": SCHOOL, "id": "urn:course:1"}, {"issuer": SCHOOL, "id": "urn:course:2"}, False),
        (
            {"issuer": SCHOOL, "identifier": {"type": "Identifier", "notation": "MA-1"}},
            {"issuer": SCHOOL, "identifier": [{"type": "Identifier", "notation": "MA-1"}], "title": "Maths"},
            True,
        ),
        ({"issuer": SCHOOL, "id": "https://s.example/1"}, {"issuer": UNIVERSITY, "id": "https://s.example/1"}, True),
    ],
)
def test_an_achievement_of_the_learning_model_is_known_by_what_its_issuer_calls_it(
    one: Json, other: Json, is_same: bool
) -> None:
    assert (_elm(**one) == _elm(**other)) is is_same


def test_an_achievement_of_flat_metadata_is_known_by_what_its_issuer_calls_it() -> None:
    assert _flat() == _flat(holder="Tom")
    assert _flat() != _flat(awardingBody="University")
    assert _flat(courseIdentifier="MA-1") == _flat(courseIdentifier="MA-1", title="Maths")
    assert _flat(courseIdentifier="MA-1") != _flat(courseIdentifier="MA-2")
    assert _flat(courseIdentifier="https://s.example/1", identifier="c-9") == "https://s.example/1"
