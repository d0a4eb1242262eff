"""Prerequisites: each requirement that is not met is named, and only what is exactly active counts."""

import msgspec
import pytest

from proto.ids import AchievementUri, Did
from proto.prerequisites import EntryRequirements, Held, missing_prerequisites
from proto.stacking import Group

A, B, C = (AchievementUri(f"https://waterland.example/{name}") for name in "abc")
WATERLAND, BERGLAND = Did("did:web:waterland.example"), Did("did:web:bergland.example")


def _held(uri: AchievementUri, state: str = "active", issuer: Did = WATERLAND) -> Held:
    return Held(uri, issuer, state)


def test_every_achievement_must_be_held() -> None:
    required = EntryRequirements(achievements=(A, B))
    assert missing_prerequisites(required, [_held(A), _held(B), _held(C)]) == ()
    (missing,) = missing_prerequisites(required, [_held(A)], titles={B: "Bridges"})
    assert (missing.code, missing.achievements) == ("prerequisite-missing", (B,))
    assert "Bridges" in missing.detail


@pytest.mark.parametrize("state", ["revoked", "suspended", "void", "expired", "not_yet_valid", "impaired"])
def test_a_credential_that_does_not_hold_is_no_prerequisite(state: str) -> None:
    (missing,) = missing_prerequisites(EntryRequirements(achievements=(A,)), [_held(A, state)])
    assert missing.code == "prerequisite-not-active"
    assert state.replace("_", " ") in missing.detail
    assert missing_prerequisites(EntryRequirements(achievements=(A,)), [_held(A, state), _held(A)]) == ()


def test_of_alternatives_as_many_as_needed_must_be_held() -> None:
    required = EntryRequirements(groups=(Group(name="Any basics", achievements=(A, B, C), needed=2),))
    assert missing_prerequisites(required, [_held(A), _held(C)]) == ()
    (missing,) = missing_prerequisites(required, [_held(A), _held(A), _held(B, "expired")])
    assert missing.detail.startswith("Any basics: 1 of 2")
    assert B in missing.detail
    assert f"possible: {A}" not in missing.detail


def test_an_issuer_that_is_not_accepted_does_not_count() -> None:
    required = EntryRequirements(achievements=(A,), accepted_issuers=(WATERLAND,))
    (missing,) = missing_prerequisites(required, [_held(A, issuer=BERGLAND)])
    assert missing.code == "prerequisite-issuer"
    assert missing_prerequisites(required, [_held(A, issuer=BERGLAND), _held(A)]) == ()


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({}, "at least one"),
        ({"achievements": [A, A]}, "two places"),
        ({"achievements": [A], "groups": [{"name": "g", "achievements": [A], "needed": 1}]}, "two places"),
    ],
)
def test_requirements_that_contradict_themselves_are_refused(stated: dict[str, object], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        msgspec.convert(stated, EntryRequirements)
