"""European Learning Model v3 credentials of others (JSON-LD), read into an achievement and an award. Trusts no seal.

Reads the shape that the European Digital Credentials infrastructure writes (context edc-ap): claims of a person, each
specified by something; also inside the wrapper of an upload or a JAdES signature. What has no place here is listed by
JSON pointer, what was guessed is named with the guess.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from proto.documents.credential import Achievement, Award, Identifier, Learner
from proto.documents.fields import AnyUri, EmailField, LongText
from proto.documents.provision import Evidence
from proto.ids import AchievementUri
from proto.imports.elm_achievement import COUNTRY, achievement_of, points_of
from proto.imports.elm_claims import Claims, claims_of
from proto.imports.elm_grades import graded
from proto.imports.elm_reader import ElmReader, NotAnElmCredentialProblem, all_of, first_of, one_of
from proto.imports.elm_wrapping import Unwrapped, unwrapped
from proto.imports.identity import UNNAMED, Identity, identity_of, named
from proto.imports.imported import Doubt, Imported, ImportedIssuer, converted, with_credits_of, written_day
from proto.imports.json_reader import Reader
from proto.imports.ornaments import fits
from proto.problem import InvalidProblem
from proto.visible_text import folded

CONTEXT = "http://data.europa.eu/snb/model/context/edc-ap"
_TYPE = "EuropeanDigitalCredential"
_EVIDENCE_MAX = 16
_NOT_IDENTIFYING = frozenset(
    {"type", "hasClaim", "hasCredential", "additionalNote", "dateModified", "location", "memberOf", "groupMemberOf"}
    | {"givenName", "familyName", "dateOfBirth", "contactPoint"}
)
_NUMBERS = frozenset({"nationalID", "identifier", "taxIdentifier"})


def import_elm(document: Any, *, learner_ref: str | None = None) -> Imported:
    """Return achievement and award of a European Learning Model v3 credential (decoded JSON-LD).

    Of several achievements the first, else the first claim, is read; the others are listed as unmapped.
    `learner_ref` is the institution's own name for the learner; without it one is made of all that identifies the
    learner in the document (`proto.imports.identity`). Raises `NotAnElmCredentialProblem` with a JSON pointer.
    """
    found = unwrapped(document)
    try:
        return _within(found, _ElmImport(_credential(found.document)).run(learner_ref))
    except InvalidProblem as problem:
        pointer = f"{found.pointer}{problem.pointer or ''}"
        raise NotAnElmCredentialProblem(problem.detail, pointer=pointer, members=problem.members) from problem


def _credential(document: Any) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        raise NotAnElmCredentialProblem("The document is not a JSON object", pointer="")
    types = document.get("type")
    if _TYPE not in (types if isinstance(types, list) else [types]):
        raise NotAnElmCredentialProblem(f"type must hold {_TYPE}", pointer="/type")
    return document


def _within(found: Unwrapped, imported: Imported) -> Imported:
    """Return what was read of a credential with pointers into the document that it came in."""
    if not found.pointer:
        return imported
    doubts = [Doubt(pointer=f"{found.pointer}{each.pointer}", detail=each.detail) for each in imported.doubtful]
    return msgspec.structs.replace(
        imported,
        unmapped=(*found.beside, *(f"{found.pointer}{each}" for each in imported.unmapped)),
        doubtful=tuple(doubts),
        credential=found.document,
        is_sealed=found.is_sealed,
    )


class _ElmImport:
    """One import: the reader of the document and the doubts met so far."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._root = Reader(document)
        self._read = ElmReader()

    def run(self, learner_ref: str | None) -> Imported:
        root = self._root
        root.only("@context", CONTEXT, "https://www.w3.org/2018/credentials/v1", "https://www.w3.org/ns/credentials/v2")
        root.only("type", "VerifiableCredential", _TYPE)
        person = one_of(root, "credentialSubject")
        claims = claims_of(self._read, person)
        issuer = self._issuer()
        grades = graded(self._read, claims.assessments)
        achievement = achievement_of(self._read, claims, issuer, grades.achievement)
        award = self._award(person, claims, achievement, grades.award)
        identity = _identity(person, award.learner)
        return Imported(
            achievement=with_credits_of(achievement, award),
            award=named(award, learner_ref, identity),
            issuer=issuer,
            identity=identity,
            unmapped=root.unmapped(),
            doubtful=tuple(self._read.doubts),
        )

    def _award(self, person: Reader, claims: Claims, achievement: Achievement, results: Mapping[str, Any]) -> Award:
        root, claim = self._root, claims.achievement
        fields = {
            "learner": self._learner(person),
            "achievement": AchievementUri(achievement.uri),
            "valid_from": self._begins(),
            "valid_until": self._read.time(root, "validUntil") or self._read.time(root, "expirationDate"),
            "awarded_at": self._awarded(claim),
            "ects_hundredths": points_of(self._read, claim, "creditReceived"),
            "evidence": self._read.all(all_of(root, "evidence"), self._evidence, _EVIDENCE_MAX),
            "other_identifiers": [Identifier(identifier=root.needed_text("id"), type="identifier")],
        }
        fields |= self._period(claims) | dict(results)
        return converted(fields, Award, pointer="", refusal=NotAnElmCredentialProblem)

    def _evidence(self, item: Reader) -> Evidence | None:
        """Take the statement of a piece of evidence, and what it is about where that is an address."""
        texts = self._read.text(item, "evidenceStatement")
        text = self._read.first(item, "evidenceStatement", texts)
        target = first_of(item, "evidenceTarget")
        url = self._read.address(target, "id", AnyUri) if target is not None else None
        if not url and not (text and fits(text, LongText)):
            return None
        item.only("type", "Evidence")
        return Evidence(url=url, text=text)

    def _begins(self) -> str:
        for name in ("validFrom", "issuanceDate", "issued"):
            found = self._read.time(self._root, name)
            if found is not None:
                return found
        raise NotAnElmCredentialProblem("validFrom is missing", pointer="/validFrom")

    def _awarded(self, claim: Reader) -> str | None:
        process = first_of(claim, "awardedBy")
        return self._read.time(process, "awardingDate") if process is not None else None

    def _period(self, claims: Claims) -> dict[str, str]:
        """Take when it was learned: of the claim, else of the first activity that says so."""
        found: dict[str, str] = {}
        periods = [each for source in (claims.achievement, *claims.activities) for each in all_of(source, "temporal")]
        for each in periods[:1]:
            each.only("type", "PeriodOfTime")
            for name, field in (("startDate", "activity_start"), ("endDate", "activity_end")):
                stated = self._read.day(each, name)
                if stated:
                    found[field] = stated
        return found

    def _learner(self, person: Reader) -> Learner:
        names = {name: self._read.text(person, name) for name in ("givenName", "familyName", "fullName")}
        given, family, full = (self._read.first(person, name, texts) for name, texts in names.items())
        if full and not (given or family):
            self._read.doubt(
                person.at("fullName"), "One name, not split into given and family name; kept as family name"
            )
            family = full
        elif full and full != " ".join(filter(None, (given, family))):
            self._read.doubt(person.at("fullName"), "Given and family name are kept; the full name says it otherwise")
            person.leave("fullName")
        person.only("type", "Person")
        email = self._email(person)
        if not (email or full or given or family):
            raise NotAnElmCredentialProblem("The document does not say whose it is", pointer=person.at("fullName"))
        fields = {
            "ref": UNNAMED,
            "given_name": given,
            "family_name": family,
            "date_of_birth": self._born(person),
            "email": email,
        }
        return converted(fields, Learner, pointer=person.pointer, refusal=NotAnElmCredentialProblem)

    def _born(self, person: Reader) -> str | None:
        """Take the day of birth; what is no day stays where it is, and tells people apart all the same."""
        stated = person.value.get("dateOfBirth")
        try:
            day, is_whole = written_day(stated if isinstance(stated, str) else "")
        except InvalidProblem:
            return None
        person.take("dateOfBirth")
        if not is_whole:
            self._read.doubt(
                person.at("dateOfBirth"), f"{stated} is a time: which day it is depends on the zone; the day is kept"
            )
        return day

    def _email(self, person: Reader) -> str | None:
        for contact in all_of(person, "contactPoint"):
            for each in all_of(contact, "emailAddress"):
                stated = each.value.get("id")
                address = stated.removeprefix("mailto:") if isinstance(stated, str) else ""
                if address != stated and fits(address, EmailField):
                    each.take("id")
                    each.only("type", "Mailbox")
                    return address
        return None

    def _issuer(self) -> ImportedIssuer:
        issuer = one_of(self._root, "issuer")
        issuer.only("type", "Organisation")
        name = self._read.text(issuer, "legalName")
        country = None
        for place in all_of(issuer, "location"):
            for address in all_of(place, "address"):
                for each in all_of(address, "countryCode"):
                    match = COUNTRY.search(str(each.value.get("id", "")))
                    country = match[1] if match else country
        return ImportedIssuer(
            id=issuer.needed_text("id"), name=self._read.first(issuer, "legalName", name), country=country
        )


def _identity(person: Reader, learner: Learner) -> Identity:
    """Return whom the person is: all that the document states of them but where they live and what they learned.

    An id such as `urn:epass:person:1` is a place in the document; others name somebody.
    """
    unread = set() if learner.date_of_birth else {"dateOfBirth"}
    others = {name: value for name, value in person.value.items() if name not in _NOT_IDENTIFYING - unread}
    if str(others.get("id", "")).startswith("urn:epass:"):
        del others["id"]
    if _says(others.get("fullName"), learner.full_name):
        del others["fullName"]
    return identity_of(learner, others, is_numbered=bool(_NUMBERS & others.keys()))


def _says(texts: Any, name: str) -> bool:
    """Tell whether a text, or one of its languages, is this name."""
    stated = texts.values() if isinstance(texts, Mapping) else [texts]
    return any(isinstance(text, str) and folded(text) == folded(name) for text in stated)
