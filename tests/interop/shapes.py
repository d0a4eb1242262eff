"""The documents that the checkers of others are asked about: every language and shape of our examples, and what they
load to judge them (DID documents, contexts, status lists, the schema). Nothing is fetched."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from proto.canonical import decode_json
from proto.documents.credential import Achievement, IssuerProfile
from proto.documents.open_badge import Component, build_document
from proto.documents.open_badge_names import IRIS
from proto.documents.status_list import build_list_credential, empty_bits, status_entry, with_bits
from proto.ids import CredentialId, Did, KeyId
from proto.imports.open_badge import import_open_badge
from proto.keys import SecretKey, did_key
from proto.moment import Moment
from proto.tables.awards_csv import parse_awards
from services.crypto.data_integrity import Suite, secure
from services.crypto.rdf_canonical import pinned_contexts
from tests.support.documents import EXAMPLES, full_achievement, full_award

NOW = Moment("2026-11-23T12:00:00.000Z")
KEY = SecretKey(bytes(range(32)))
OTHER_KEY = SecretKey(bytes(range(1, 33)))
WEB = Did("did:web:gateway.example%3A8102:issuers:nadmorska")
WEB_KEY_ID = KeyId(f"{WEB}#assertion-1")
OTHER_KEY_ID = KeyId(f"{WEB}#assertion-2")
DID_KEY = did_key(KEY.public_key)
STATUS_URL = "https://gateway.example:8102/status/nadmorska/1"
STRANGER = Did("did:web:stranger.example")
CONDEMNED = Did("did:web:gateway.example%3A8102:issuers:condemned")
PLAIN, SET = 94567, 94568
"""Places in the status lists: the bit at `PLAIN` is clear, that at `SET` is set."""

Json = dict[str, Any]


def issuer_of(did: Did, **other: Any) -> IssuerProfile:
    given: Json = {"legal_name": "Politechnika Nadmorska", "country": "PL", "url": "https://nadmorska.example/"}
    return msgspec.convert(given | {"did": did} | other, IssuerProfile)


def sign(document: Mapping[str, Any], suite: Suite, *, key: SecretKey = KEY, key_id: KeyId | None = None) -> Json:
    """Return the document with its proof, by the key of its issuer."""
    issuer = document["issuer"]
    did = Did(issuer["id"] if isinstance(issuer, Mapping) else issuer)
    return secure(
        document, key_id=key_id or _key_id(did), sign=key.sign, suite=suite, created=Moment("2026-11-01T09:30:00.000Z")
    )


def _key_id(did: Did) -> KeyId:
    return KeyId(f"{did}#{did.removeprefix('did:key:')}") if did.startswith("did:key:") else KeyId(f"{did}#assertion-1")


def status_list(url: str = STATUS_URL, *, issuer: Did = WEB, **subject: Any) -> Json:
    """Return an unsigned list whose bit `SET` is set, with `subject` in place of its own members."""
    document = build_list_credential(
        list_url=url,
        issuer=issuer,
        bits=with_bits(empty_bits(), {SET: True}),
        valid_from=Moment("2026-11-23T11:59:00.000Z"),
        valid_until=Moment("2026-11-24T11:59:00.000Z"),
        ttl_ms=300_000,
    )
    return document | {"credentialSubject": document["credentialSubject"] | subject}


def did_document(did: Did, keys: Mapping[KeyId, SecretKey]) -> Json:
    """Return a DID document in the form that the gateway serves."""
    return {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": did,
        "verificationMethod": [
            {"id": name, "type": "Multikey", "controller": did, "publicKeyMultibase": key.public_key}
            for name, key in keys.items()
        ],
        "assertionMethod": list(keys),
    }


def loads(schema: Json | None) -> Json:
    """Return what a checker would fetch, by its address."""
    nadmorska = did_document(WEB, {WEB_KEY_ID: KEY, OTHER_KEY_ID: OTHER_KEY})
    stranger = did_document(STRANGER, {KeyId(f"{STRANGER}#assertion-1"): OTHER_KEY})
    found: Json = {address: {"@context": context} for address, context in pinned_contexts().items()}
    found |= {
        WEB: nadmorska,
        "https://gateway.example:8102/issuers/nadmorska/did.json": nadmorska,
        STRANGER: stranger,
        "https://stranger.example/.well-known/did.json": stranger,
        CONDEMNED: did_document(CONDEMNED, {KeyId(f"{CONDEMNED}#assertion-2"): OTHER_KEY}),
        "https://gateway.example:8102/issuers/condemned/did.json": did_document(
            CONDEMNED, {KeyId(f"{CONDEMNED}#assertion-2"): OTHER_KEY}
        ),
        DID_KEY: did_document(DID_KEY, {_key_id(DID_KEY): KEY}),
        STATUS_URL: sign(status_list(), "eddsa-rdfc-2022"),
    }
    if schema is not None:
        found |= {schema["$id"]: schema, schema["$id"].replace("/json-ld/", "/json/"): schema}
    return found


def achievements() -> dict[str, Achievement]:
    """Return the achievements of the examples by their URI."""
    read = (msgspec.json.decode(path.read_bytes()) for path in sorted((EXAMPLES / "achievements").glob("*.json")))
    return {given["uri"]: msgspec.convert(given, Achievement) for given in read}


def shapes() -> Iterator[tuple[str, Json]]:
    """Yield every unsigned document of the examples, with a name."""
    known = achievements()
    yield "full", document()
    yield "did-key", document(issuer=issuer_of(DID_KEY), credential_status=None)
    yield "no-status", document(credential_status=None)
    bare = full_award(valid_until=None, awarded_at=None, result=None, activity_end=None, other_identifiers=[])
    yield "bare", document(award=bare, components=[], credential_status=None)
    whole = full_achievement(ects_hundredths=300, learning_outcomes=[], language="sr-latn-rs")
    yield "whole-credits", document(achievement=whole, components=[])
    for uri, achievement in known.items():
        for language in sorted({*achievement.title, achievement.language}):
            spoken = msgspec.structs.replace(achievement, language=language)
            award = full_award(achievement=uri, result=None)
            yield f"{uri.rpartition('/')[2]}-{language}", document(achievement=spoken, award=award, components=[])
    by_id = {uri.rpartition("/")[2]: achievement for uri, achievement in known.items()}
    for row in parse_awards((EXAMPLES / "awards.csv").read_bytes()).rows:
        achievement = by_id[row.award.achievement]
        award = msgspec.structs.replace(row.award, achievement=achievement.uri)  # as the gateway resolves a short id
        yield f"awards-{row.line}", document(achievement=achievement, award=award, components=[])
    for path in sorted((EXAMPLES / "open-badges").glob("*.json")):
        found = import_open_badge(decode_json(path.read_bytes()))
        yield path.stem, document(achievement=found.achievement, award=found.award, components=[])
    yield "stack", _stack(known)


def _stack(known: Mapping[str, Achievement]) -> Json:
    achievement = known["https://waterland.example/achievements/flood-risk-professional"]
    parts = [
        Component(
            credential_id=CredentialId(digit * 64),
            achievement=achievement.uri,
            issuer=WEB,
            ects_hundredths=hundredths,
        )
        for digit, hundredths in (("a", 300), ("b", 350))
    ]
    award = full_award(achievement=achievement.uri, result=None)
    return document(achievement=achievement, award=award, components=parts)


def document(**other: Any) -> Json:
    """Return one unsigned document with everything that a document can have, and `other` in place of its own."""
    achievement = full_achievement()
    part = Component(
        credential_id=CredentialId("ab" * 32), achievement=achievement.uri, issuer=WEB, ects_hundredths=150
    )
    given: Json = {
        "document_id": "urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33",
        "issuer": issuer_of(WEB),
        "achievement": achievement,
        "award": full_award(),
        "components": [part],
        "credential_status": status_entry(STATUS_URL, PLAIN),
    }
    return build_document(**(given | other))


Mutation = Callable[[Json], object]


def _proof(document: Json) -> Json:
    proof = document["proof"]
    found = proof[0] if isinstance(proof, list) else proof
    assert isinstance(found, dict)
    return found


def _altered(text: str) -> str:
    """Return the text with its last letter or digit but one replaced by another."""
    return text[:-2] + ("2" if text[-2] != "2" else "3") + text[-1]


MUTATIONS: Mapping[str, Mutation] = {
    "title": lambda d: d.update(name="Another title"),
    "achievement name": lambda d: d["credentialSubject"]["achievement"].update(name="Another title"),
    "achievement": lambda d: d["credentialSubject"]["achievement"].update(
        id="https://nadmorska.example/achievements/2"
    ),
    "text in one language": lambda d: d["credentialSubject"]["achievement"][IRIS["titleByLanguage"]][1].update(
        {"@value": "Inny tytuł"}
    ),
    "language of a text": lambda d: d["credentialSubject"]["achievement"][IRIS["titleByLanguage"]][1].update(
        {"@language": "de"}
    ),
    "grade": lambda d: d["credentialSubject"]["result"][0].update(value="5.0"),
    "credits": lambda d: d["credentialSubject"].update(creditsEarned=30),
    "level": lambda d: d["credentialSubject"]["achievement"].update(
        {IRIS["eqfLevel"]: {"id": "http://data.europa.eu/snb/eqf/8"}}
    ),
    "part of the stack": lambda d: d["credentialSubject"][IRIS["component"]][0].update(
        {IRIS["credentialId"]: "cd" * 32}
    ),
    "expiry": lambda d: d.update(validUntil="2040-07-01T00:00:00Z"),
    "beginning": lambda d: d.update(validFrom="2020-07-01T00:00:00Z"),
    "learner": lambda d: d["credentialSubject"].update({IRIS["givenName"]: "Somebody"}),
    "learner under the short name": lambda d: d["credentialSubject"].update(givenName="Somebody"),
    "element under another IRI": lambda d: d["credentialSubject"]["achievement"].update(
        {"urn:credentify:term:level": d["credentialSubject"]["achievement"].pop(IRIS["eqfLevel"])}
    ),
    "end under its IRI": lambda d: d.update({"https://www.w3.org/2018/credentials#validUntil": d.pop("validUntil")}),
    "learner's id": lambda d: d["credentialSubject"].update(id="did:example:somebody"),
    "identity": lambda d: d["credentialSubject"]["identifier"][0].update(identityHash="Somebody Else"),
    "issuer": lambda d: d["issuer"].update(id=STRANGER),
    "issuer's name": lambda d: d["issuer"].update(name="Another University"),
    "id": lambda d: d.update(id="urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc34"),
    "added member": lambda d: d.update(description="With distinction"),
    "added member that no context defines": lambda d: d["credentialSubject"].update(honours="With distinction"),
    "removed member": lambda d: d.pop("validUntil"),
    "removed status": lambda d: d.pop("credentialStatus"),
    "status index": lambda d: d["credentialStatus"].update(statusListIndex="94569"),
    "status list": lambda d: d["credentialStatus"].update(statusListCredential=STATUS_URL + "0"),
    "meaning of a term": lambda d: d["@context"].insert(2, {"narrative": "urn:another:term"}),
    "meaning of an IRI": lambda d: d["@context"].insert(2, {IRIS["eqfLevel"]: "urn:another:term"}),
    "context removed": lambda d: d["@context"].pop(),
    "proof value": lambda d: _proof(d).update(proofValue=_altered(_proof(d)["proofValue"])),
    "verification method": lambda d: _proof(d).update(verificationMethod=OTHER_KEY_ID),
    "created": lambda d: _proof(d).update(created="2026-11-02T09:30:00Z"),
    "purpose": lambda d: _proof(d).update(proofPurpose="authentication"),
    "no proof": lambda d: d.pop("proof"),
}


def mutated(document: Json, mutation: Mutation) -> Json:
    """Return a copy of a signed document, altered after it was signed."""
    copy: Json = json.loads(json.dumps(document))
    mutation(copy)
    return copy
