"""Documents of institutions that are not on the register: what they prove by themselves. Pure; fetches nothing.

The register says nothing of them, so nothing here makes a verdict `valid`: a good proof shows that the holder of a key
signed exactly this, and no more. What is wrong in itself (a bad proof, a period that is over, a status that cannot be
read) makes the document invalid all the same.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from proto.documents.status_check import StatusEntry, read_entries, read_status
from proto.documents.status_list import StatusIndexProblem, UnsupportedStatusProblem
from proto.ids import Did, KeyId, owner_of
from proto.keys import PublicKey, decode_public_key
from proto.moment import Moment, normalise
from proto.problem import InvalidProblem, Problem
from proto.wire.verifier import Check
from services.crypto.data_integrity import FormsOf, InvalidProofProblem, proofs_of, verify_proof
from services.crypto.rdf_canonical import forms_of
from services.verifier.verdict.verdict import Outside, check

_DID_KEY = "did:key:"
_Prove = Callable[[Mapping[str, Any]], Check]
_WORST_FIRST = ("invalid", "unknown", "valid")


def findings(
    document: Mapping[str, Any],
    *,
    at: Moment,
    now: Moment,
    status_lists: Sequence[Mapping[str, Any]] = (),
    forms: FormsOf = forms_of,
) -> Outside:
    """Return what a credential of a stranger shows by itself: its proof, its dates, where its status stands.

    The document is a credential by the data model (`proto.documents.vc.check_credential`), for whatever it says.
    `status_lists` are what its sender sent along; they count as far as the issuer signed them. `forms` is as in
    `services.verifier.documents.reader`.
    """
    prove = partial(_proof, now=now, forms=forms)
    status = _status(document, status_lists, now, prove)
    return Outside(proof=prove(document), period=_period(document, at), status=status)


def issuer_of(document: Mapping[str, Any]) -> str:
    """Return the issuer that a credential names, whatever kind of URL it is; "" for none."""
    issuer = document.get("issuer")
    named = issuer.get("id") if isinstance(issuer, Mapping) else issuer
    return named if isinstance(named, str) else ""


def _proof(document: Mapping[str, Any], *, now: Moment, forms: FormsOf) -> Check:
    """Judge the proofs by the issuer's own key, the worst of them; those of others say nothing about the issuer."""
    try:
        proofs = proofs_of(document)
    except InvalidProofProblem as problem:
        return check("proof", "invalid", "proof-wrong", fault=problem.detail)
    if not proofs:
        return check("proof", "unknown", "proof-absent-outside")
    own = [proof for proof in proofs if is_by(proof, issuer_of(document))]
    if not own:
        return check("proof", "invalid", "proof-key-of-another")
    found = [_check_proof(document, proof, now, forms) for proof in own]
    return min(found, key=lambda item: _WORST_FIRST.index(item.result))


def is_by(proof: Mapping[str, Any], issuer: str) -> bool:
    """Tell whether a proof names a key of this issuer; whether it holds is another matter."""
    method = proof.get("verificationMethod")
    return isinstance(method, str) and owner_of(KeyId(method)) == issuer


def _check_proof(document: Mapping[str, Any], proof: Mapping[str, Any], now: Moment, forms: FormsOf) -> Check:
    method, issuer = str(proof.get("verificationMethod")), Did(issuer_of(document))
    if not issuer.startswith(_DID_KEY):
        return check("proof", "unknown", "proof-key-elsewhere")
    name = issuer.removeprefix(_DID_KEY)
    if method not in (f"{issuer}#{name}", issuer):
        return check("proof", "invalid", "proof-key-of-another")
    try:
        verify_proof(document, proof, decode_public_key(PublicKey(name)), now=now, forms=forms)
    except InvalidProofProblem as problem:
        return check("proof", "invalid", "proof-wrong", fault=problem.detail)
    except Problem as problem:
        return check("proof", "unknown", "proof-not-checked", fault=problem.detail)
    return check("proof", "valid", "proof-holds-outside")


def _period(document: Mapping[str, Any], at: Moment) -> Check:
    try:
        begins = normalise(str(document["validFrom"])) if "validFrom" in document else None
        ends = normalise(str(document["validUntil"])) if "validUntil" in document else None
    except InvalidProblem:
        return check("period", "unknown", "period-unreadable")
    if begins is not None and at < begins:
        return check("period", "invalid", "period-not-begun", since=_day(begins))
    if ends is not None and at >= ends:
        return check("period", "invalid", "period-over", until=_day(ends))
    if ends is None:
        return check("period", "valid", "period-open")
    return check("period", "valid", "period-within", until=_day(ends))


def _day(moment: Moment) -> str:
    return f"{moment[:10]} {moment[11:16]} UTC"


def _status(
    document: Mapping[str, Any], status_lists: Sequence[Mapping[str, Any]], now: Moment, prove: _Prove
) -> Check:
    """Say what the status is by the lists at hand; nothing is fetched, and what was not read is never `not revoked`."""
    try:
        entries = read_entries(document)
    except UnsupportedStatusProblem as problem:
        return check("status", "unknown", "status-not-read", fault=problem.detail)
    except InvalidProblem as problem:
        return check("status", "invalid", "status-entry-wrong", fault=problem.detail)
    if not entries:
        return check("status", "unknown", "status-not-stated")
    found = [_by_list(document, entry, status_lists, now, prove) for entry in entries]
    if missing := sum(item is None for item in found):
        return check("status", "unknown", "status-elsewhere", count=missing)
    return min((item for item in found if item), key=lambda item: _WORST_FIRST.index(item.result))


def _by_list(
    document: Mapping[str, Any],
    entry: StatusEntry,
    status_lists: Sequence[Mapping[str, Any]],
    now: Moment,
    prove: _Prove,
) -> Check | None:
    """Return what the list at the entry's address says, or None where it is not at hand (Bitstring 1.0 section 3.2)."""
    status_list = next((item for item in status_lists if item.get("id") == entry.list_url), None)
    if status_list is None:
        return None
    proof = prove(status_list)
    if proof.result != "valid":
        return check("status", "unknown", "status-list-refused", fault=proof.detail.rstrip("."))
    try:
        is_set = read_status(entry, status_list, issuer=Did(issuer_of(document)), now=now)
    except StatusIndexProblem as problem:
        return check("status", "invalid", "status-entry-wrong", fault=problem.detail)
    except Problem as problem:
        return check("status", "unknown", "status-list-refused", fault=problem.detail)
    if is_set:
        return check("status", "invalid", "status-list-set", purpose=entry.purpose)
    return check("status", "valid", "status-list-clear", since=_day(normalise(str(status_list["validFrom"]))))


def presented(content: Mapping[str, Any]) -> list[bytes] | None:
    """Return the credentials inside of a presentation (VC Data Model 2.0 section 4.13), or None where it is none.

    The presentation's own proof binds it to whoever shows it, and says nothing about the credentials.
    """
    kinds = content.get("type")
    if "VerifiablePresentation" not in (kinds if isinstance(kinds, list) else [kinds]):
        return None
    inside = content.get("verifiableCredential", [])
    found = inside if isinstance(inside, list) else [inside]
    return [msgspec.json.encode(item) for item in found]
