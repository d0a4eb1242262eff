"""What a document says of itself that its event says too, read strictly. Trusts nothing and verifies no signature.

A verifier compares these claims with the event of the same credential id (DESIGN 4, check `document`).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from proto import days
from proto.documents.claims_root import ClaimsRootProblem, stated_root
from proto.documents.open_badge import EQF_TARGET_TYPE
from proto.documents.open_badge_context import OPEN_BADGES_CONTEXT_PREFIX, VC_CONTEXT
from proto.documents.open_badge_names import NamedTwiceProblem, stated
from proto.documents.vocabulary import EQF_LEVEL_MAX, EQF_LEVEL_MIN, eqf_level_of
from proto.events import Record
from proto.ids import DID_PATTERN, HEX_256_PATTERN, URI_PATTERN, AchievementUri, CredentialId, Did
from proto.moment import Moment, normalise
from proto.problem import InvalidProblem

ECTS_HUNDREDTHS_MAX = 100_000
_DID, _URI, _HEX_256 = re.compile(DID_PATTERN), re.compile(URI_PATTERN), re.compile(HEX_256_PATTERN)
_CREDENTIAL_TYPES = {"OpenBadgeCredential", "AchievementCredential"}


class NotAnOpenBadgeProblem(InvalidProblem):
    """Not a Verifiable Credential 2.0 that is also an Open Badges 3.0 credential; `pointer` says where."""

    slug = "not-an-open-badge"
    title = "This is not an Open Badges 3.0 credential"


class DocumentClaims(Record, frozen=True, kw_only=True):
    """What a document claims. Credits in hundredths, 0 where none are stated; moments normalised to UTC."""

    document_id: str
    issuer: Did
    achievement: AchievementUri
    ects_hundredths: int
    eqf_level: int | None
    valid_from: Moment
    valid_until: Moment | None
    components: tuple[CredentialId, ...]
    valid_from_day: str | None = None
    valid_until_day: str | None = None
    """The first and the last day of validity, as they were written; they agree with the moments."""
    claims_root: bytes | None = None
    """What its claims were hashed to, 32 bytes, in a document of rules version 2."""


def claims(document: Any) -> DocumentClaims:
    """Return what `document` (decoded JSON) claims; raises `NotAnOpenBadgeProblem` with a JSON pointer to the fault."""
    body = check_shape(document)
    subject = child(body, "credentialSubject", "")
    achievement = child(subject, "achievement", "/credentialSubject")
    begins, ends = moment(body, "validFrom"), moment(body, "validUntil") if "validUntil" in body else None
    return DocumentClaims(
        document_id=text(body, "id", ""),
        issuer=_issuer(body),
        achievement=AchievementUri(_matching(_URI, text(achievement, "id", _ACHIEVEMENT), f"{_ACHIEVEMENT}/id")),
        ects_hundredths=_credits(subject, achievement),
        eqf_level=_eqf_level(achievement),
        valid_from=begins,
        valid_until=ends,
        components=_components(subject),
        valid_from_day=_day(body, "validFromDay", begins, days.may_begin),
        valid_until_day=_day(body, "validUntilDay", ends, days.may_end),
        claims_root=_claims_root(body),
    )


def _claims_root(body: Mapping[str, Any]) -> bytes | None:
    try:
        return stated_root(body)
    except ClaimsRootProblem as problem:
        raise NotAnOpenBadgeProblem(problem.detail, pointer=problem.pointer) from problem


def _day(body: Mapping[str, Any], name: str, at: Moment | None, agrees: Callable[[str, Moment], bool]) -> str | None:
    """Return a day as it was written, or refuse one that is no day of its moment in any zone."""
    written = _stated(body, name, "")
    if written is None:
        return None
    if at is None or not isinstance(written, str) or not days.is_day(written) or not agrees(written, at):
        raise NotAnOpenBadgeProblem(f"{name} is no day of its moment", pointer=f"/{name}")
    return written


def _stated(node: Mapping[str, Any], name: str, pointer: str) -> Any:
    """Return what an object says under a short name or its IRI, None for nothing, or refuse both at once."""
    try:
        return stated(node, name)
    except NamedTwiceProblem as problem:
        raise NotAnOpenBadgeProblem(problem.detail, pointer=f"{pointer}/{name}") from problem


_ACHIEVEMENT = "/credentialSubject/achievement"


def check_shape(document: Any) -> Mapping[str, Any]:
    """Return the document as an object, if its contexts and types are those of Open Badges 3.0, else refuse it."""
    if not isinstance(document, Mapping):
        raise NotAnOpenBadgeProblem("The document is not a JSON object", pointer="")
    contexts = document.get("@context")
    if not isinstance(contexts, list) or not contexts or contexts[0] != VC_CONTEXT:
        raise NotAnOpenBadgeProblem(f"The first @context must be {VC_CONTEXT} (VC 2.0)", pointer="/@context")
    if not any(isinstance(item, str) and item.startswith(OPEN_BADGES_CONTEXT_PREFIX) for item in contexts):
        raise NotAnOpenBadgeProblem("No @context of Open Badges 3.0 is named", pointer="/@context")
    types = document.get("type")
    if (
        not isinstance(types, list)
        or "VerifiableCredential" not in types
        or _CREDENTIAL_TYPES.isdisjoint(item for item in types if isinstance(item, str))
    ):
        raise NotAnOpenBadgeProblem(
            "type must be a list with VerifiableCredential and OpenBadgeCredential", pointer="/type"
        )
    return document


def child(parent: Mapping[str, Any], name: str, pointer: str) -> Mapping[str, Any]:
    """Return the object under `name`, or refuse with the pointer to where it should be."""
    value = parent.get(name)
    if not isinstance(value, Mapping):
        what = "must be an object" if name in parent else "is missing"
        raise NotAnOpenBadgeProblem(f"{name} {what}", pointer=f"{pointer}/{name}")
    return value


def text(parent: Mapping[str, Any], name: str, pointer: str) -> str:
    """Return the text under `name`, or refuse with the pointer to where it should be."""
    value = parent.get(name)
    if not isinstance(value, str) or not value:
        raise NotAnOpenBadgeProblem(f"{name} must be a text", pointer=f"{pointer}/{name}")
    return value


def moment(document: Mapping[str, Any], name: str) -> Moment:
    """Return a time of the document normalised to UTC with milliseconds, or refuse."""
    try:
        return normalise(text(document, name, ""))
    except NotAnOpenBadgeProblem:
        raise
    except InvalidProblem as error:
        raise NotAnOpenBadgeProblem(error.detail, pointer=f"/{name}") from error


def hundredths(value: Any, pointer: str) -> int:
    """Return a JSON number of credits in exact hundredths: 3.5 → 350; refuses what is not exact or out of range."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotAnOpenBadgeProblem("Credits must be a number", pointer=pointer)
    exact = Decimal(repr(value)) * 100
    if exact != exact.to_integral_value() or not 0 <= exact <= ECTS_HUNDREDTHS_MAX:
        raise NotAnOpenBadgeProblem(f"{value} is not a number of credits with at most two decimals", pointer=pointer)
    return int(exact)


