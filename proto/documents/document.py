"""The name of a document: its digest and its credential id (DESIGN 3.1 and 9). Reads nothing else of it."""

import hashlib
from collections.abc import Mapping
from typing import Any

from proto.canonical import canonical_json
from proto.documents.claims_root import stated_root
from proto.ids import CredentialId, Did, commitment, committed_credential_id, credential_id


def without_proof(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document without its `proof`: what a proof is made over, and what the digest covers."""
    return {key: value for key, value in document.items() if key != "proof"}


def document_digest(document: Mapping[str, Any]) -> bytes:
    """Return the 32 bytes of SHA-256 over the canonical JSON (RFC 8785) of the document without its `proof`.

    Raises `MalformedProblem` for what has no canonical form.
    """
    return hashlib.sha256(canonical_json(without_proof(document))).digest()


def credential_id_of(document: Mapping[str, Any], issuer: Did) -> CredentialId:
    """Return the credential id that `issuer` and this document make (64 hexadecimal digits).

    Raises `MalformedProblem`, and `ClaimsRootProblem` for a claims root that is none.
    """
    return credential_id_by(issuer, document_digest(document), stated_root(document))


def credential_id_by(issuer: Did, digest: bytes, root: bytes | None) -> CredentialId:
    """Return the credential id that an issuer, a document's digest and its claims root make.

    A document without a claims root is of rules version 1; another's id follows from its commitment.
    """
    if root is None:
        return credential_id(issuer, digest)
    return committed_credential_id(issuer, commitment(digest, root))
