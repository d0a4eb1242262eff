"""Data Integrity proofs of documents: made by Ed25519 keys, verified also by P-256 ones. Resolves no key or context.

W3C Verifiable Credential Data Integrity 1.0, vc-di-eddsa 1.0 and, verified only, vc-di-ecdsa 1.0. Keys come as
arguments. JSON-LD contexts come from the package or stand inline; any other is refused as unknown, because a context
that changes changes what was signed.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import base58

from proto.canonical import canonical_json
from proto.documents.document import without_proof
from proto.documents.vc import check_credential
from proto.ids import KeyId
from proto.keys import SIGNATURE_BYTES, PublicKey, Sign
from proto.moment import Moment, as_written, from_ms, normalise, to_ms
from proto.problem import InvalidProblem
from services.crypto.document_keys import KeyKind, is_signed_by, kind_of
from services.crypto.rdf_canonical import (
    CanonicalForm,
    UndefinedTermsProblem,
    forms_of,
    known_contexts,
    refuse_other_meanings,
)

Suite = Literal["eddsa-jcs-2022", "eddsa-rdfc-2022"]
AnySuite = Suite | Literal["ecdsa-jcs-2019", "ecdsa-rdfc-2019"]
"""Also those of P-256 keys, which we hold none of: who does may have its documents verified here."""
SUITES: tuple[Suite, ...] = ("eddsa-jcs-2022", "eddsa-rdfc-2022")
_JCS = frozenset({"eddsa-jcs-2022", "ecdsa-jcs-2019"})
_RDFC = frozenset({"eddsa-rdfc-2022", "ecdsa-rdfc-2019"})
_VERIFIED = _JCS | _RDFC
_FAMILY: Mapping[KeyKind, str] = {"Ed25519": "eddsa-", "P-256": "ecdsa-"}
"""How the names of the suites begin that a kind of key makes."""
_CREATED = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})\Z", re.ASCII)
_PROOF_VALUE_MAX = 120
_PROOF_COUNT_MAX = 8
CREATED_AHEAD_MS = 300_000
"""How far a proof may be dated ahead of our clock, as events may (DESIGN 4): clocks differ."""
FormsOf = Callable[[Sequence[Mapping[str, Any]]], Sequence[CanonicalForm]]
"""What returns the RDF forms of a proof's options and of a document; raises as `rdf_canonical.forms_of`."""


class InvalidProofProblem(InvalidProblem):
    """The proof is there and does not hold: altered document, other key, or a proof that breaks its format."""

    slug = "invalid-proof"
    title = "The document's own proof does not hold"


class UnsupportedProofProblem(InvalidProblem):
    """The proof is of a kind that this software does not check: nothing is known about it, neither good nor bad."""

    slug = "unsupported-proof"
    title = "This kind of proof is not supported"


class ProofNotCheckedProblem(InvalidProblem):
    """What the proof states can only be judged with more than was given (a time, for `expires`)."""

    slug = "proof-not-checked"
    title = "The proof could not be checked"


