"""What a document says, read for people: nothing is lost of ours, and nothing that anybody sends breaks it."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from proto.documents.content import content_of
from proto.wire.content import Content
from tests.support.documents import full_document
from tests.support.earlier_documents import earlier_document

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def test_a_document_says_whose_it_is_what_it_is_and_what_it_is_worth() -> None:
    content = content_of(full_document())
    assert content.title["en"] == "Data literacy for public services"
    assert (content.holder.name, content.holder.date_of_birth) == ("Łukasz Ó Briain", "1994-03-08")
    assert content.learning_outcomes[0].title["en"].startswith("Judges whether")
    assert [skill.name for skill in content.skills] == ["statistics"]
    assert (content.ects_hundredths, content.workload_hours, content.level.eqf) == (250, 70, 5)
    assert (content.results[0].value, content.results[0].highest) == ("4.5", "5.0")
    assert content.supervision == "Supervised online with identity verification"
    assert content.quality_assurance[0].code == "KAUN-2024-118"


def test_what_it_is_learned_with_leads_to_and_is_shown_by_is_said_too() -> None:
    content = content_of(full_document())
    (resource,), (entitlement,) = content.learning_resources, content.entitlements
    assert (resource.title["pl"], resource.url) == ("Podręcznik", "https://nadmorska.example/b")
    assert (entitlement.title["en"], entitlement.url) == ("May enter the second module", "https://nadmorska.example/2")
    (provider,), (shown,) = content.providers, content.evidence
    assert (provider.name, provider.country, provider.url) == ("Port Gdynia", "PL", "https://port.example/")
    assert content.provider_type == "employer"
    assert (shown.url, shown.text, shown.kind) == ("https://nadmorska.example/e/1", "Raport", "portfolio")


def test_an_earlier_form_says_the_same() -> None:
    assert content_of(earlier_document()) == content_of(full_document())


def test_documents_of_one_achievement_share_what_is_said_of_that_and_nothing_of_their_holders() -> None:
    first, second = full_document(), full_document()
    subject = second["credentialSubject"]
    subject |= {"givenName": "Zoë", "familyName": "Berg", "creditsEarned": 1.5, "narrative": "Another"}
    subject["result"][0]["value"] = "3.0"
    subject = {name: value for name, value in subject.items() if not name.endswith("dateOfBirth")}
    second["credentialSubject"] = subject
    second["awardedDate"] = "2024-01-01"
    before, found = content_of(first), content_of(second)
    assert (found.holder.name, found.holder.date_of_birth) == ("Zoë Berg", None)
    assert (found.ects_hundredths, found.narrative, found.awarded_at) == (150, "Another", "2024-01-01")
    assert (found.results[0].value, found.results[0].scheme) == ("3.0", before.results[0].scheme)
    assert (found.title, found.learning_outcomes, found.level) == (before.title, before.learning_outcomes, before.level)
    assert content_of(first) == before


def test_another_version_of_an_achievement_is_said_in_its_own_words() -> None:
    document = full_document()
    content_of(document)
    document["credentialSubject"]["achievement"]["workloadHours"] = 71
    document["credentialSubject"]["achievement"]["creditsAvailable"] = 9
    del document["credentialSubject"]["creditsEarned"]
    assert (content_of(document).workload_hours, content_of(document).ects_hundredths) == (71, 900)


def test_what_is_no_json_of_ours_or_too_long_to_be_kept_is_read_all_the_same() -> None:
    document = full_document()
    for value in (2**80, "x" * 20_000, "\ud800"):
        document["credentialSubject"]["achievement"]["image"] = value
        assert content_of(document).level.eqf == 5


def test_credits_of_nothing_are_said() -> None:
    document = full_document()
    document["credentialSubject"]["creditsEarned"] = 0
    assert content_of(document).ects_hundredths == 0


def _broken(document: Any, replaced: Any, place: int) -> tuple[Any, int]:
    """Return the document with the value at one place replaced, and the places that are left to count."""
    if place == 0:
        return replaced, -1
    place -= 1
    if isinstance(document, dict):
        made: dict[str, Any] = {}
        for name, value in document.items():
            made[name], place = _broken(value, replaced, place) if place >= 0 else (value, place)
        return made, place
    if isinstance(document, list):
        items = []
        for value in document:
            item, place = _broken(value, replaced, place) if place >= 0 else (value, place)
            items.append(item)
        return items, place
    return document, place


@given(place=st.integers(1, 300), replaced=_JSON)
def test_whatever_stands_anywhere_in_a_document_is_read_or_left_out(place: int, replaced: Any) -> None:
    document, _ = _broken(full_document(), replaced, place)
    encoded = msgspec.json.encode(content_of(document))
    assert msgspec.json.decode(encoded, type=Content)
