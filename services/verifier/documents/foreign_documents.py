"""Documents of institutions that are not on the register: what they prove by themselves. Pure; fetches nothing.

The register says nothing of them, so nothing here makes a verdict `valid`: a good proof shows that the holder of a key
signed exactly this, and no more. What is wrong in itself (a bad proof, a period that is over, a status that cannot be
read) makes the document invalid all the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from proto.moment import Moment, normalise
from proto.problem import InvalidProblem
from proto.wire.verifier import Check, CheckName
from services.crypto.attached_status import by_lists
from services.crypto.data_integrity import FormsOf
from services.crypto.issuer_proofs import Finding, by_itself
from services.crypto.rdf_canonical import forms_of
from services.verifier.verdict.verdict import ForeignFindings, check


def findings(
    document: Mapping[str, Any],
    *,
    at: Moment,
    now: Moment,
    status_lists: Sequence[Mapping[str, Any]] = (),
    forms: FormsOf = forms_of,
) -> ForeignFindings:
    """Return what a credential of a stranger shows by itself: its proof, its dates, where its status stands.

    The document is a credential by the data model (`proto.documents.vc.check_credential`), for whatever it says.
    `status_lists` are what its sender sent along; they count as far as the issuer signed them. `forms` is as in
    `services.verifier.documents.reader`.
    """

    def fault_of(status_list: Mapping[str, Any]) -> str | None:
        proof = _proof(status_list, now=now, forms=forms)
        return None if proof.result == "valid" else proof.detail.rstrip(".")

    status = check_of("status", by_lists(document, status_lists, now=now, fault_of=fault_of))
    return ForeignFindings(proof=_proof(document, now=now, forms=forms), period=_period(document, at), status=status)


def check_of(name: CheckName, found: Finding) -> Check:
    """Return a finding as a check of the answer, with the words for people."""
    return check(name, found.result, found.code, **found.words)


def _proof(document: Mapping[str, Any], *, now: Moment, forms: FormsOf) -> Check:
    return check_of("proof", by_itself(document, now=now, forms=forms))


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
