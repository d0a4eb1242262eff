"""Laws of documents, credits and recipes over generated ones."""

import contextlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proto.canonical import canonical_json, decode_json
from proto.documents.credential import Award
from proto.documents.document import document_digest
from proto.documents.open_badge import credits_number
from proto.documents.open_badge_claims import NotAnOpenBadgeProblem, claims, hundredths
from proto.ids import AchievementUri, CredentialId, Did
from proto.moment import Moment
from proto.problem import Problem
from proto.stacking import Recipe, StackPart, ects_remaining, ects_text, unmet_conditions
from services.crypto.data_integrity import SUITES, Suite, create_proof, verify_proof
from tests.support.documents import ISSUER, KEY, full_achievement, full_award, full_document

NOW = Moment("2026-11-23T10:00:00.000Z")
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
credits_given = st.integers(0, 100_000)


def award(name: str, grade: str, earned: int) -> Award:
    learner = {"ref": "pn-1", "family_name": name, "given_name": name}
    return full_award(learner=learner, result={"value": grade}, ects_hundredths=earned)


def document_of(name: str, grade: str, earned: int) -> dict[str, Any]:
    return full_document(award=award(name, grade, earned))


@given(credits_given)
def test_credits_survive_as_number_and_as_text(value: int) -> None:
    assert hundredths(credits_number(value), "") == value
    assert hundredths(decode_json(canonical_json({"c": credits_number(value)}))["c"], "") == value
    assert hundredths(float(ects_text(value)), "") == value


@given(words, words, credits_given)
@settings(max_examples=40, deadline=None)
def test_a_document_says_what_went_in_and_survives_the_wire(name: str, grade: str, earned: int) -> None:
    document = document_of(name, grade, earned)
    assert claims(document).ects_hundredths == earned
    read = decode_json(canonical_json(document))
    assert document_digest(read) == document_digest(document)


@given(words, words, credits_given, st.sampled_from(SUITES), st.data())
@settings(max_examples=40, deadline=None)
def test_no_altered_document_keeps_its_proof(
    name: str, grade: str, earned: int, suite: Suite, data: st.DataObject
) -> None:
    document = document_of(name, grade, earned)
    proof = create_proof(
        document,
        key_id=claims_key(),
        sign=KEY.sign,
        suite=suite,
        created=Moment("2025-07-01T00:00:00.000Z"),
    )
    verify_proof(document, proof, KEY.public_key)
    altered = data.draw(words.filter(lambda text: text != name))
    subject = document["credentialSubject"] | {"familyName": altered}
    assert not holds(document | {"credentialSubject": subject}, proof)


def claims_key() -> Any:
    return f"{ISSUER.did}#{KEY.public_key}"


def holds(document: dict[str, Any], proof: dict[str, Any]) -> bool:
    try:
        verify_proof(document, proof, KEY.public_key)
    except Problem:
        return False
    return True


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)


@given(
    st.sampled_from(["id", "type", "@context", "issuer", "validFrom", "validUntil", "credentialSubject"]), json_values
)
@settings(max_examples=150, deadline=None)
def test_claims_of_anything_are_claims_or_a_refusal(member: str, value: Any) -> None:
    with contextlib.suppress(NotAnOpenBadgeProblem):
        claims(full_document() | {member: value})


parts = st.builds(
    StackPart,
    credential_id=st.integers(0, 2**64).map(lambda number: CredentialId(f"{number:064x}")),
    achievement=st.sampled_from([AchievementUri(f"https://u.example/a/{n}") for n in range(6)]),
    issuer=st.just(Did("did:web:u.example")),
    ects_hundredths=st.integers(0, 3_000),
    valid_from=st.just(Moment("2026-01-01T00:00:00.000Z")),
    is_active=st.just(value=True),
    eqf_level=st.none() | st.integers(1, 8),
)


@given(
    st.lists(parts, max_size=8, unique_by=lambda part: part.credential_id),
    st.integers(0, 20_000),
    st.none() | st.integers(1, 8),
)
def test_the_order_of_parts_never_matters(given_parts: list[StackPart], least: int, level: int | None) -> None:
    recipe = Recipe(ects_hundredths_min=least, eqf_level_min=level)
    forwards = unmet_conditions(recipe, given_parts, now=NOW)
    backwards = unmet_conditions(recipe, given_parts[::-1], now=NOW)
    assert sorted(forwards) == sorted(backwards)


@given(st.integers(0, 100_000), st.lists(st.integers(0, 10_000), max_size=64), st.data())
def test_losing_a_part_never_adds_credits(declared: int, remaining: list[int], data: st.DataObject) -> None:
    whole = ects_remaining(declared, remaining)
    assert 0 <= whole <= declared
    if remaining:
        lost = data.draw(st.integers(0, len(remaining) - 1))
        fewer = [0 if index == lost else value for index, value in enumerate(remaining)]
        assert ects_remaining(declared, fewer) <= whole


def test_the_sample_is_what_these_laws_assume() -> None:
    assert full_achievement().ects_hundredths == 250
