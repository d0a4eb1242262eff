"""Credentials in formats of others, none of which is checked here."""

from typing import Any

V1, V2 = "https://www.w3.org/2018/credentials/v1", "https://www.w3.org/ns/credentials/v2"
OB = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
Json = dict[str, Any]
JWT = "eyJhbGciOiJFZERTQSJ9.eyJ2YyI6e319.c2lnbmF0dXJl"
EUROPASS: Json = {
    "@context": [V1, "http://data.europa.eu/snb/model/context/edc-ap"],
    "type": ["VerifiableCredential", "EuropeanDigitalCredential"],
    "issuer": {"id": "urn:epass:org:1", "type": "Organisation"},
    "credentialSubject": {"id": "urn:epass:person:1", "type": "Person"},
}
OTHERS: dict[str, tuple[Json, str]] = {
    "a badge of VC 1.1": (
        {
            "@context": [V1, "https://purl.imsglobal.org/spec/ob/v3p0/context.json"],
            "type": ["VerifiableCredential", "OpenBadgeCredential"],
            "issuer": {"id": "did:key:z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd", "type": ["Profile"]},
            "issuanceDate": "2022-01-01T00:00:00Z",
            "credentialSubject": {"type": ["AchievementSubject"], "achievement": {"id": "urn:x", "name": "Soil"}},
            "proof": {"type": "Ed25519Signature2020", "proofValue": "z5"},
        },
        "document-older-model",
    ),
    "one of a model that is to come": (
        {
            "@context": ["https://www.w3.org/ns/credentials/v3", OB],
            "type": ["VerifiableCredential", "OpenBadgeCredential"],
            "issuer": {"id": "https://a.example"},
            "credentialSubject": {"achievement": {"name": "Soil"}},
        },
        "document-newer-model",
    ),
    "a European Digital Credential": (EUROPASS, "document-europass"),
    "one as it is uploaded": ({"credential": EUROPASS}, "document-europass"),
    "a sealed one": (
        {"payload": "e30", "signatures": [{"protected": "e30", "signature": "x"}]},
        "document-signed-outside",
    ),
    "a record": (
        {
            "@context": [V1, "https://purl.imsglobal.org/spec/clr/v2p0/context.json"],
            "type": ["VerifiableCredential", "ClrCredential"],
            "issuer": {"id": "https://a.example"},
            "credentialSubject": {"verifiableCredential": []},
        },
        "document-learner-record",
    ),
    "a badge of Open Badges 2": (
        {"@context": "https://w3id.org/openbadges/v2", "type": "Assertion", "id": "https://a.example/1", "badge": {}},
        "document-open-badges-2",
    ),
    "an envelope": (
        {"@context": V2, "id": f"data:application/vc+jwt,{JWT}", "type": "EnvelopedVerifiableCredential"},
        "document-enveloped",
    ),
    "no issuer": (
        {"@context": [V2], "type": ["VerifiableCredential"], "credentialSubject": {"id": "did:example:subject"}},
        "document-names-no-issuer",
    ),
    "an issuer of no register, and a fault": (
        {"@context": [V2], "type": ["VerifiableCredential"], "issuer": "https://a.example", "credentialSubject": {}},
        "document-malformed",
    ),
    "a subject that is only named": (
        {
            "@context": [V2],
            "type": ["VerifiableCredential"],
            "issuer": "https://a.example",
            "credentialSubject": {"id": "did:example:subject"},
        },
        "document-issuer-unknown",
    ),
    "a signature that names no key": (
        {
            "@context": [V2],
            "type": ["VerifiableCredential"],
            "issuer": "did:key:z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd",
            "credentialSubject": {"name": "Maria"},
            "proof": {"type": "Ed25519Signature2020", "proofPurpose": "assertionMethod", "proofValue": "z5abc"},
        },
        "document-issuer-unknown",
    ),
}
