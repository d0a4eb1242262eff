"""What the log's refusal of an event about several credentials says of one of them. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from proto.ids import CredentialId

_WORDS: Final[Mapping[str, str]] = {
    "already-exists": "The credential is on the log already, by another event. Ask for its status by its id",
    "unknown-credential": "The credential is not on the log, so nothing is said of it. Look at how its issue stands",
    "credential-state": "The credential's state on the log does not allow it",
    "effective-time": "The log has a later beginning or a later change of this credential; state a later date",
    "not-allowed": "The credential is another institution's, and only that one may change it",
}


def refusal_of(problem: Mapping[str, Any], credential_id: CredentialId | None) -> dict[str, Any]:
    """Return why the log refused what was said of one credential; the whole problem where it names none."""
    refused = problem.get("refused")
    named = [each for each in refused if isinstance(each, dict)] if isinstance(refused, list) else []
    found = next((each for each in named if each.get("credential_id") == credential_id), None)
    if found is None:
        return dict(problem)
    code = str(found.get("code"))
    said = _WORDS.get(code, f"The log refuses it ({code})")
    state = f". It is {found['state']}" if isinstance(found.get("state"), str) else ""
    kept = {name: value for name, value in problem.items() if name not in {"refused", "pointer"}}
    return kept | {"detail": f"{said}{state}", "code": code, "final": True} | found
