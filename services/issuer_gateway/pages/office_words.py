"""What pages of the office call verdicts, results, states and faults; each has its translations. Pure."""

from collections.abc import Mapping

from proto.events import EndorserRole
from proto.wire.grade_conditions import GradeJudged

VERDICTS: Mapping[str, str] = {
    "valid": "Genuine and in force",
    "invalid": "Not to be relied on",
    "indeterminate": "Could not be found out",
}
THEN_VALID = "Genuine, and in force when it was shown"
"""What `valid` means once it does not hold any more, or nobody can say whether it does."""
STANDING_STATES: Mapping[str, str] = {
    "live": "In force",
    "withdrawn": "Withdrawn",
    "void": "Void: its key was stolen",
    "resting": "Not in force now",
}
AGREEMENT_STATES: Mapping[str, str] = {
    "proposed": "Waits for the other signature",
    "concluded": "In force",
    "resting": "Not in force now",
    "ended": "Ended",
    "void": "Void: a key that signed it was stolen",
}
ENDORSER_ROLES: Mapping[EndorserRole, str] = {
    "joint-award": "awards it together with the issuer",
    "quality": "has assured its quality",
}
GRADES_JUDGED: Mapping[GradeJudged, str] = {
    "good": "at once",
    "below": "for a person: below what you ask for",
    "not-listed": "for a person: you have not put it in order",
    "none": "for a person: no grade is written",
    "several": "for a person: several grades are written",
}
SIGN_IN_FAULTS: Mapping[str, str] = {
    "unknown": "This key is not known here. Copy it whole, as it was given to you.",
    "operator": "This is the operator's token, which speaks for no institution. Sign in with an institution's API key.",
    "scope": "This key may not decide on recognition. Ask for one with the scope recognitions:write.",
}
