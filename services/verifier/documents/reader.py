"""Documents as they are sent: split, read, matched to a credential id, and their own proofs checked. Keeps nothing.

Runs in a reader thread: canonical JSON and RDF of a large document take a while.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from proto.canonical import DECODE_ERRORS, check_value_count, decode_json
from proto.documents.document import credential_id_of, without_proof
from proto.documents.open_badge_claims import DocumentClaims, NotAnOpenBadgeProblem, claims
from proto.documents.status_check import ENTRY_LIST_MAX
from proto.documents.vc import check_credential
from proto.ids import CredentialId, KeyId, credential_id, owner_of
from proto.keys import decode_public_key
from proto.lifecycle import Book, Key, Life, compromised_from, is_void
from proto.moment import Moment
from proto.plain_json import decode_plain, plain_bytes
from proto.problem import InvalidProblem, MalformedProblem, Problem
from proto.wire.verifier import Check
from services.crypto.data_integrity import FormsOf, InvalidProofProblem, proofs_of, verify_proof
from services.crypto.rdf_canonical import forms_of
from services.verifier.documents import foreign
from services.verifier.verdict.verdict import check

_T = TypeVar("_T")
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_WORST_FIRST = ("invalid", "unknown", "valid")
_STATUS_LISTS = b'"status_lists"'
_SENT_BYTES_MAX = 8_388_608


class TooManyDocumentsProblem(InvalidProblem):
    """More documents in one list than are taken at once."""

    slug = "too-many-documents"
    title = "Too many documents at once"
    status = 413


class PresentationProblem(InvalidProblem):
    """A presentation inside of a list: it has several answers, and there is place for one."""

    slug = "presentation-in-list"
    title = "A presentation is sent alone"


class ReadDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document that is JSON and claims to be a credential; `claims` is None, with a `fault`, where it is not one.

    `is_credential` tells whether it is one by the data model, if not by the profile that institutions here follow.
    """

    content: Mapping[str, Any]
    claims: DocumentClaims | None
    credential_id: CredentialId | None
    is_credential: bool
    fault: str = ""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """One document with what was sent along: the status lists that it names, as their issuer signed them."""

    document: bytes
    status_lists: tuple[Mapping[str, Any], ...]


def with_status_lists(body: bytes) -> Sent | None:
    """Return what a body `{"document": …, "status_lists": […]}` holds, or None where it is none.

    Raises `MalformedProblem` and `InvalidProblem` for one that is wrong.
    """
    if _STATUS_LISTS not in body:
        return None
    content = decode_json(body, bytes_max=_SENT_BYTES_MAX)
    if not isinstance(content, Mapping) or content.keys() != {"document", "status_lists"}:
        return None
    lists = content["status_lists"]
    if not isinstance(lists, list) or len(lists) > ENTRY_LIST_MAX or not all(isinstance(x, Mapping) for x in lists):
        raise InvalidProblem(
            f"`status_lists` is a list of at most {ENTRY_LIST_MAX} status list credentials", pointer="/status_lists"
        )
    return Sent(document=msgspec.json.encode(content["document"]), status_lists=tuple(lists))


def split(body: bytes, *, documents_max: int) -> list[bytes] | None:
    """Return the documents of a list or a presentation, or None where the body is one document.

    Raises `MalformedProblem` where a list is not JSON, `TooManyDocumentsProblem` and `InvalidProblem` by its length.
    """
    if not body.lstrip(b" \t\r\n").startswith(b"["):
        return _presented(body, documents_max=documents_max)
    check_value_count(body)
    try:
        found = _LIST.decode(body)
    except DECODE_ERRORS as error:
        raise MalformedProblem(f"The body is not a JSON list: {error}") from error
    except RecursionError as error:
        raise MalformedProblem("The JSON is nested too deeply") from error
    return _bounded([bytes(item) for item in found], documents_max=documents_max)


