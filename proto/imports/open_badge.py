"""Open Badges 3.0 documents of others, read into an achievement and an award. Verifies no signature of theirs.

What has no place here is listed by JSON pointer, what had to be guessed is named with the guess: nothing is dropped
silently. The Dutch profile (educredentials) is read with its own terms for credits, hours, assessment and supervision.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec

from proto import days
from proto.canonical import canonical_json
from proto.documents.credential import Achievement, Award, Identifier, Learner
from proto.documents.fields import AnyUri, EmailField, IdentifierText, LongText, ShortText
from proto.documents.open_badge_claims import NotAnOpenBadgeProblem, check_shape
from proto.documents.open_badge_context import (
    ISSUED_CONTEXT_DIGESTS,
    OPEN_BADGES_CONTEXT_PREFIX,
    OPEN_BADGES_EXTENSIONS,
    OPEN_BADGES_SCHEMA,
    SCHEMA_TYPE,
    VC_CONTEXT,
)
from proto.documents.open_badge_names import pointer_into, with_names
from proto.documents.provision import Evidence
from proto.event_fields import HashField
from proto.ids import AchievementUri
from proto.imports.educredentials import CONTEXT_ENDING
from proto.imports.identity import UNNAMED, Identity, identity_of, named
from proto.imports.imported import Imported, ImportedIssuer, converted, with_credits_of, written_day, written_time
from proto.imports.json_reader import Reader
from proto.imports.open_badge_achievement import achievement_of, identifier_of
from proto.imports.open_badge_results import results_of
from proto.imports.ornaments import Ornaments, fits
from proto.imports.own_terms import evidence_of
from proto.moment import normalise, to_datetime
from proto.problem import InvalidProblem
from proto.visible_text import folded

_OF_THE_AWARD = frozenset(
    {"type", "achievement", "activityStartDate", "activityEndDate", "component", "creditsEarned", "image", "narrative"}
    | {"licenseNumber", "result", "role", "source", "term"}
)
_OF_ONE_PERSON = frozenset(
    {"sourcedId", "userName", "accountId", "emailAddress", "nationalIdentityNumber", "identifier", "ltiUserId"}
    | {"lisSourcedId", "oneRosterSourcedId", "sisSourcedId"}
)
"""Identities that one person has; the others name systems, courses and books, or nobody knows what."""
_IDENTIFIERS_MAX, _EVIDENCE_MAX, _NAME_MAX = 8, 16, 300


def import_open_badge(document: Any, *, learner_ref: str | None = None) -> Imported:
    """Return achievement and award of an Open Badges 3.0 document (decoded JSON).

    `learner_ref` is the institution's own name for the learner; without it one is made of all that identifies the
    learner in the document (`proto.imports.identity`). Raises `NotAnOpenBadgeProblem` or `InvalidProblem` with a
    JSON pointer.
    """
    found = _Import(with_names(check_shape(document))).run(learner_ref)
    return msgspec.structs.replace(
        found,
        unmapped=tuple(pointer_into(document, pointer) for pointer in found.unmapped),
        doubtful=tuple(
            msgspec.structs.replace(doubt, pointer=pointer_into(document, doubt.pointer)) for doubt in found.doubtful
        ),
    )


class _Import:
    """One import: the reader of the document and the doubts met so far."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._root = Reader(document)
        self._read = Ornaments()

    def run(self, learner_ref: str | None) -> Imported:
        root = self._root
        subject = root.needed_child("credentialSubject")
        issuer = self._issuer()
        achievement = achievement_of(self._read, subject.needed_child("achievement"), subject, issuer)
        award = self._award(subject, achievement)
        identity = _identity(subject, award.learner)
        self._frame(subject, achievement)
        return Imported(
            achievement=with_credits_of(achievement, award),
            award=named(award, learner_ref, identity),
            issuer=issuer,
            identity=identity,
            unmapped=root.unmapped(),
            doubtful=tuple(self._read.doubts),
        )

    def _day(self, subject: Reader, name: str) -> str | None:
        """Take the day of a time as it is written: Open Badges' schema wants a time where its context says date."""
        stated = subject.value.get(name)
        if stated in (None, ""):
            return None
        try:
            day, is_whole = written_day(str(stated))
        except InvalidProblem:
            self._read.doubt(subject.at(name), "It is no day such as 2026-11-23; left out")
            return None
        subject.take(name)
        if not is_whole:
            self._read.doubt(subject.at(name), f"A day is kept, {day}; the time of day is left out")
        return day

    def _frame(self, subject: Reader, achievement: Achievement) -> None:
        """Take what only says that this is an Open Badge."""
        root = self._root
        root.only("@context", *(item for item in root.value["@context"] if _is_known_context(item)))
        root.only("type", "VerifiableCredential", "OpenBadgeCredential", "AchievementCredential")
        subject.only("type", "AchievementSubject", "Profile")
        if root.value.get("name") in achievement.title.values():
            root.take("name")
        if fits(root.value.get("claimsRoot"), HashField):
            root.take("claimsRoot")
        for schema in root.objects("credentialSchema"):
            if schema.value.get("id") == OPEN_BADGES_SCHEMA:
                schema.only("id", OPEN_BADGES_SCHEMA)
                schema.only("type", SCHEMA_TYPE)

    def _issuer(self) -> ImportedIssuer:
        if isinstance(self._root.value.get("issuer"), str):
            return ImportedIssuer(id=self._root.needed_text("issuer"))
        issuer = self._root.needed_child("issuer")
        issuer.only("type", "Profile")
        country = None
        for address in issuer.objects("address")[:1]:
            address.only("type", "Address")
            country = self._read.field(address, "addressCountryCode", str)
        return ImportedIssuer(id=issuer.needed_text("id"), name=self._read.field(issuer, "name", str), country=country)

    def _award(self, subject: Reader, achievement: Achievement) -> Award:
        read = self._read
        begins = self._time("validFrom", "validFromDay")
        if begins is None:
            raise NotAnOpenBadgeProblem("validFrom is missing", pointer="/validFrom")
        fields = {
            "learner": self._learner(subject),
            "achievement": AchievementUri(achievement.uri),
            "awarded_at": self._time("awardedDate"),
            "valid_from": begins,
            "valid_until": self._time("validUntil", "validUntilDay"),
            "activity_start": self._day(subject, "activityStartDate"),
            "activity_end": self._day(subject, "activityEndDate"),
            "ects_hundredths": read.credits(subject, "creditsEarned"),
            "narrative": read.field(subject, "narrative", LongText),
            "evidence": self._evidence(),
            "other_identifiers": self._identifiers(),
        }
        if fields["activity_start"] and fields["activity_end"] and fields["activity_end"] < fields["activity_start"]:
            read.doubt(subject.at("activityEndDate"), "It lies before activityStartDate; both are left out")
            for member, field in (("activityStartDate", "activity_start"), ("activityEndDate", "activity_end")):
                subject.leave(member)
                del fields[field]
        described = (achievement.grading_scheme, *achievement.further_grading_schemes)
        results = results_of(read, subject, [scheme for scheme in described if scheme is not None])
        return converted(fields | results, Award, pointer="", refusal=NotAnOpenBadgeProblem)

    def _time(self, name: str, day_name: str | None = None) -> str | None:
        """Take a time as it is written, or the day that our own documents say was meant by it."""
        root = self._root
        if root.value.get(name) is None:
            return None
        try:
            written = written_time(root.needed_text(name))
        except NotAnOpenBadgeProblem:
            raise
        except InvalidProblem as problem:
            raise NotAnOpenBadgeProblem(problem.detail, pointer=f"/{name}") from problem
        day = root.value.get(day_name) if day_name else None
        if not isinstance(day, str) or not days.is_day(day) or days.is_day(written):
            return written
        meant = _on_day(day, written, is_end=name == "validUntil")
        if meant is None:
            return written
        root.take(day_name or "")
        return meant

    def _identifiers(self) -> list[Identifier]:
        """Take what the credential was called: its id, and others that it had before."""
        root, read = self._root, self._read
        old = Identifier(identifier=root.needed_text("id"), type="identifier")
        if not fits(old.identifier, IdentifierText):
            root.leave("id")
            read.doubt("/id", "The document's id cannot be kept; left out")
        others = read.all(root.objects("otherIdentifier"), lambda item: identifier_of(read, item), _IDENTIFIERS_MAX - 1)
        return [*others, *([old] if fits(old.identifier, IdentifierText) else [])]

    def _evidence(self) -> list[Evidence]:
        root, read = self._root, self._read
        stated = root.value.get("evidence")
        found = read.all(root.objects("evidence"), lambda item: evidence_of(read, item), _EVIDENCE_MAX)
        if not found and all(isinstance(each, str) for each in (stated if isinstance(stated, list) else [stated])):
            return [Evidence(url=url) for url in read.texts(root, "evidence", AnyUri, _EVIDENCE_MAX)]
        return found

    def _learner(self, subject: Reader) -> Learner:
        read = self._read
        uri = read.address(subject, "id", AnyUri)
        given, family = read.short(subject, "givenName", _NAME_MAX), read.short(subject, "familyName", _NAME_MAX)
        stated = dict(self._identities(subject, " ".join(filter(None, (given, family)))))
        if not (given or family) and "name" not in stated:
            stated |= self._plain_name(subject)
        family = family or (None if given else stated.get("name"))
        if not (uri or stated.get("emailAddress") or family or given):
            raise NotAnOpenBadgeProblem("The document does not say whose it is", pointer=subject.at("id"))
        fields = {
            "ref": UNNAMED,
            "given_name": given,
            "family_name": family,
            "date_of_birth": self._day(subject, "dateOfBirth"),
            "email": stated.get("emailAddress"),
            "uri": uri,
        }
        return converted(fields, Learner, pointer=subject.pointer, refusal=NotAnOpenBadgeProblem)

    def _plain_name(self, subject: Reader) -> dict[str, str]:
        """Take the name that a subject states as one text, as profiles of people do."""
        name = self._read.short(subject, "name", _NAME_MAX)
        if name is None:
            return {}
        self._read.doubt(subject.at("name"), "One name, not split into given and family name; kept as family name")
        return {"name": name}

    def _identities(self, subject: Reader, name: str) -> Iterator[tuple[str, str]]:
        """Take the first plain name and the first plain mail address; hashed identities say nothing here.

        Beside given and family name, a whole `name`, one that is another has no place.
        """
        seen: set[str] = set()
        kinds: dict[Any, Any] = {"name": ShortText, "emailAddress": EmailField}
        for item in subject.objects("identifier"):
            kind = str(item.value.get("identityType"))
            if kind not in kinds or kind in seen or item.value.get("hashed") is not False:
                continue
            value = self._read.field(item, "identityHash", kinds[kind])
            if value is None:
                continue
            if kind == "name" and name and folded(value) != folded(name):
                item.leave("identityHash")
                continue
            seen.add(kind)
            item.only("type", "IdentityObject")
            for member in ("identityType", "hashed"):
                item.take(member)
            if kind == "name" and not name:
                self._read.doubt(item.pointer, "One name, not split into given and family name; kept as family name")
            yield kind, value


