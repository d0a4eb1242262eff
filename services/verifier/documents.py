"""Documents as they are sent: split, read, matched to a credential id, and their own proofs checked. Keeps nothing.

Runs in a reader thread: canonical JSON and RDF of a large document take a while.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from proto.canonical import decode_json
from proto.document import credential_id_of
from proto.ids import CredentialId, KeyId, owner_of
from proto.keys import decode_public_key
from proto.lifecycle import Book, Key, Life, compromised_from, is_void
from proto.moment import Moment
from proto.open_badge_claims import DocumentClaims, NotAnOpenBadgeProblem, claims
from proto.problem import InvalidProblem, MalformedProblem, Problem
from proto.vc import check_credential
from proto.wire.verifier import Check
from services.data_integrity import InvalidProofProblem, proofs_of, verify_proof
from services.verifier.domain import check

_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_WORST_FIRST = ("invalid", "unknown", "valid")


class TooManyDocumentsProblem(InvalidProblem):
    """More documents in one list than are taken at once."""

    slug = "too-many-documents"
    title = "Too many documents at once"
    status = 413


class ReadDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document that is JSON and claims to be a credential; `claims` is None, with a `fault`, where it is not one."""

    content: Mapping[str, Any]
    claims: DocumentClaims | None
    credential_id: CredentialId | None
    fault: str = ""


def split(body: bytes, *, documents_max: int) -> list[bytes] | None:
    """Return the documents of a list as they were sent, or None where the body is one document.

    Raises `MalformedProblem` where a list is not JSON, `TooManyDocumentsProblem` and `InvalidProblem` by its length.
    """
    if not body.lstrip(b" \t\r\n").startswith(b"["):
        return None
    try:
        found = _LIST.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedProblem(f"The body is not a JSON list: {error}") from error
    if len(found) > documents_max:
        raise TooManyDocumentsProblem(f"A list has at most {documents_max} documents, not {len(found)}")
    if not found:
        raise InvalidProblem("The list holds no document", pointer="")
    return [bytes(item) for item in found]


def read(data: bytes) -> ReadDocument:
    """Return the document in `data`.

    Raises `MalformedProblem` for what is not JSON that all readers understand alike, and `NotAnOpenBadgeProblem` for
    JSON that does not even claim to be a credential. What claims to be one and is not gets a verdict, not a problem.
    """
    content = decode_json(data)
    if not isinstance(content, Mapping) or not {"credentialSubject", "issuer"} & content.keys():
        raise NotAnOpenBadgeProblem("This is not a credential: it names neither an issuer nor a subject", pointer="")
    try:
        found = claims(content)
        check_credential(content)
    except InvalidProblem as problem:
        where = f" (at {problem.pointer})" if problem.pointer else ""
        return ReadDocument(content=content, claims=None, credential_id=None, fault=f"{problem.detail}{where}")
    return ReadDocument(content=content, claims=found, credential_id=credential_id_of(content, found.issuer))


def check_proofs(document: ReadDocument, book: Book, life: Life | None, *, now: Moment) -> Check:
    """Return what the document's own proofs are worth, by the keys that the log knows: the worst of them counts."""
    try:
        proofs = proofs_of(document.content)
    except InvalidProofProblem as problem:
        return check("proof", "invalid", "proof-wrong", fault=problem.detail)
    if not proofs:
        return check("proof", "not_applicable", "proof-absent")
    found = [_check_proof(document, proof, book, life, now) for proof in proofs]
    return _worst(found)


def _worst(found: Sequence[Check]) -> Check:
    return min(found, key=lambda item: _WORST_FIRST.index(item.result))


def _check_proof(document: ReadDocument, proof: Mapping[str, Any], book: Book, life: Life | None, now: Moment) -> Check:
    key = _key_of(document, proof, book)
    if key is None:
        return check("proof", "unknown", "proof-key-unknown")
    if key.purpose != "assertion":
        return check("proof", "invalid", "proof-key-purpose")
    try:
        verify_proof(document.content, proof, decode_public_key(key.public_key), now=now)
    except InvalidProofProblem as problem:
        return check("proof", "invalid", "proof-wrong", fault=problem.detail)
    except Problem as problem:
        return check("proof", "unknown", "proof-not-checked", fault=problem.detail)
    return _check_key(book, key, life)


def _key_of(document: ReadDocument, proof: Mapping[str, Any], book: Book) -> Key | None:
    """Return the key that the proof names, if it is the institution's and on the log."""
    method = proof.get("verificationMethod")
    if document.claims is None or not isinstance(method, str) or owner_of(KeyId(method)) != document.claims.issuer:
        return None
    issuer = book.issuers.get(document.claims.issuer)
    return issuer.key(KeyId(method)) if issuer else None


def _check_key(book: Book, key: Key, life: Life | None) -> Check:
    """A key that was condemned after the issue was received proves still: the log fixed the document before."""
    if is_void(book, key.added):
        return check("proof", "invalid", "proof-key-compromised")
    stolen_at = compromised_from(book, key.key_id)
    if stolen_at is not None and (life is None or stolen_at <= life.stamp.received_at):
        return check("proof", "invalid", "proof-key-compromised")
    return check("proof", "valid", "proof-holds")
