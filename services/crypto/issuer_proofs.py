"""What the proofs of a document say of its issuer: by keys on the log, or by the key that the issuer is. Fetches none.

For verifiers and for whoever imports. A finding is a code; the words for people are the caller's.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from proto.ids import Did, KeyId, owner_of
from proto.keys import PublicKey
from proto.lifecycle import Book, Key, Life, compromised_from, is_void
from proto.moment import Moment
from proto.problem import InvalidProblem, Problem
from services.crypto.data_integrity import DocumentDigests, FormsOf, InvalidProofProblem, proofs_of, verify_proof

FoundResult = Literal["valid", "invalid", "unknown", "not_applicable"]
DID_KEY = "did:key:"
WORST_FIRST: Sequence[FoundResult] = ("invalid", "unknown", "not_applicable", "valid")


class DocumentFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a document or its status lists show: a result, a stable code, and the values of its sentence."""

    result: FoundResult
    code: str
    values: Mapping[str, Any] = {}


def issuer_of(document: Mapping[str, Any]) -> str:
    """Return the issuer that a credential names, whatever kind of URL it is; "" for none."""
    issuer = document.get("issuer")
    named = issuer.get("id") if isinstance(issuer, Mapping) else issuer
    return named if isinstance(named, str) else ""


def is_by(proof: Mapping[str, Any], issuer: str) -> bool:
    """Tell whether a proof names a key of this issuer; whether it holds is another matter."""
    method = proof.get("verificationMethod")
    return isinstance(method, str) and owner_of(KeyId(method)) == issuer


def worst(found: Sequence[DocumentFinding]) -> DocumentFinding:
    """Return the finding that weighs most, of at least one."""
    return min(found, key=lambda item: WORST_FIRST.index(item.result))


def by_log(
    document: Mapping[str, Any], issuer: Did | None, book: Book, life: Life | None, *, now: Moment, forms: FormsOf
) -> DocumentFinding:
    """Return what a document's proofs are worth by the keys that the log knows: the worst of the issuer's own counts.

    `issuer` is None for a document that is no credential of an institution here; `life` is its issue on the log.
    """
    try:
        proofs = proofs_of(document)
    except InvalidProofProblem as problem:
        return DocumentFinding(result="invalid", code="proof-wrong", values={"fault": problem.detail})
    if not proofs:
        return DocumentFinding(result="not_applicable", code="proof-absent")
    own = [proof for proof in proofs if is_by(proof, issuer or issuer_of(document))]
    if not own:  # a proof that was made another's says nothing of the issuer, nor does one that somebody else made
        return broken_for_others(document, now=now, forms=forms) or _of_nobody(proofs, "proof-of-others")
    signed = _SignedDocument(document, now=now, forms=forms)
    return worst([_by_log(signed, proof, issuer, book, life) for proof in own])


def _names_key(proof: Mapping[str, Any]) -> bool:
    return isinstance(proof.get("verificationMethod"), str)


def _of_nobody(proofs: Sequence[Mapping[str, Any]], code: str) -> DocumentFinding:
    """Return what proofs say of the issuer none of which names a key of it: nothing, neither good nor bad."""
    return DocumentFinding(result="unknown", code=code if all(map(_names_key, proofs)) else "proof-names-no-key")


def _by_log(
    signed: "_SignedDocument", proof: Mapping[str, Any], issuer: Did | None, book: Book, life: Life | None
) -> DocumentFinding:
    key = _key_of(proof, issuer, book)
    if key is None:
        return DocumentFinding(result="unknown", code="proof-key-unknown")
    if key.purpose != "assertion":
        return DocumentFinding(result="invalid", code="proof-key-purpose")
    return signed.fault(proof, key.public_key) or _by_standing(book, key, life)


