"""The flat metadata of the MicroHE prototype (about sixty fields), read into an achievement and an award.

Its spellings (`assesmentMethod`) are its own. Every value may be a text, whatever it means; a field that is not known
here, and a value that cannot be read, is listed as unmapped, and what was guessed is named with the guess.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from proto.documents.credential import Achievement, Award, Identifier, Learner, QualityAssurance, Result
from proto.documents.duration import hours_of
from proto.documents.vocabulary import (
    AssessmentType,
    ParticipationMode,
    QualityAssuranceType,
    is_isced_f,
    is_language,
)
from proto.ids import AchievementUri
from proto.imports.identity import UNNAMED, Identity, identity_of, named
from proto.imports.imported import (
    LANGUAGE_UNKNOWN,
    Doubt,
    Imported,
    ImportedIssuer,
    converted,
    made_uri,
    with_credits_of,
    written_time,
)
from proto.imports.json_reader import Reader
from proto.problem import InvalidProblem
from proto.visible_text import folded

_CREDITS = re.compile(r"^([0-9]{1,3})(?:[.,]([0-9]{1,2}))?$", re.ASCII)
_LEVEL = re.compile(r"(?:^|[^0-9])([1-8])(?![0-9])", re.ASCII)
_DAY = re.compile(r"^(\d{4})-(\d{2})-(\d{2})$", re.ASCII)
_HOURS = re.compile(r"^\s*(\d{1,5})\s*(h|hours?|hrs?)?\s*$", re.ASCII | re.IGNORECASE)
_ASSESSMENTS: Mapping[str, AssessmentType] = {
    "oral": AssessmentType.ORAL_EXAM,
    "written": AssessmentType.WRITTEN_EXAM,
    "exam": AssessmentType.WRITTEN_EXAM,
    "portfolio": AssessmentType.PORTFOLIO,
    "project": AssessmentType.PROJECT_WORK,
    "quiz": AssessmentType.QUIZ,
    "assignment": AssessmentType.MARKED_ASSIGNMENT,
    "continuous": AssessmentType.CONTINUOUS,
    "peer": AssessmentType.PEER_ASSESSMENT,
    "practical": AssessmentType.PRACTICAL,
}
_MODES: Mapping[str, ParticipationMode] = {
    "online": ParticipationMode.ONLINE,
    "blended": ParticipationMode.BLENDED,
    "face": ParticipationMode.PRESENTIAL,
    "campus": ParticipationMode.PRESENTIAL,
    "presential": ParticipationMode.PRESENTIAL,
    "work": ParticipationMode.WORK_BASED,
}
_BORN = ("dateOfBirth", "holderDateOfBirth", "birthDate", "holderBirthDate", "birthdate")
_OF_THE_HOLDER = re.compile(
    "holder|learner|student|person|birth|national|gender|surname|given_?name|family_?name|mail", re.IGNORECASE
)
_NUMBER = re.compile("^(holder|learner|student|person|personal|national)_?(id|identifier|number)$", re.IGNORECASE)
_GRADE_MAX, _NAME_MAX = 100, 300
_T = TypeVar("_T")


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
        self._root = Reader(document)
        self._doubts: list[Doubt] = []

    def run(self, learner_ref: str | None) -> Imported:
        language = self._language()
        issuer = ImportedIssuer(
            id=self._text("issuerIdentifier", "awardingBodyIdentifier") or "unknown",
            name=self._text("awardingBody", "issuer", "institution", "provider"),
            country=self._text("country", "issuerCountry"),
        )
        achievement = self._achievement(language, issuer)
        award = self._award(achievement)
        identity = self._identity(award.learner)
        return Imported(
            achievement=with_credits_of(achievement, award),
            award=named(award, learner_ref, identity),
            issuer=issuer,
            identity=identity,
            unmapped=self._root.unmapped(),
            doubtful=tuple(self._doubts),
        )

    def _doubt(self, name: str, detail: str) -> None:
        self._doubts.append(Doubt(pointer=self._root.at(name), detail=detail))

    def _named(self, *names: str) -> tuple[str, str] | None:
        """Return the first of these fields that says something, as a text, and its name; it is not taken yet."""
        for name in names:
            value = self._root.value.get(name)
            if isinstance(value, str | int | float) and not isinstance(value, bool) and str(value).strip():
                return name, str(value).strip()
        return None

    def _text(self, *names: str) -> str | None:
        found = self._named(*names)
        if found is None:
            return None
        self._root.take(found[0])
        return found[1]

    def _needed(self, *names: str) -> str:
        found = self._text(*names)
        if found is None:
            raise NotMicroHeProblem(f"{names[0]} is missing", pointer=self._root.at(names[0]))
        return found

    def _language(self) -> str:
        found = self._named("language", "languageOfInstruction", "inLanguage")
        if found and is_language(found[1]):
            self._root.take(found[0])
            return found[1]
        self._doubt("language", "No language tag is stated; texts are kept under und (undetermined)")
        return LANGUAGE_UNKNOWN

    def _achievement(self, language: str, issuer: ImportedIssuer) -> Achievement:
        title = self._needed("title", "name")
        description = self._text("description", "abstract")
        if description is None:
            self._doubt("description", "No description is stated; the title stands in")
        criteria = self._text("assessmentCriteria", "assesmentCriteria", "criteria")
        if criteria is None:
            self._doubt("criteria", "No criteria are stated; the description stands in")
        fields = {
            "uri": self._uri(title, issuer),
            "title": {language: title},
            "description": {language: description or title},
            "criteria": {language: criteria or description or title},
            "language": language,
            "learning_outcomes": [{"title": {language: text}} for text in self._outcomes()],
            "ects_hundredths": self._credits("ECTSCreditPoints", "ectsCreditPoints", "ECTS") or 0,
            "workload_hours": self._workload(),
            "eqf_level": self._level(),
            "assessment_types": self._words("assesmentMethod", "assessmentMethod", known=_ASSESSMENTS),
            "participation_modes": self._words("modeOfDelivery", "deliveryMode", "mode", known=_MODES),
            "prerequisites": self._in(language, "entryRequirements", "prerequisites", "entryRequirement"),
            "further_information": self._in(language, "additionalInformation", "supplementaryInformation"),
            "isced_f": self._isced(),
            "quality_assurance": self._quality(),
        }
        return converted(fields, Achievement, pointer="", refusal=NotMicroHeProblem, within="metadata")

    def _in(self, language: str, *names: str) -> dict[str, str] | None:
        found = self._text(*names)
        return {language: found} if found else None

    def _uri(self, title: str, issuer: ImportedIssuer) -> str:
        """Return the course's URI, or make one of what its issuer calls it: the course's identifier, else the title."""
        for name in ("courseIdentifier", "identifier"):
            found = self._named(name)
            if found and found[1].startswith(("http://", "https://")):
                return found[1]
        course = self._text("courseIdentifier")
        what, called = ("course identifier", course) if course else ("title", title)
        self._doubt("identifier", f"The achievement has no URI; one is made from issuer and {what}")
        return made_uri("microhe", issuer.identity, what, called)

    def _outcomes(self) -> list[str]:
        for name in ("learningOutcome", "learningOutcomes"):
            value = self._root.value.get(name)
            if isinstance(value, list) and all(isinstance(item, str) and item for item in value):
                self._root.take(name)
                return value
        found = self._text("learningOutcome", "learningOutcomes")
        return [line.strip(" -*•\t") for line in found.splitlines() if line.strip(" -*•\t")] if found else []

    def _credits(self, *names: str) -> int | None:
        found = self._named(*names)
        match = _CREDITS.match(found[1]) if found else None
        if found is None or match is None:
            why = f"{found[1][:40]!r} is no number of credits" if found else "No credits are stated"
            self._doubt(found[0] if found else names[0], f"{why}; left out")
            return None
        self._root.take(found[0])
        return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))

    def _workload(self) -> int | None:
        found = self._named("volumeOfLearning", "workload")
        if found is None:
            return None
        name, text = found
        plain = _HOURS.match(text)
        if plain:
            self._root.take(name)
            if not plain[2]:
                self._doubt(name, f"{text} names no unit; read as hours")
            return int(plain[1]) or None
        read = hours_of(text)
        if read.doubt:
            self._doubt(name, read.doubt)
        if read.hours:
            self._root.take(name)
        return read.hours

    def _level(self) -> int | None:
        found = self._named("EQFLevel", "eqfLevel")
        if found is None:
            return None
        levels = set(_LEVEL.findall(found[1]))
        if len(levels) != 1:
            self._doubt(found[0], f"{found[1][:40]!r} is no single EQF level; left out")
            return None
        self._root.take(found[0])
        return int(levels.pop())

    def _words(self, *names: str, known: Mapping[str, _T]) -> list[_T]:
        found = self._named(*names)
        if found is None:
            return []
        name, text = found
        kinds = list(dict.fromkeys(kind for word, kind in known.items() if word in text.lower()))
        if kinds:
            self._root.take(name)
            self._doubt(name, f"{text[:60]!r} is free text; read as {', '.join(map(str, kinds))}")
        return kinds

    def _isced(self) -> list[str]:
        found = self._named("ISCEDCode", "iscedCode", "fieldOfStudy", "thematicArea")
        if found is None or not is_isced_f(found[1]):
            return []
        self._root.take(found[0])
        return [found[1]]

    def _quality(self) -> list[QualityAssurance]:
        found = self._text("accreditation", "qualityAssurance")
        if found is None:
            return []
        self._doubt("accreditation", "Which kind of quality assurance is not said; read as that of the programme")
        name = self._short("accreditation", found, _NAME_MAX)
        return [QualityAssurance(type=QualityAssuranceType.PROGRAMME_QUALITY, name=name)]

    def _short(self, name: str, text: str, characters_max: int) -> str:
        """Return so much of a text as can be kept, and say so where that is not all of it."""
        if len(text) > characters_max:
            self._doubt(name, f"Only the first {characters_max} of {len(text)} characters can be kept")
        return text[:characters_max]

    def _award(self, achievement: Achievement) -> Award:
        begins = self._time("dateOfIssue", "issueDate", "issued", "dateAwarded", "awardingDate", "date")
        if begins is None:
            raise NotMicroHeProblem("A date of issue is missing", pointer=self._root.at("dateOfIssue"))
        awarded = self._credits("creditsAwarded") if "creditsAwarded" in self._root.value else None
        grade = self._text("grade")
        identifier = self._text("identifier", "credentialIdentifier")
        fields = {
            "learner": self._learner(),
            "achievement": AchievementUri(achievement.uri),
            "valid_from": begins,
            "valid_until": self._time("expiryDate", "validUntil", "expires"),
            "ects_hundredths": awarded,
            "result": Result(value=self._short("grade", grade, _GRADE_MAX)) if grade else None,
            "other_identifiers": [Identifier(identifier=identifier, type="identifier")] if identifier else [],
        }
        return converted(fields, Award, pointer="", refusal=NotMicroHeProblem, within="metadata")

    def _time(self, *names: str) -> str | None:
        found = self._named(*names)
        if found is None:
            return None
        name, text = found
        try:
            written = written_time(text)
        except InvalidProblem as problem:
            raise NotMicroHeProblem(
                f"{text[:40]!r} is no date such as 2020-06-30", pointer=self._root.at(name)
            ) from problem
        self._root.take(name)
        return written

    def _learner(self) -> Learner:
        given, family = self._text("givenName", "holderGivenName"), self._text("familyName", "holderFamilyName")
        email = self._text("holderEmail", "email")
        holder = self._text("holder", "holderName", "learner")
        if holder and not (given or family):
            self._doubt("holder", "One name, not split into given and family name; kept as family name")
            family = holder
        elif holder and holder != " ".join(filter(None, (given, family))):
            self._doubt("holder", f"Given and family name are kept; the holder says it otherwise: {holder[:80]!r}")
        if not (email or holder or given or family):
            raise NotMicroHeProblem("holder is missing: whose is it?", pointer=self._root.at("holder"))
        fields = {
            "ref": UNNAMED,
            "given_name": given,
            "family_name": family,
            "date_of_birth": self._born(),
            "email": email,
        }
        return converted(fields, Learner, pointer="", refusal=NotMicroHeProblem, within="metadata")

    def _born(self) -> str | None:
        """Take the day of birth; what is no day stays unmapped, and tells people apart all the same."""
        found = self._named(*_BORN)
        day = _DAY.match(found[1].partition("T")[0]) if found else None
        if found is None or day is None:
            return None
        self._root.take(found[0])
        return day[0]

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