def _presented(body: bytes, *, documents_max: int) -> list[bytes] | None:
    """Return the credentials of a presentation, which must be JSON that all readers understand alike; None for none."""
    if b"VerifiablePresentation" not in body and not (b"\\" in body and b"\\u" in body):  # one byte is found sooner
        return None
    content = decode_json(body)
    found = foreign.presented(content) if isinstance(content, Mapping) else None
    return None if found is None else _bounded(found, documents_max=documents_max)


def _bounded(found: list[bytes], *, documents_max: int) -> list[bytes]:
    if len(found) > documents_max:
        raise TooManyDocumentsProblem(f"At most {documents_max} documents are taken at once, not {len(found)}")
    if not found:
        raise InvalidProblem("This holds no document", pointer="")
    return found


def read(data: bytes) -> ReadDocument:
    """Return the document in `data`.

    Raises `MalformedProblem` for what is not JSON that all readers understand alike, and `NotAnOpenBadgeProblem` for
    JSON that does not even claim to be a credential. What claims to be one and is not gets a verdict, not a problem.
    """
    plain = decode_plain(data)
    content = plain[0] if plain else decode_json(data)
    if isinstance(content, Mapping) and foreign.presented(content) is not None:
        raise PresentationProblem("This is a presentation: send it alone, as a request of its own", pointer="/type")
    if not isinstance(content, Mapping) or not {"credentialSubject", "issuer"} & content.keys():
        raise NotAnOpenBadgeProblem("This is not a credential: it names neither an issuer nor a subject", pointer="")
    found, fault = _judged(content, claims)
    _, no_credential = _judged(content, check_credential)
    if found is None or no_credential:
        fault = no_credential or fault
        return ReadDocument(
            content=content, claims=None, credential_id=None, fault=fault, is_credential=not no_credential
        )
    if plain:
        digest = hashlib.sha256(plain_bytes(without_proof(content))).digest()
        name = credential_id(found.issuer, digest)
    else:
        name = credential_id_of(content, found.issuer)
    return ReadDocument(content=content, claims=found, credential_id=name, is_credential=True)


def _judged(content: Mapping[str, Any], judge: Callable[[Mapping[str, Any]], _T]) -> tuple[_T | None, str]:
    """Return what a judgement gives, or None and its fault in words."""
    try:
        return judge(content), ""
    except InvalidProblem as problem:
        return None, f"{problem.detail} (at {problem.pointer})" if problem.pointer else problem.detail


def check_proofs(
    document: ReadDocument, book: Book, life: Life | None, *, now: Moment, forms: FormsOf = forms_of
) -> Check:
    """Return what the document's own proofs are worth, by the keys that the log knows: the worst of them counts.

    `forms` returns RDF forms; the default makes them here and now.
    """
    try:
        proofs = proofs_of(document.content)
    except InvalidProofProblem as problem:
        return check("proof", "invalid", "proof-wrong", fault=problem.detail)
    if not proofs:
        return check("proof", "not_applicable", "proof-absent")
    issuer = document.claims.issuer if document.claims else foreign.issuer_of(document.content)
    proofs = tuple(proof for proof in proofs if foreign.is_by(proof, issuer))
    if not proofs:  # anybody may add a signature of their own to a document, and take nothing from it
        return check("proof", "not_applicable", "proof-of-others")
    return _worst([_check_proof(document, proof, book, life, now=now, forms=forms) for proof in proofs])


def _worst(found: Sequence[Check]) -> Check:
    return min(found, key=lambda item: _WORST_FIRST.index(item.result))


def _check_proof(
    document: ReadDocument, proof: Mapping[str, Any], book: Book, life: Life | None, *, now: Moment, forms: FormsOf
) -> Check:
    key = _key_of(document, proof, book)
    if key is None:
        return check("proof", "unknown", "proof-key-unknown")
    if key.purpose != "assertion":
        return check("proof", "invalid", "proof-key-purpose")
    try:
        verify_proof(document.content, proof, decode_public_key(key.public_key), now=now, forms=forms)
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
