"""Whether the holder of a credential document is a given learner, by what the document says. Verifies no signature."""

from collections.abc import Mapping
from typing import Any, Literal

from proto.documents.credential import Learner
from proto.documents.document import credential_id_of
from proto.documents.open_badge_claims import child, claims
from proto.documents.open_badge_names import stated
from proto.ids import CredentialId
from proto.visible_text import folded

Recognised = Literal["did", "name-and-birth", "name-and-mail", "name"]


def presented_id(document: Mapping[str, Any]) -> CredentialId:
    """Return the credential id of a document; raises `NotAnOpenBadgeProblem` or `MalformedProblem`.

    Who finds that id on the log knows that not a character of the document was altered.
    """
    return credential_id_of(document, claims(document).issuer)


def recognised(document: Mapping[str, Any], learner: Learner) -> Recognised | None:
    """Return by what the holder of a document is recognised as this learner; None where nothing shows it.

    Two DIDs (or other URIs) decide alone, whichever way. Else the whole name must be stated and equal, as one name or
    as several, whatever their case and Unicode form, and so must be the date of birth, or without one the mail address,
    where both state it.
    """
    subject = child(document, "credentialSubject", "")
    uri = subject.get("id")
    if learner.uri and isinstance(uri, str):
        return "did" if uri == learner.uri else None
    name = folded(learner.full_name)
    if not name or folded(_name_in(subject)) != name:
        return None
    born = stated(subject, "dateOfBirth")
    if learner.date_of_birth and born:
        return "name-and-birth" if str(born).partition("T")[0] == learner.date_of_birth else None
    addresses = [folded(stated) for stated in _identities_in(subject, "emailAddress")]
    if learner.email and addresses:
        return "name-and-mail" if folded(learner.email) in addresses else None
    return "name"


def _name_in(subject: Mapping[str, Any]) -> str:
    """Return the whole name that a subject states: given and family name, one of them, else its identity of that kind.

    "" where it states none, or something that is no text.
    """
    parts = [part for name in ("givenName", "familyName") if (part := stated(subject, name))]
    if not parts:
        return next(iter(_identities_in(subject, "name")), "")
    return " ".join(parts) if all(isinstance(part, str) for part in parts) else ""


def _identities_in(subject: Mapping[str, Any], kind: str) -> list[str]:
    """Return the plain identities of one kind; hashed ones say nothing here."""
    items = subject.get("identifier")
    found = [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []
    plain = [item for item in found if item.get("identityType") == kind and item.get("hashed") is False]
    return [item["identityHash"] for item in plain if isinstance(item.get("identityHash"), str)]
