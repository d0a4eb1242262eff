"""The name of a document: its digest and its credential id (DESIGN 3.1). Reads nothing else of it."""

import hashlib
from collections.abc import Mapping
from typing import Any

from proto.canonical import canonical_json
from proto.ids import CredentialId, Did, credential_id


def without_proof(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document without its `proof`: what a proof is made over, and what the digest covers."""
    return {key: value for key, value in document.items() if key != "proof"}


def document_digest(document: Mapping[str, Any]) -> bytes:
    """Return the 32 bytes of SHA-256 over the canonical JSON (RFC 8785) of the document without its `proof`.

    Raises `MalformedProblem` for what has no canonical form.
    """
    return hashlib.sha256(canonical_json(without_proof(document))).digest()


def credential_id_of(document: Mapping[str, Any], issuer: Did) -> CredentialId:
    """Return the credential id that `issuer` and this document make (64 hexadecimal digits)."""
    return credential_id(issuer, document_digest(document))
