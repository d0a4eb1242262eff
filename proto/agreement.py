"""Whether a document and the issue on the log say the same of a credential. Pure; knows no wording for people."""

from typing import Literal

from proto.lifecycle import Life
from proto.open_badge_claims import DocumentClaims

Field = Literal["issuer", "achievement", "credits", "EQF level", "valid from", "valid until", "components"]
"""What both of them say, by its name."""


def differences(claimed: DocumentClaims, life: Life) -> list[Field]:
    """Return the names of what document and issue say differently; none if they agree."""
    pairs: dict[Field, tuple[object, object]] = {
        "issuer": (claimed.issuer, life.issuer),
        "achievement": (claimed.achievement, life.achievement),
        "credits": (claimed.ects_hundredths, life.ects_hundredths),
        "EQF level": (claimed.eqf_level, life.eqf_level),
        "valid from": (claimed.valid_from, life.valid_from),
        "valid until": (claimed.valid_until, life.valid_until),
        "components": (tuple(sorted(claimed.components)), tuple(sorted(life.components))),
    }
    return [name for name, (in_document, on_log) in pairs.items() if in_document != on_log]
