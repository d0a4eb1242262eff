"""The English words of the pages, by what they stand for; other languages have them in their files. Pure tables."""

from collections.abc import Mapping

from proto.events import EndorserRole
from proto.wire.verifier import Result, Verdict

WORDS: Mapping[Verdict, str] = {"valid": "Valid", "invalid": "Not valid", "indeterminate": "Cannot be confirmed"}
NOT_CHECKED = "not checked"
SIGNS: Mapping[Verdict, Result] = {"valid": "valid", "invalid": "invalid", "indeterminate": "unknown"}
"""Whose mark stands beside a verdict's word, so that colour alone says nothing."""
LEVELS: Mapping[int, str] = {
    1: "basic knowledge and skills",
    2: "routine tasks under supervision",
    3: "skilled tasks, some autonomy",
    4: "as at the end of upper secondary education",
    5: "as a short cycle of higher education",
    6: "as a bachelor's degree",
    7: "as a master's degree",
    8: "as a doctorate",
}
MARKS: Mapping[Result, str] = {"valid": "\u2713", "invalid": "\u2717", "unknown": "?", "not_applicable": "\u2013"}

HOLDS: Mapping[str, str] = {
    "record": "The credential on record holds.",
    "unsigned": "The document is authentic and the credential holds; this copy of it carries no signature.",
    "document": "The document is authentic and the credential holds.",
}
"""What is said first where a verdict is `valid`."""
NEXT: Mapping[str, str] = {
    "altered": "Do not rely on it. Ask for the file as the institution gave it out.",
    "fallen": "Do not rely on it as it stands. The institution can say more.",
    "unsure": "This is neither a yes nor a no. Ask whoever issued it.",
    "old": "This is neither a yes nor a no. Ask again later, or another verifier.",
}
"""What to do where a verdict is not `valid`."""
GROUPINGS: Mapping[str, str] = {
    "month": "by month",
    "issuer": "by institution",
    "country": "by country",
    "eqf_level": "by EQF level",
    "country,month": "by country and month",
    "issuer,month": "by institution and month",
    "eqf_level,month": "by EQF level and month",
    "country,eqf_level": "by country and EQF level",
    "issuer,eqf_level": "by institution and EQF level",
}
"""By what the page of the statistics can count, as it is asked for in an address."""
COLUMNS = ("Group", "Credentials", "ECTS", "Stacks", "Revoked", "Suspended", "Reinstated", "Recognised", "Withdrawn")
UNREADABLE = "This verifier cannot read its own records at the moment. Ask again later, or another verifier."
NO_ID = (
    "This holds no credential id. It has 64 characters, digits and the letters a to f; a link that ends in it will do."
)
NOTHING_SENT = "Choose a file or paste the text of a credential first."
ADVICE = "Choose the file as it was sent to you, or ask whoever sent it for the credential itself, as JSON."
REFUSALS: Mapping[str, str] = {
    "malformed": "What was sent is no text of a credential: it is not JSON, or two readers could read it differently.",
    "not-an-open-badge": "This is JSON, but no credential: nobody issues anything to anybody in it.",
    "busy": "Too many documents are being checked at the moment. Send it again in a moment.",
    "pdf": "No credential could be taken out of this PDF. Its pages prove nothing: ask for the JSON file.",
    "picture": (
        "No credential could be taken out of this picture. A screenshot has none, and messengers and editors take it "
        "out: ask for the file as the institution gave it out, or for the JSON."
    ),
    "presentation-in-list": "Several credentials were sent together: check each by itself.",
}
"""Why nothing was checked, by the problem's slug, where its own words are not in the reader's language."""
ASKED: Mapping[frozenset[str], str] = {
    frozenset({"at"}): "Asked for {at}.",
    frozenset({"known_at"}): "Asked by what was on record on {known_at}.",
    frozenset({"at", "known_at"}): "Asked for {at}, by what was on record on {known_at}.",
}
"""For which moments was asked, by the names of those that were."""
STATISTICS_FAULTS: Mapping[str, str] = {
    "by": "Choose one of the groups from the list.",
    "country": "A country has two letters, as NL for the Netherlands.",
    "eqf_level": "An EQF level is a digit from 1 to 8; 0 stands for those without a level.",
    "from": "A month has a year and two digits, as 2026-01.",
    "to": "A month has a year and two digits, as 2026-01.",
}
"""What is wrong with a field of the statistics' form, by its name."""
MONTHS_BACKWARDS = "The last month lies before the first one. Exchange them."
TOO_MANY_GROUPS = "That would be too many groups for one page. Ask for fewer months, or by less."
DOCUMENT_HEADING = "The document that you sent"
ENDORSER_ROLES: Mapping[EndorserRole, str] = {
    "joint-award": "awards it together with the issuer",
    "quality": "has assured its quality",
}
"""What an institution stands for that endorses a credential."""
RECORD_HEADING = "The public record of a credential"
NO_DAY = "That is not a day. Choose one, or write it as 2026-03-01."
NOT_ON_RECORD = "No credential of this id is on record. Compare it with the document, or check the document itself."
MAYBE_NOT_ON_RECORD = (
    "No credential of this id is on record here, but these records are not up to date: ask again later, or another "
    "verifier."
)
NOT_YET_ON_RECORD = "This credential was not on record yet on {known_at}. Today it is: leave that day empty to see it."
NOT_COVERED = "not this credential: it asks for more credits or a higher level"
STANDINGS: Mapping[str, str] = {
    "active": "active",
    "suspended": "suspended",
    "closed": "closed",
    "live": "live",
    "withdrawn": "withdrawn",
    "void": "void",
    "unknown": "not known",
}
"""How an institution, or a recognition, stands."""
TITLES_OF_PARTS = (
    "The parts' titles are the institutions' words, from catalogues that are read here; the log holds none."
)
