"""The flat metadata of the MicroHE prototype (63 fields), read into an achievement and an award.

Its spellings (`assesmentMethod`) are its own. Every value may be a text, whatever it means; a field that has no place
here, and a value that cannot be read, is listed as unmapped, and what was guessed is named with the guess.
"""

import re
from collections.abc import Mapping
from typing import Any

from proto.documents.credential import Achievement, Award, Identifier, Learner, Result
from proto.documents.fields import AnyUri, EmailField, IdentifierText, LongText
from proto.documents.provision import Evidence
from proto.ids import AchievementUri
from proto.imports.flat_record import FlatRecord
from proto.imports.identity import UNNAMED, Identity, identity_of, named
from proto.imports.imported import Imported, ImportedIssuer, converted, with_credits_of, written_time
from proto.imports.javascript_dates import NO_DATE, day_or_time
from proto.imports.microhe_achievement import achievement_of
from proto.imports.ornaments import ascii_address, fits
from proto.problem import InvalidProblem
from proto.visible_text import folded

_DAY = re.compile(r"^(\d{4})-(\d{2})-(\d{2})$", re.ASCII)
_ISSUED = ("dateIssued", "dateOfIssue", "issueDate", "issued", "dateAwarded", "awardingDate", "date")
_EXPIRES = ("expiryPeriod", "expiryDate", "validUntil", "expires")
_BORN = ("dateOfBirth", "holderDateOfBirth", "birthDate", "holderBirthDate", "birthdate")
_OF_THE_HOLDER = re.compile(
    "holder|learner|student|person|birth|national|gender|surname|given_?name|family_?name|mail", re.IGNORECASE
)
_NUMBER = re.compile("^(holder|learner|student|person|personal|national)_?(id|identifier|number)$", re.IGNORECASE)
_ESSENTIAL = frozenset(
    {"title", "name", "holder", "holderName", "learner", "givenName", "holderGivenName", "familyName"}
    | {"holderFamilyName"}
)
_GRADE_MAX = 100


class NotMicroHeProblem(InvalidProblem):
    """Not the metadata of the MicroHE prototype; `pointer` says where."""

    slug = "not-microhe"
    title = "This is not MicroHE metadata"


def import_microhe(document: Any, *, learner_ref: str | None = None) -> Imported:
    """Return achievement and award of a flat MicroHE record (decoded JSON).

    Needs `title`, a holder, and a date of issue. `learner_ref` is the institution's own name for the learner; without
    it one is made of all that identifies the holder (`proto.imports.identity`). Raises `NotMicroHeProblem` with a JSON
    pointer.
    """
    if not isinstance(document, Mapping):
        raise NotMicroHeProblem("The metadata is not a JSON object", pointer="")
    return _MicroHeImport(document).run(learner_ref)