def _identity(subject: Reader, learner: Learner) -> Identity:
    """Return whom the subject is: all that it states but what it states of the award; hashed identities count too."""
    read = {"givenName", "familyName"}
    read |= {"id"} if learner.uri else set()
    read |= {"dateOfBirth"} if learner.date_of_birth else set()
    read |= {"name"} if folded(str(subject.value.get("name"))) == folded(learner.full_name) else set()
    others = {name: value for name, value in subject.value.items() if name not in _OF_THE_AWARD | read}
    stated = [item.value for item in subject.objects("identifier")]
    plain = (learner.full_name, learner.email)
    others["identifier"] = [
        item for item in stated if item.get("hashed") is not False or item.get("identityHash") not in plain
    ]
    is_numbered = any(str(item.get("identityType")) in _OF_ONE_PERSON for item in stated)
    return identity_of(learner, {name: value for name, value in others.items() if value}, is_numbered=is_numbered)


def _on_day(day: str, written: str, *, is_end: bool) -> str | None:
    """Return a time of our own documents as the day that was meant by it; None where it is no day's.

    A first day keeps its moment by its offset; a last day is one in the zone of who imports it.
    """
    moment = normalise(written)
    try:
        if is_end:
            return day if days.may_end(day, moment) else None
        if not days.may_begin(day, moment):
            return None
    except InvalidProblem:
        return None
    begins = datetime.fromisoformat(day).replace(tzinfo=UTC)
    offset = timezone(begins - to_datetime(moment))
    return (
        begins.replace(tzinfo=offset).isoformat()
        if offset.utcoffset(None) % timedelta(minutes=1) == timedelta()
        else None
    )


def _is_known_context(context: Any) -> bool:
    """Tell whether a context only says which terms are used: an official one, the Dutch one, an inline one of ours."""
    if isinstance(context, Mapping) and context:
        return hashlib.sha256(canonical_json(context)).hexdigest() in ISSUED_CONTEXT_DIGESTS
    address = str(context)
    is_official = address.startswith(OPEN_BADGES_CONTEXT_PREFIX) and address.endswith(".json")
    return address in {VC_CONTEXT, OPEN_BADGES_EXTENSIONS} or is_official or address.endswith(CONTEXT_ENDING)