def _key_of(proof: Mapping[str, Any], issuer: Did | None, book: Book) -> Key | None:
    """Return the key that the proof names, if it is the institution's and on the log."""
    method = proof.get("verificationMethod")
    if issuer is None or not isinstance(method, str) or owner_of(KeyId(method)) != issuer:
        return None
    known = book.issuers.get(issuer)
    return known.key(KeyId(method)) if known else None


class _SignedDocument:
    """One document, of which several proofs are asked about: what they all cover is worked out once."""

    def __init__(self, document: Mapping[str, Any], *, now: Moment, forms: FormsOf) -> None:
        self._document = document
        self._now = now
        self._forms = forms
        self._digests = DocumentDigests()

    def fault(self, proof: Mapping[str, Any], public_key: PublicKey) -> DocumentFinding | None:
        """Return why a proof does not hold by this key, or was not checked; None where it holds."""
        try:
            verify_proof(self._document, proof, public_key, now=self._now, forms=self._forms, digests=self._digests)
        except InvalidProofProblem as problem:
            return DocumentFinding(result="invalid", code="proof-wrong", values={"fault": problem.detail})
        except Problem as problem:
            return DocumentFinding(result="unknown", code="proof-not-checked", values={"fault": problem.detail})
        return None


def _by_standing(book: Book, key: Key, life: Life | None) -> DocumentFinding:
    """A key that was condemned after the issue was received proves still: the log fixed the document before."""
    if is_void(book, key.added):
        return DocumentFinding(result="invalid", code="proof-key-compromised")
    stolen_at = compromised_from(book, key.key_id)
    if stolen_at is not None and (life is None or stolen_at <= life.stamp.received_at):
        return DocumentFinding(result="invalid", code="proof-key-compromised")
    return DocumentFinding(result="valid", code="proof-holds")


def by_itself(document: Mapping[str, Any], *, now: Moment, forms: FormsOf) -> DocumentFinding:
    """Return what the proofs of a stranger's document are worth by the issuer's own key, the worst of them.

    Those of others say nothing about the issuer.
    """
    try:
        proofs = proofs_of(document)
    except InvalidProofProblem as problem:
        return DocumentFinding(result="invalid", code="proof-wrong", values={"fault": problem.detail})
    if not proofs:
        return DocumentFinding(result="unknown", code="proof-absent-outside")
    own = [proof for proof in proofs if is_by(proof, issuer_of(document))]
    if not own:
        named = DocumentFinding(result="invalid", code="proof-key-of-another")
        return named if all(map(_names_key, proofs)) else _of_nobody(proofs, "proof-names-no-key")
    signed = _SignedDocument(document, now=now, forms=forms)
    return worst([_by_itself(signed, proof, issuer_of(document)) for proof in own])


def _by_itself(signed: _SignedDocument, proof: Mapping[str, Any], issuer: str) -> DocumentFinding:
    method = str(proof.get("verificationMethod"))
    if not issuer.startswith(DID_KEY):
        return DocumentFinding(result="unknown", code="proof-key-elsewhere")
    name = issuer.removeprefix(DID_KEY)
    if method not in (f"{issuer}#{name}", issuer):
        return DocumentFinding(result="invalid", code="proof-key-of-another")
    return signed.fault(proof, PublicKey(name)) or DocumentFinding(result="valid", code="proof-holds-outside")


def broken_for_others(document: Mapping[str, Any], *, now: Moment, forms: FormsOf) -> DocumentFinding | None:
    """Return the first proof that does not hold by the did:key that it names, whosever that is; None where all do.

    A good one shows nothing of the issuer; a broken one shows that the document is not what was signed.
    """
    try:
        methods = [(proof, str(proof.get("verificationMethod"))) for proof in proofs_of(document)]
    except InvalidProblem:
        return None
    signed = _SignedDocument(document, now=now, forms=forms)
    for proof, method in methods:
        owner = owner_of(KeyId(method))
        if owner.startswith(DID_KEY):
            found = signed.fault(proof, PublicKey(owner.removeprefix(DID_KEY)))
            if found is not None and found.result == "invalid":
                return found
    return None