class _MicroHeImport:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self._record = FlatRecord(document, NotMicroHeProblem, essential=_ESSENTIAL)
        self._root = self._record.root

    def run(self, learner_ref: str | None) -> Imported:
        record = self._record
        issuer = ImportedIssuer(
            id=record.text("issuerIdentifier", "awardingBodyIdentifier") or "unknown",
            name=record.text("awardingBody", "issuer", "institution", "provider", "publisher"),
            country=record.text("country", "issuerCountry"),
        )
        achievement = achievement_of(record, issuer, NotMicroHeProblem)
        award = self._award(achievement)
        identity = self._identity(award.learner)
        return Imported(
            achievement=with_credits_of(achievement, award),
            award=named(award, learner_ref, identity),
            issuer=issuer,
            identity=identity,
            unmapped=self._root.unmapped(),
            doubtful=tuple(record.read.doubts),
        )

    def _award(self, achievement: Achievement) -> Award:
        begins = self._time(*_ISSUED)
        if begins is None:
            raise NotMicroHeProblem("A date of issue is missing", pointer=self._root.at("dateOfIssue"))
        grade = self._record.short(_GRADE_MAX, "grade")
        fields = {
            "learner": self._learner(),
            "achievement": AchievementUri(achievement.uri),
            "valid_from": begins,
            "valid_until": self._time(*_EXPIRES),
            "ects_hundredths": self._record.read.credits(self._root, "creditsAwarded"),
            "result": Result(value=grade) if grade else None,
            "evidence": self._evidence(),
            "other_identifiers": self._identifiers(),
        }
        return converted(fields, Award, pointer="", refusal=NotMicroHeProblem, within="metadata")

    def _identifiers(self) -> list[Identifier]:
        """Take what the award was called; `identifier` is its name only where the course has one of its own."""
        names = ["uniqueId", "credentialIdentifier", "credential"]
        if self._record.found("courseIdentifier"):
            names.append("identifier")
        found = [(name, self._record.found(name)) for name in names]
        kept = [(name, each[1]) for name, each in found if each is not None and fits(each[1], IdentifierText)]
        for name, _ in kept:
            self._root.take(name)
        return [
            Identifier(identifier=text, type="ext:credential" if name == "credential" else "identifier")
            for name, text in kept
        ]

    def _evidence(self) -> list[Evidence]:
        """Take the address of the evidence, or what is said instead of one."""
        found = self._record.found("$evidence", "evidence")
        if found is None:
            return []
        name, text = found
        if fits(ascii_address(text), AnyUri):
            return [Evidence(url=self._record.read.address(self._root, name, AnyUri) or ascii_address(text))]
        stated = self._record.read.field(self._root, name, LongText)
        return [Evidence(text=stated)] if stated else []

    def _time(self, *names: str) -> str | None:
        """Take a day or a time, as ISO 8601 or JavaScript writes it; raises `NotMicroHeProblem` for another text.

        An end that nobody can read is no end: only where JavaScript had none there is none.
        """
        found = self._record.found(*names)
        if found is None:
            return None
        name, text = found
        if text == NO_DATE and names == _EXPIRES:
            self._record.doubt(name, "JavaScript writes that where there was no date; left out")
            return None
        try:
            read = day_or_time(text)
            written = read or written_time(text)
        except InvalidProblem as problem:
            raise NotMicroHeProblem(
                f"{text[:40]!r} is no date such as 2020-06-30", pointer=self._root.at(name)
            ) from problem
        if read:
            self._record.doubt(name, f"{text[:80]} is read as {read}")
        self._root.take(name)
        return written

    def _learner(self) -> Learner:
        record = self._record
        given, family = record.text("givenName", "holderGivenName"), record.text("familyName", "holderFamilyName")
        email = self._email()
        holder = record.found("holder", "holderName", "learner")
        if holder and not (given or family):
            record.doubt(holder[0], "One name, not split into given and family name; kept as family name")
            family = str(self._root.take(holder[0])).strip()
        elif holder and folded(holder[1]) != folded(" ".join(filter(None, (given, family)))):
            record.doubt(holder[0], f"Given and family name are kept; the holder says it otherwise: {holder[1][:80]!r}")
        elif holder:
            self._root.take(holder[0])
        if not (email or given or family):
            raise NotMicroHeProblem("holder is missing: whose is it?", pointer=self._root.at("holder"))
        fields = {
            "ref": UNNAMED,
            "given_name": given,
            "family_name": family,
            "date_of_birth": self._born(),
            "email": email,
        }
        return converted(fields, Learner, pointer="", refusal=NotMicroHeProblem, within="metadata")

    def _email(self) -> str | None:
        found = self._record.found("holderEmail", "email")
        if found is None or not fits(found[1], EmailField):
            return None
        self._root.take(found[0])
        return found[1]

    def _born(self) -> str | None:
        """Take the day of birth; what is no day stays unmapped, and tells people apart all the same."""
        found = self._record.found(*_BORN)
        if found is None:
            return None
        try:
            day = day_or_time(found[1]) or found[1].partition("T")[0]
        except InvalidProblem:
            return None
        if not _DAY.match(day):
            return None
        self._root.take(found[0])
        return day

    def _identity(self, learner: Learner) -> Identity:
        """Return whom the record is about, by every field that speaks of its holder and says more than was read."""
        read = {
            folded(text) for text in (learner.full_name, learner.given_name, learner.family_name, learner.email) if text
        }
        others = {
            name: value
            for name, value in self._root.value.items()
            if _OF_THE_HOLDER.search(name) and value not in (None, "") and folded(str(value)) not in read
        }
        if learner.date_of_birth:
            others = {name: value for name, value in others.items() if name not in _BORN}
        return identity_of(learner, others, is_numbered=any(map(_NUMBER.search, others)))
