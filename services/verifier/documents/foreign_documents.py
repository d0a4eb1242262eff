"""Documents of institutions that are not on the register: what they prove by themselves. Pure; fetches nothing.

The register says nothing of them, so nothing here makes a verdict `valid`: a good proof shows that the holder of a key
signed exactly this, and no more. What is wrong in itself (a bad proof, a period that is over, a status that cannot be
read) makes the document invalid all the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from proto.moment import Moment, normalise
from proto.problem import InvalidProblem
from proto.wire.verifier import CheckName
from services.crypto.attached_status import by_lists
from services.crypto.data_integrity import FormsOf
from services.crypto.issuer_proofs import DocumentFinding, by_itself
from services.crypto.rdf_canonical import forms_of
from services.verifier.verdict.findings import CheckFinding, finding
from services.verifier.verdict.grounds import ForeignFindings


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

    def fault_of(status_list: Mapping[str, Any]) -> CheckFinding | None:
        proof = _proof(status_list, now=now, forms=forms)
        return None if proof.result == "valid" else proof

    status = check_of("status", by_lists(document, status_lists, now=now, fault_of=fault_of))
    return ForeignFindings(proof=_proof(document, now=now, forms=forms), period=_period(document, at), status=status)


def check_of(name: CheckName, found: DocumentFinding) -> CheckFinding:
    """Return what a document or its lists show as a check of the answer."""
    return finding(name, found.result, found.code, **found.values)


def _proof(document: Mapping[str, Any], *, now: Moment, forms: FormsOf) -> CheckFinding:
    return check_of("proof", by_itself(document, now=now, forms=forms))


def _period(document: Mapping[str, Any], at: Moment) -> CheckFinding:
    try:
        begins = normalise(str(document["validFrom"])) if "validFrom" in document else None
        ends = normalise(str(document["validUntil"])) if "validUntil" in document else None
    except InvalidProblem:
        return finding("period", "unknown", "period-unreadable")
    if begins is not None and at < begins:
        return finding("period", "invalid", "period-not-begun", since=begins)
    if ends is not None and at >= ends:
        return finding("period", "invalid", "period-over", until=ends)
    if ends is None:
        return finding("period", "valid", "period-open")
    return finding("period", "valid", "period-within", until=ends)