def proofs_of(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the document's proofs, none to eight; raises `InvalidProofProblem` for what is not a proof object."""
    if "proof" not in document:
        return ()
    proof = document["proof"]
    proofs = proof if isinstance(proof, list) else [proof]
    if len(proofs) > _PROOF_COUNT_MAX or not all(isinstance(item, Mapping) for item in proofs):
        raise InvalidProofProblem(f"proof must be an object or a list of up to {_PROOF_COUNT_MAX}", pointer="/proof")
    return tuple(proofs)


def create_proof(
    document: Mapping[str, Any], *, key_id: KeyId, sign: Sign, suite: AnySuite, created: Moment
) -> dict[str, Any]:
    """Return a proof of `document` (whatever proofs it has are not covered); put it under `proof`.

    In `eddsa-rdfc-2022`, raises `UndefinedTermsProblem` for terms that no context defines, since the signature would
    not cover them (safe mode), `UnknownContextProblem` for a context that is neither pinned nor ours, and
    `RenamedTermsProblem`.
    """
    proof: dict[str, Any] = {
        "type": "DataIntegrityProof",
        "cryptosuite": suite,
        "created": as_written(created),
        "verificationMethod": key_id,
        "proofPurpose": "assertionMethod",
    }
    if "@context" in document and suite in _JCS:
        proof["@context"] = document["@context"]
    data, gap = _hash_data(document, proof, forms_of, DocumentDigests())
    if gap is not None:
        raise gap
    if suite in _RDFC:
        refuse_other_meanings(without_proof(document))
    signature = sign(data)
    assert len(signature) == SIGNATURE_BYTES
    return proof | {"proofValue": "z" + base58.b58encode(signature).decode()}


def secure(document: Mapping[str, Any], *, key_id: KeyId, sign: Sign, suite: Suite, created: Moment) -> dict[str, Any]:
    """Return a credential of ours with its proof, after it was judged by the data model (`proto.documents.vc`).

    Raises `DataModelProblem` and `ContextNotGivenProblem` for what is no credential or says what no pinned context
    defines, in both suites: JCS would sign it. What was signed is then always found whole by both.
    """
    check_credential(without_proof(document), contexts=known_contexts())
    return with_proof(document, create_proof(document, key_id=key_id, sign=sign, suite=suite, created=created))


def with_proof(document: Mapping[str, Any], proof: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with `proof` as its only one, in the shape that the checkers of others read.

    The Open Badges schema wants a list, which readers of `eddsa-rdfc-2022` take; readers of `eddsa-jcs-2022`, and of
    status lists, want a single object (tests/interop shows who refuses what).
    """
    is_listed = proof["cryptosuite"] == "eddsa-rdfc-2022" and "OpenBadgeCredential" in _as_list(document.get("type"))
    return without_proof(document) | {"proof": [dict(proof)] if is_listed else dict(proof)}


class DocumentDigests:
    """SHA-256 of the canonical JSON of one document, under each `@context` that a proof of it names: each made once."""

    def __init__(self) -> None:
        self._made: dict[bytes, bytes] = {}

    def of(self, unsecured: Mapping[str, Any]) -> bytes:
        """Return the digest of the document without its proofs; raises `MalformedProblem` where it has no such form."""
        named = canonical_json(unsecured.get("@context"))
        if named not in self._made:
            self._made[named] = hashlib.sha256(canonical_json(unsecured)).digest()
        return self._made[named]


def verify_proof(
    document: Mapping[str, Any],
    proof: Mapping[str, Any],
    public_key: PublicKey,
    *,
    now: Moment | None = None,
    contexts: Mapping[str, Any] | None = None,
    forms: FormsOf | None = None,
    digests: DocumentDigests | None = None,
) -> None:
    """Return if `proof` is a good proof of `document` by the holder of `public_key` (multibase), else raise.

    That the key is the one that `verificationMethod` names, and may speak for the issuer, is for the caller to
    know. `forms` makes RDF forms elsewhere than here; `contexts` takes the place of the pinned ones; `digests` are
    those of this document, for who asks about several proofs of it.
    `InvalidProofProblem`: it does not hold, also by a suite of another kind of key. Unknown, neither good nor bad:
    `UnsupportedProofProblem` (another suite), `UnknownContextProblem`, `RenamedTermsProblem`,
    `UnsupportedJsonLdProblem`, `ProofNotCheckedProblem`, and `UndefinedTermsProblem`, where the signature is good
    and does not cover all that the document says.
    """
    # (1) The form of the proof; (2) names that mean what they say; (3) its signature over both hashes; (4) whether that
    # covers everything. What costs little comes first.
    _check_form(proof, now)
    if not proof["cryptosuite"].startswith(_FAMILY[kind_of(public_key)]):
        raise InvalidProofProblem("The proof is of a suite that its key does not make", pointer="/proof/cryptosuite")
    signature = _decode_signature(proof.get("proofValue"))
    unsigned = {key: value for key, value in proof.items() if key != "proofValue"}
    if proof["cryptosuite"] in _RDFC and contexts is None:
        refuse_other_meanings(without_proof(document))
    secured = _secured(document, unsigned)
    makers = forms or partial(forms_of, contexts=contexts), digests or DocumentDigests()
    data, gap = _hash_data(secured, unsigned, *makers)
    if not is_signed_by(public_key, data, signature):
        raise InvalidProofProblem("The signature does not fit: document or proof was altered, or another key signed")
    if gap is not None:
        raise gap


def _check_form(proof: Mapping[str, Any], now: Moment | None) -> None:
    suite = proof.get("cryptosuite")
    if proof.get("type") != "DataIntegrityProof" or not isinstance(suite, str) or suite not in _VERIFIED:
        kind = f"{proof.get('type')} {proof.get('cryptosuite', '')}"
        raise UnsupportedProofProblem(f"Proofs of kind {kind[:80]!r} are not checked here", pointer="/proof")
    if "previousProof" in proof:
        raise UnsupportedProofProblem("Chains of proofs are not checked here", pointer="/proof/previousProof")
    if proof.get("proofPurpose") != "assertionMethod":
        raise InvalidProofProblem("A credential's proof has the purpose assertionMethod", pointer="/proof/proofPurpose")
    if not isinstance(proof.get("verificationMethod"), str):
        raise InvalidProofProblem("The proof names no verificationMethod", pointer="/proof/verificationMethod")
    for name in ("created", "expires"):
        if name in proof and not (isinstance(proof[name], str) and _CREATED.match(proof[name])):
            raise InvalidProofProblem(f"{name} is not an RFC 3339 time", pointer=f"/proof/{name}")
    _check_beginning(proof, now)
    _check_expiry(proof, now)


def _check_beginning(proof: Mapping[str, Any], now: Moment | None) -> None:
    """Refuse a proof that says it was made later than now, or at a time that does not exist."""
    if "created" not in proof:
        return
    try:
        created = normalise(proof["created"])
    except InvalidProblem as error:
        raise InvalidProofProblem(error.detail, pointer="/proof/created") from error
    if now is not None and created > from_ms(to_ms(now) + CREATED_AHEAD_MS):
        raise InvalidProofProblem(f"The proof says that it was made at {proof['created']}, which is in the future")


def _check_expiry(proof: Mapping[str, Any], now: Moment | None) -> None:
    if "expires" not in proof:
        return
    if now is None:
        raise ProofNotCheckedProblem("The proof has an end, and no time was given to compare it with")
    try:
        ended = normalise(proof["expires"]) <= now
    except InvalidProblem as error:
        raise InvalidProofProblem(error.detail, pointer="/proof/expires") from error
    if ended:
        raise InvalidProofProblem(f"The proof ended at {proof['expires']}", pointer="/proof/expires")


def _decode_signature(value: Any) -> bytes:
    """Return the 64 bytes of a multibase base58btc `proofValue`, which has exactly one text for them."""
    if isinstance(value, str) and value.startswith("z") and value.isascii() and len(value) <= _PROOF_VALUE_MAX:
        try:
            signature = base58.b58decode(value[1:])
        except ValueError:
            signature = b""
        if len(signature) == SIGNATURE_BYTES and base58.b58encode(signature).decode() == value[1:]:
            return signature
    raise InvalidProofProblem("proofValue is not 64 bytes in multibase base58btc", pointer="/proof/proofValue")


def _secured(document: Mapping[str, Any], proof: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the document under the proof's own `@context`, with which the document's must begin (vc-di-eddsa)."""
    if "@context" not in proof:
        return document
    mine, whole = _as_list(proof["@context"]), _as_list(document.get("@context"))
    if whole[: len(mine)] != mine:
        raise InvalidProofProblem("The document's @context does not begin with the proof's", pointer="/proof/@context")
    return {**document, "@context": proof["@context"]}


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _hash_data(
    document: Mapping[str, Any], proof: Mapping[str, Any], forms: FormsOf, digests: DocumentDigests
) -> tuple[bytes, UndefinedTermsProblem | None]:
    """Return the 64 bytes that are signed, SHA-256 of the canonical proof, then of the document; and what they omit."""
    unsecured = without_proof(document)
    if proof["cryptosuite"] in _JCS:
        return hashlib.sha256(canonical_json(dict(proof))).digest() + digests.of(unsecured), None
    options, said = forms([{**proof, "@context": document.get("@context")}, unsecured])
    return options.digest + said.digest, options.gap or said.gap
