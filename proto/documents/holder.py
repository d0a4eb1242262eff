"""Whether the holder of a credential document is a given learner, by what the document says. Verifies no signature."""

import unicodedata
from collections.abc import Mapping
from typing import Any, Literal

from proto.documents.credential import Learner
from proto.documents.document import credential_id_of
from proto.documents.open_badge_claims import child, claims
from proto.ids import CredentialId

Recognised = Literal["did", "name-and-birth", "name"]


def presented_id(document: Mapping[str, Any]) -> CredentialId:
    """Return the credential id of a document; raises `NotAnOpenBadgeProblem` or `MalformedProblem`.

    Who finds that id on the log knows that not a character of the document was altered.
    """
    return credential_id_of(document, claims(document).issuer)


def recognised(document: Mapping[str, Any], learner: Learner) -> Recognised | None:
    """Return by what the holder of a document is recognised as this learner; None where nothing shows it.

    Two DIDs (or other URIs) decide alone, whichever way. Else both names must be stated and equal, whatever their case
    and Unicode form, and the dates of birth where both are stated.
    """
    subject = child(document, "credentialSubject", "")
    uri = subject.get("id")
    if learner.uri and isinstance(uri, str):
        return "did" if uri == learner.uri else None
    names = (learner.given_name, subject.get("givenName")), (learner.family_name, subject.get("familyName"))
    if not all(_same(stated, shown) for stated, shown in names):
        return None
    born = subject.get("dateOfBirth")
    if learner.date_of_birth and born:
        return "name-and-birth" if born == learner.date_of_birth else None
    return "name"


def _same(stated: str | None, shown: Any) -> bool:
    return bool(stated) and isinstance(shown, str) and _folded(str(stated)) == _folded(shown)


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
