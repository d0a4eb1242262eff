"""Whom an imported document is about: everything that identifies tells people apart, and a name alone is not enough."""

from typing import Any

import pytest

from proto.imports.elm import import_elm
from proto.imports.imported import Imported
from proto.imports.microhe import import_microhe
from proto.imports.open_badge import import_open_badge
from tests.support.foreign_documents import nameless_badge

BORN = {"dateOfBirth": "2001-02-03"}


def _badge(**subject: Any) -> Imported:
    """Import the smallest badge, of a subject that says this of itself."""
    return import_open_badge(nameless_badge(**subject))


def _model(**person: Any) -> Imported:
    """Import the smallest credential of the European Learning Model, of a person who says this."""
    spec = {"id": "urn:epass:spec:1", "type": "LearningAchievementSpecification", "title": {"en": "Statistics I"}}
    claim = {"type": "LearningAchievement", "title": {"en": "Statistics I"}, "specifiedBy": spec}
    return import_elm(
        {
            "@context": ["http://data.europa.eu/snb/model/context/edc-ap"],
            "id": "urn:credential:1",
            "type": ["VerifiableCredential", "EuropeanDigitalCredential"],
            "issuer": {"id": "https://uni.example/org", "type": "Organisation", "legalName": {"en": "Zuidzee College"}},
            "validFrom": "2025-02-01T00:00:00+01:00",
            "credentialSubject": {"type": "Person", "hasClaim": [claim]} | person,
        }
    )


def _flat(**fields: Any) -> Imported:
    """Import the smallest MicroHE record that says this of its holder."""
    return import_microhe(
        {"identifier": "https://uni.example/courses/42", "title": "Ledgers", "dateOfIssue": "2019-06-30"} | fields
    )


def _hashed(value: str, kind: str = "emailAddress") -> dict[str, Any]:
    return {"type": "IdentityObject", "identityType": kind, "hashed": True, "identityHash": value, "salt": "s"}


@pytest.mark.parametrize(
    ("one", "another"),
    [
        (_badge(givenName="Maria", familyName="Jansen"), _badge(givenName="Tom", familyName="Jansen")),
        (_badge(familyName="Jansen", **BORN), _badge(familyName="Jansen", dateOfBirth="2001-02-04")),
        (
            _badge(id="https://school.example/", givenName="Maria"),
            _badge(id="https://school.example/", givenName="Tom"),
        ),
        (_badge(id="did:key:z6MkA", givenName="Maria"), _badge(id="did:key:z6MkB", givenName="Maria")),
        (
            _badge(familyName="Jansen", identifier=[_hashed("sha256$1")]),
            _badge(familyName="Jansen", identifier=[_hashed("sha256$2")]),
        ),
        (_badge(givenName="Maria", honorificSuffix="sr."), _badge(givenName="Maria", honorificSuffix="jr.")),
        (_model(givenName={"en": "Anna"}), _model(givenName={"en": "Anna"}, familyName={"en": "Kowalska"})),
        (_model(fullName={"en": "Anna K"}, **BORN), _model(fullName={"en": "Anna K"}, dateOfBirth="2001-02-04")),
        (
            _model(fullName={"en": "Anna K"}, nationalID={"notation": "1"}),
            _model(fullName={"en": "Anna K"}, nationalID={"notation": "2"}),
        ),
        (_flat(holder="Zoë", dateOfBirth="2001-02-03"), _flat(holder="Zoë", dateOfBirth="2001-02-04")),
        (_flat(holder="Zoë", birthDate="3 Feb 2001"), _flat(holder="Zoë", birthDate="4 Feb 2001")),
        (_flat(holder="Zoë", studentNumber=1), _flat(holder="Zoë", studentNumber=2)),
        (_flat(holder="Zoë", holderEmail="a@x.example"), _flat(holder="Tom", holderEmail="a@x.example")),
    ],
)
def test_whatever_identifies_tells_two_people_apart(one: Imported, another: Imported) -> None:
    assert one.identity.text != another.identity.text
    assert one.award.learner.ref != another.award.learner.ref


@pytest.mark.parametrize(
    "found",
    [
        _badge(givenName="Maria", familyName="Jansen"),
        _badge(givenName="Maria", identifier=[_hashed("Maria", "name"), _hashed("course", "ltiContextId")]),
        _model(givenName={"en": "Anna"}, gender={"id": "f"}),
        _flat(holder="Zoë"),
        _flat(holder="Zoë", holderCountryCode="NL"),
    ],
)
def test_a_name_alone_is_not_enough_to_be_the_same_person(found: Imported) -> None:
    assert not found.identity.is_enough


@pytest.mark.parametrize(
    ("one", "again"),
    [
        (
            _badge(givenName="Maria", familyName="Jansen", **BORN),
            _badge(givenName="MARIA ", familyName="Jan\u00adsen", **BORN),
        ),
        (_badge(id="did:key:z6MkA"), _badge(id="did:key:z6MkA")),
        (_badge(givenName="Anna", familyName="K", **BORN), _model(fullName={"en": "Anna K"}, **BORN)),
        (_badge(givenName="Anna", familyName="K", **BORN), _flat(holder="anna k", birthDate="2001-02-03")),
        (
            _model(id="urn:epass:person:1", fullName={"en": "Anna K"}, nationalID={"notation": "1"}),
            _model(id="urn:epass:person:7", fullName={"pl": "Anna K"}, nationalID={"notation": "1"}),
        ),
    ],
)
def test_who_says_the_same_and_enough_is_one_person_whatever_the_format(one: Imported, again: Imported) -> None:
    assert one.identity == again.identity
    assert one.identity.is_enough


def test_the_institutions_own_reference_stands_and_the_identity_is_known_all_the_same() -> None:
    found = import_microhe({"title": "Ledgers", "dateOfIssue": "2019-06-30", "holder": "Zoë"}, learner_ref="s-1")
    assert found.award.learner.ref == "s-1"
    assert found.identity == _flat(holder="Zoë").identity
