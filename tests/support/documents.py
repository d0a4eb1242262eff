"""A complete achievement, award and document for tests; each part can be replaced."""

from pathlib import Path
from typing import Any

import msgspec

from proto.documents.credential import Achievement, Award, IssuerProfile
from proto.documents.open_badge import Component, build_document
from proto.ids import CredentialId
from proto.keys import SecretKey, did_key

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
KEY = SecretKey(bytes(range(32)))
DOCUMENT_ID = "urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33"
ISSUER = IssuerProfile(
    did=did_key(KEY.public_key), legal_name="Politechnika Nadmorska", country="PL", url="https://nadmorska.example/"
)
_SKILL = "http://data.europa.eu/esco/skill/ccd0a1d9-afda-43d9-b901-96344886e14d"


def full_achievement(**fields: Any) -> Achievement:
    """Return the example `data-literacy` with the members that it lacks, and with `fields` in place of its own."""
    given = msgspec.json.decode((EXAMPLES / "achievements" / "data-literacy.json").read_bytes())
    more = {
        "criteria_url": "https://nadmorska.example/criteria/1",
        "image": "https://nadmorska.example/1.png",
        "esco": [{"uri": _SKILL, "name": "statistics"}],
        "alignments": [{"name": "Node", "url": "https://frameworks.example/1", "code": "1", "type": "CFItem"}],
        "learning_resources": [
            {"title": {"pl": "Podręcznik", "en": "Course book"}, "url": "https://nadmorska.example/b"}
        ],
        "entitlements": [{"title": {"en": "May enter the second module"}, "url": "https://nadmorska.example/2"}],
        "providers": [{"name": "Port Gdynia", "country": "PL", "url": "https://port.example/"}],
        "provider_type": "employer",
        "other_identifiers": [{"identifier": "PN-17", "type": "ext:local"}],
    }
    return msgspec.convert(given | more | fields, Achievement)


def full_award(**fields: Any) -> Award:
    """Return an award of `full_achievement`, with `fields` in place of its own."""
    learner = {"ref": "pn-1", "given_name": "Łukasz", "family_name": "Ó Briain", "email": "l@mail.example"}
    given = {
        "learner": learner | {"date_of_birth": "1994-03-08", "uri": "did:example:learner"},
        "achievement": "https://nadmorska.example/achievements/data-literacy",
        "awarded_at": "2025-06-26T10:00:00+02:00",
        "valid_from": "2025-07-01T00:00:00Z",
        "valid_until": "2030-07-01T00:00:00Z",
        "activity_start": "2025-02-01",
        "activity_end": "2025-06-20",
        "result": {"value": "4.5", "status": "Completed"},
        "evidence": [{"url": "https://nadmorska.example/e/1", "text": "Raport", "kind": "portfolio"}],
        "narrative": "Zasolenie zatoki",
        "other_identifiers": [{"identifier": "https://old.example/credentials/1", "type": "identifier"}],
    }
    return msgspec.convert(given | fields, Award)


def full_document(**other: Any) -> dict[str, Any]:
    """Return the document of both, with every member that a document can have."""
    component = Component(
        credential_id=CredentialId("ab" * 32),
        achievement=full_achievement().uri,
        issuer=ISSUER.did,
        ects_hundredths=150,
    )
    status = {
        "id": "https://gateway.example/status/1#94567",
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": "94567",
        "statusListCredential": "https://gateway.example/status/1",
    }
    given: dict[str, Any] = {
        "document_id": DOCUMENT_ID,
        "issuer": ISSUER,
        "achievement": full_achievement(),
        "award": full_award(),
        "components": [component],
        "credential_status": status,
    }
    return build_document(**(given | other))
