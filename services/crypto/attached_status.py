"""What a document's status is by the status lists that were sent along (Bitstring 1.0 section 3.2). Fetches none.

What was not read is never "not revoked".
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from proto.documents.status_check import StatusEntry, read_entries, read_status
from proto.documents.status_list import StatusIndexProblem, UnsupportedStatusProblem
from proto.ids import Did
from proto.moment import Moment, normalise
from proto.problem import InvalidProblem, Problem
from services.crypto.issuer_proofs import DocumentFinding, issuer_of, worst

ENDING_PURPOSES = frozenset({"revocation", "suspension"})
Fault = Callable[[Mapping[str, Any]], Any]
"""Returns why a status list is not shown to be its issuer's, as a value of a sentence, or None where it is."""


def by_lists(
    document: Mapping[str, Any], status_lists: Sequence[Mapping[str, Any]], *, now: Moment, fault_of: Fault
) -> DocumentFinding:
    """Return what the lists at hand say of a document; those that end a credential weigh most."""
    try:
        entries = read_entries(document)
    except UnsupportedStatusProblem as problem:
        return DocumentFinding(result="unknown", code="status-not-read", values={"fault": problem.detail})
    except InvalidProblem as problem:
        return DocumentFinding(result="invalid", code="status-entry-wrong", values={"fault": problem.detail})
    if not entries:
        return DocumentFinding(result="unknown", code="status-not-stated")
    found = [(entry, _by_list(document, entry, status_lists, now, fault_of)) for entry in entries]
    said = sorted(
        ((entry.purpose not in ENDING_PURPOSES, finding) for entry, finding in found if finding is not None),
        key=lambda item: item[0],
    )
    if said and (first := worst([finding for _, finding in said])).result == "invalid":
        return first
    if missing := sum(finding is None for _, finding in found):
        return DocumentFinding(result="unknown", code="status-elsewhere", values={"count": missing})
    return worst([finding for _, finding in said])


def _by_list(
    document: Mapping[str, Any],
    entry: StatusEntry,
    status_lists: Sequence[Mapping[str, Any]],
    now: Moment,
    fault_of: Fault,
) -> DocumentFinding | None:
    """Return what the list at the entry's address says, or None where it is not at hand."""
    status_list = next((item for item in status_lists if item.get("id") == entry.list_url), None)
    if status_list is None:
        return None
    fault = fault_of(status_list)
    if fault is not None:
        return DocumentFinding(result="unknown", code="status-list-refused", values={"fault": fault})
    try:
        is_set = read_status(entry, status_list, issuer=Did(issuer_of(document)), now=now)
    except StatusIndexProblem as problem:
        return DocumentFinding(result="invalid", code="status-entry-wrong", values={"fault": problem.detail})
    except Problem as problem:
        return DocumentFinding(result="unknown", code="status-list-refused", values={"fault": problem.detail})
    if is_set:
        return DocumentFinding(result="invalid", code="status-list-set", values={"purpose": entry.purpose})
    since = normalise(str(status_list["validFrom"]))
    return DocumentFinding(
        result="valid", code="status-list-clear", values={"since": f"{since[:10]} {since[11:16]} UTC"}
    )