def eqf_level(value: Any, pointer: str) -> int:
    """Return an EQF level written as `6` or `"6"`; refuses another number."""
    digits = str(value)
    if isinstance(value, bool) or not (len(digits) == 1 and digits.isascii() and digits.isdigit()):
        raise NotAnOpenBadgeProblem(f"{digits[:20]!r} is not an EQF level", pointer=pointer)
    level = int(digits)
    if not EQF_LEVEL_MIN <= level <= EQF_LEVEL_MAX:
        raise NotAnOpenBadgeProblem(f"The EQF has levels 1 to 8, not {level}", pointer=pointer)
    return level


def _issuer(document: Mapping[str, Any]) -> Did:
    issuer = document.get("issuer")
    if isinstance(issuer, str):
        return Did(_matching(_DID, issuer, "/issuer"))
    return Did(_matching(_DID, text(child(document, "issuer", ""), "id", "/issuer"), "/issuer/id"))


def _matching(pattern: re.Pattern[str], value: str, pointer: str) -> str:
    if not pattern.match(value):
        what = "a did:web or did:key" if pattern is _DID else "an http(s) URI"
        raise NotAnOpenBadgeProblem(f"{value[:80]!r} is not {what}", pointer=pointer)
    return value


def _credits(subject: Mapping[str, Any], achievement: Mapping[str, Any]) -> int:
    """Read what was earned, else what the achievement is worth; `ECTS` is the term of the Dutch profile."""
    if "creditsEarned" in subject:
        return hundredths(subject["creditsEarned"], "/credentialSubject/creditsEarned")
    for name in ("creditsAvailable", "ECTS"):
        if name in achievement:
            return hundredths(achievement[name], f"{_ACHIEVEMENT}/{name}")
    return 0


def _eqf_level(achievement: Mapping[str, Any]) -> int | None:
    levels = set(_eqf_levels(achievement))
    if len(levels) > 1:
        raise NotAnOpenBadgeProblem("Two different EQF levels are stated", pointer=f"{_ACHIEVEMENT}/alignment")
    return levels.pop() if levels else None


def _eqf_levels(achievement: Mapping[str, Any]) -> Iterator[int]:
    alignments = achievement.get("alignment", [])
    if not isinstance(alignments, list):
        raise NotAnOpenBadgeProblem("alignment must be a list", pointer=f"{_ACHIEVEMENT}/alignment")
    for index, item in enumerate(alignments):
        if isinstance(item, Mapping) and item.get("targetType") == EQF_TARGET_TYPE:
            yield eqf_level(item.get("targetCode"), f"{_ACHIEVEMENT}/alignment/{index}/targetCode")
    written = _stated(achievement, "eqfLevel", _ACHIEVEMENT)
    if written is not None:
        level = eqf_level_of(str(written))
        if level is None:
            raise NotAnOpenBadgeProblem("eqfLevel is not the URI of an EQF level", pointer=f"{_ACHIEVEMENT}/eqfLevel")
        yield level


def _components(subject: Mapping[str, Any]) -> tuple[CredentialId, ...]:
    items = _stated(subject, "component", "/credentialSubject")
    if items is None:
        return ()
    if not isinstance(items, list):
        raise NotAnOpenBadgeProblem("component must be a list", pointer="/credentialSubject/component")
    return tuple(sorted(_component(item, index) for index, item in enumerate(items)))


def _component(item: Any, index: int) -> CredentialId:
    pointer = f"/credentialSubject/component/{index}"
    value = _stated(item, "credentialId", pointer) if isinstance(item, Mapping) else None
    if not isinstance(value, str) or not _HEX_256.match(value):
        raise NotAnOpenBadgeProblem(
            "A component is named by its credential id of 64 hexadecimal digits", pointer=f"{pointer}/credentialId"
        )
    return CredentialId(value)
