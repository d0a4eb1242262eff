"""Whose document it is: DIDs decide alone, else the whole name and, where both state it, the date of birth."""

from typing import Any

import pytest

from proto.documents.credential import Learner
from proto.documents.holder import Recognised, recognised

LEARNER = Learner(ref="s-1", given_name="Zoë", family_name="Ó Briain", date_of_birth="2001-02-03")
BOUND = Learner(ref="s-1", given_name="Zoë", family_name="Ó Briain", uri="did:example:zoe")
MAILED = Learner(ref="s-1", given_name="Zoë", family_name="Ó Briain", email="z@x.example")
NAMES = {"givenName": "ZOE\u0308", "familyName": "ó  briain"}


def _named(name: str, kind: str = "name") -> dict[str, Any]:
    return {"type": "IdentityObject", "identityType": kind, "hashed": False, "identityHash": name}


@pytest.mark.parametrize(
    ("learner", "subject", "by"),
    [
        (LEARNER, NAMES, "name"),
        (LEARNER, NAMES | {"dateOfBirth": "2001-02-03"}, "name-and-birth"),
        (LEARNER, NAMES | {"dateOfBirth": "2001-02-04"}, None),
        (LEARNER, {"givenName": "Zoë"}, None),
        (LEARNER, {}, None),
        (LEARNER, NAMES | {"id": "did:example:other"}, "name"),
        (BOUND, {"id": "did:example:zoe"}, "did"),
        (BOUND, NAMES | {"id": "did:example:other"}, None),
        (BOUND, NAMES, "name"),
        (Learner(ref="s-1", email="a@b.example"), {}, None),
        (Learner(ref="s-1", given_name="Suharto"), {"givenName": "Suharto"}, "name"),
        (Learner(ref="s-1", given_name="Suharto"), {"familyName": "SUHARTO"}, "name"),
        (Learner(ref="s-1", family_name="Suharto"), {"identifier": [_named("Suharto")]}, "name"),
        (Learner(ref="s-1", given_name="Suharto"), {"givenName": "Suharto", "familyName": "Jansen"}, None),
        (Learner(ref="s-1", given_name="Suharto"), {"givenName": 1}, None),
        (Learner(ref="s-1", given_name="Suharto"), {"givenName": "\u200b"}, None),
        (Learner(ref="s-1", given_name="\u200b"), {"givenName": "\u200b"}, None),
        (LEARNER, {"givenName": "Zoë Ó", "familyName": "Briain"}, "name"),
        (LEARNER, NAMES | {"dateOfBirth": "2001-02-03T00:00:00Z"}, "name-and-birth"),
        (MAILED, NAMES | {"identifier": [_named("Z@x.example", "emailAddress")]}, "name-and-mail"),
        (MAILED, NAMES | {"identifier": [_named("tom@x.example", "emailAddress")]}, None),
        (MAILED, NAMES | {"identifier": [_named("Zoë"), 1]}, "name"),
        (MAILED, NAMES | {"identifier": "z@x.example"}, "name"),
    ],
)
def test_a_holder_is_recognised_by_did_or_by_names(
    learner: Learner, subject: dict[str, Any], by: Recognised | None
) -> None:
    assert recognised({"credentialSubject": subject}, learner) == by
