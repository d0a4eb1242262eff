"""The achievement of a record of the MicroHE prototype: typed fields, and a line of further information for the rest.

Free texts are read by the words in them, and kept as they stand, too: the reader of the credential sees them.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from proto.documents.credential import (
    Achievement,
    EscoAlignment,
    GradingScheme,
    Identifier,
    NationalLevel,
    QualityAssurance,
)
from proto.documents.duration import hours_of
from proto.documents.fields import AnyUri, IdentifierText
from proto.documents.vocabulary import (
    AssessmentType,
    ParticipationMode,
    QualityAssuranceType,
    Stackability,
    is_esco,
    is_isced_f,
    is_language,
)
from proto.event_fields import AchievementField
from proto.imports.flat_record import FlatRecord
from proto.imports.imported import LANGUAGE_UNKNOWN, ImportedIssuer, converted, made_uri
from proto.imports.microhe_terms import ANY_ASSESSMENT, ASSESSMENTS, FURTHER, LANGUAGES, MODES
from proto.imports.ornaments import fits
from proto.problem import InvalidProblem

_LEVEL = re.compile(r"^(?:EQF)?[\s:_-]*(?:level[\s:_-]*)?([1-8])$", re.IGNORECASE)
_ANY_LEVEL = re.compile(r"(?:^|[^0-9])([1-8])(?![0-9])", re.ASCII)
_NATIONAL = re.compile(r"^([A-Za-z][A-Za-z -]{1,40}?)[\s:]+(?:level )?([0-9][0-9A-Za-z.+-]{0,9})$", re.ASCII)
_HOURS = re.compile(r"^(\d{1,5})\s*(h|hours?|hrs?)?$", re.ASCII | re.IGNORECASE)
_NAME_MAX, _TAG_MAX, _TEXT_MAX, _OUTCOMES_MAX, _HOURS_MAX = 300, 100, 10_000, 64, 20_000
_WORDS = {"courseIdentifier": "course identifier"}
_T = TypeVar("_T", AssessmentType, ParticipationMode)


def language_of(record: FlatRecord) -> str:
    """Take the language of the texts: a code (ISO 639-1, BCP 47) or its English name; `und` where none is stated."""
    found = record.found("refLanguage", "language", "languageOfInstruction", "inLanguage")
    tag = LANGUAGES.get(found[1].lower(), found[1]) if found else ""
    if found and is_language(tag):
        record.root.take(found[0])
        return tag
    record.doubt("refLanguage", "No language tag is stated; texts are kept under und (undetermined)")
    return LANGUAGE_UNKNOWN


def achievement_of(record: FlatRecord, issuer: ImportedIssuer, refusal: type[InvalidProblem]) -> Achievement:
    """Return the achievement that a record describes; raises `refusal` with a JSON pointer."""
    return _AchievementImport(record, issuer).run(refusal)


class _AchievementImport:
    """The reader of one achievement, and the lines of further information met so far."""

    def __init__(self, record: FlatRecord, issuer: ImportedIssuer) -> None:
        self._record = record
        self._read = record.read
        self._issuer = issuer
        self._language = language_of(record)
        self._lines: list[str] = []

    def run(self, refusal: type[InvalidProblem]) -> Achievement:
        record = self._record
        title = record.needed("title", "name")
        uri, identifiers = self._uri(title)
        fields = self._described(title) | {
            "uri": uri,
            "title": self._in_language(title),
            "language": self._language,
            "learning_outcomes": self._outcomes(),
            "ects_hundredths": self._credits(),
            "workload_hours": self._workload(),
            "eqf_level": self._level(),
            "national_level": self._national_level(),
            "assessment_types": self._words(
                "Assessment", ("assesmentMethod", "assessmentMethod"), ASSESSMENTS, ANY_ASSESSMENT
            ),
            "participation_modes": self._words(
                "Mode of study", ("modeOfStudy", "modeOfDelivery", "deliveryMode", "mode"), MODES
            ),
            "prerequisites": self._in_language(
                record.text("entryReq", "entryRequirements", "prerequisites", "entryRequirement")
            ),
            "isced_f": self._isced(),
            "quality_assurance": self._quality(),
            "grading_scheme": self._grading(),
            "stackability": self._stackability(),
            "image": self._read.address(record.root, "image", AnyUri),
            "esco": self._occupation(),
            "tags": self._tags(),
            "other_identifiers": [*identifiers, *self._other_names(title)],
        }
        fields["further_information"] = self._further()
        return converted(fields, Achievement, pointer="", refusal=refusal, within="metadata")

    def _in_language(self, text: str | None) -> dict[str, str] | None:
        return {self._language: text} if text else None

    def _described(self, title: str) -> dict[str, Any]:
        """Return description and criteria: a short definition stands before the description."""
        record = self._record
        parts = [record.text("definition"), record.text("description", "abstract")]
        description = "\n\n".join(dict.fromkeys(part for part in parts if part))
        if not description:
            self._record.doubt("description", "No description is stated; the title stands in")
        criteria = record.text("assessmentCriteria", "assesmentCriteria", "criteria")
        if criteria is None:
            self._record.doubt("criteria", "No criteria are stated; the description stands in")
        description = description or title
        return {"description": self._in_language(description), "criteria": self._in_language(criteria or description)}

    def _uri(self, title: str) -> tuple[str, list[Identifier]]:
        """Return the achievement's URI, or one made of what its issuer calls it: an identifier, else the title.

        `identifier` is the qualification's, unless the record has one for the course besides: then it is the award's.
        """
        record = self._record
        called = record.found("courseIdentifier", "identifier")
        if called is not None and fits(called[1], AchievementField):
            record.root.take(called[0])
            return called[1], []
        what, key = ("title", title) if called is None else (called[0], called[1])
        record.doubt("identifier", f"The achievement has no URI; one is made from issuer and {_WORDS.get(what, what)}")
        if called is None or not fits(called[1], IdentifierText):
            return made_uri("microhe", self._issuer.identity, _WORDS.get(what, what), key), []
        record.root.take(called[0])
        former = Identifier(identifier=called[1], type="identifier")
        return made_uri("microhe", self._issuer.identity, _WORDS.get(what, what), key), [former]

    def _other_names(self, title: str) -> list[Identifier]:
        found = []
        for name in ("name", "altLabel"):
            text = self._record.found(name)
            if text is None or not fits(text[1], IdentifierText):
                continue
            self._record.root.take(name)
            if text[1] != title:
                found.append(Identifier(identifier=text[1], type="name"))
        return found

    def _outcomes(self) -> list[dict[str, Any]]:
        lines = [
            *self._record.lines("learningOutcome", "learningOutcomes"),
            *self._record.lines("learningOutcomeDesc"),
        ]
        found = list(dict.fromkeys(lines))
        if len(found) > _OUTCOMES_MAX:  # the text as one outcome loses none of its lines
            found = ["\n".join(found)]
        return [{"title": {self._language: text}} for text in found]

    def _credits(self) -> int:
        """Take ECTS credits; credit points of the system that the record names are that only if it is the ECTS."""
        record = self._record
        for name in ("ECTSCreditPoints", "ectsCreditPoints", "ECTS"):
            if record.found(name):
                return self._read.credits(record.root, name) or 0
        system = " ".join(
            filter(None, (str(record.root.value.get(name) or "") for name in ("creditSystem", "creditSysTitle")))
        )
        if record.found("numCreditPoints") and re.search("ECTS|European Credit", system, re.IGNORECASE):
            self._record.doubt("numCreditPoints", "Credit points of the system that is named are read as ECTS")
            return self._read.credits(record.root, "numCreditPoints") or 0
        self._record.doubt("ECTSCreditPoints", "No credits are stated; kept as 0")
        return 0

    def _workload(self) -> int | None:
        found = self._record.found("volumeOfLearning", "workload")
        if found is None:
            return None
        name, text = found
        plain = _HOURS.match(text)
        if plain and 0 < int(plain[1]) <= _HOURS_MAX:
            self._record.root.take(name)
            if not plain[2]:
                self._record.doubt(name, f"{text} names no unit; read as hours")
            return int(plain[1])
        read = hours_of(text)
        if read.doubt:
            self._record.doubt(name, read.doubt)
        if read.hours:
            self._record.root.take(name)
        return read.hours

    def _level(self) -> int | None:
        """Take the EQF level; one that stands in a longer text is read, and the text is listed."""
        found = self._record.found("EQFLevel", "eqfLevel")
        if found is None:
            return None
        match = _LEVEL.match(found[1])
        if match:
            self._record.root.take(found[0])
            return int(match[1])
        levels = set(_ANY_LEVEL.findall(found[1]))
        if len(levels) != 1:
            self._record.doubt(found[0], f"{found[1][:40]!r} is no single EQF level; left out")
            return None
        level = int(levels.pop())
        self._record.doubt(found[0], f"{found[1][:40]!r} is read as EQF level {level}")
        return level

    def _national_level(self) -> NationalLevel | None:
        found = self._record.found("NQFLevel", "nqfLevel")
        if found is None or len(found[1]) > _TAG_MAX:
            return None
        self._record.root.take(found[0])
        match = _NATIONAL.match(found[1])
        if match:
            return NationalLevel(framework=match[1], level=match[2])
        self._record.doubt(found[0], "Which national framework is not said; the level is kept as it stands")
        return NationalLevel(framework="National qualifications framework", level=found[1])

    def _words(
        self, label: str, names: tuple[str, ...], known: Mapping[str, _T], otherwise: Mapping[str, _T] | None = None
    ) -> list[_T]:
        """Read kinds by the words in a free text, which is kept as it stands, too."""
        found = self._record.found(*names)
        if found is None:
            return []
        name, text = found
        kinds = _kinds(text, known) or _kinds(text, otherwise or {})
        if kinds:
            self._record.doubt(name, f"{text[:60]!r} is free text; read as {', '.join(map(str, kinds))}")
        if text.lower() not in {str(kind) for kind in kinds}:
            self._lines.append(f"{label}: {text}")
        self._record.root.take(name)
        return kinds

    def _isced(self) -> list[str]:
        found = self._record.found("ISCEDCode", "iscedCode", "fieldOfStudy", "thematicArea", "field")
        if found is None or not is_isced_f(found[1]):
            return []
        self._record.root.take(found[0])
        return [found[1]]

    def _tags(self) -> list[str]:
        """Take the subject as a tag, where it is no code of a field of education."""
        found = self._record.found("field")
        if found is None or is_isced_f(found[1]) or len(found[1]) > _TAG_MAX:
            return []
        self._record.root.take("field")
        return [found[1]]

    def _quality(self) -> list[QualityAssurance]:
        text = self._record.text("accreditation", "qualityAssurance")
        if text is None:
            return []
        self._record.doubt(
            "accreditation", "Which kind of quality assurance is not said; read as that of the programme"
        )
        is_long = len(text) > _NAME_MAX
        if is_long:
            self._record.doubt("accreditation", f"Its name is the first {_NAME_MAX} of {len(text)} characters")
        return [
            QualityAssurance(
                type=QualityAssuranceType.PROGRAMME_QUALITY,
                name=text[:_NAME_MAX],
                description=text if is_long else None,
            )
        ]

    def _grading(self) -> GradingScheme | None:
        name = self._record.short(_NAME_MAX, "gradeScheme", "gradingScheme")
        return GradingScheme(name=name) if name else None

    def _stackability(self) -> Stackability | None:
        """Take whether it is a part of a qualification: then it is meant to be stacked."""
        is_partial = self._record.flag("isPartialQual")
        if is_partial is None:
            return None
        return Stackability.STACKABLE if is_partial else Stackability.STAND_ALONE

    def _occupation(self) -> list[EscoAlignment]:
        found = self._record.found("relatedOccupation")
        if found is None or not is_esco(found[1]):
            return []
        self._record.root.take("relatedOccupation")
        return [EscoAlignment(uri=found[1], name=found[1])]

    def _further(self) -> dict[str, str] | None:
        """Take what has no field of its own as lines, each with what it is; what does not fit any more is listed."""
        note = self._record.found("additionalNote", "additionalInformation", "supplementaryInformation")
        lines = [*([(note[0], note[1])] if note else []), *((None, line) for line in self._lines)]
        taken = {"relatedOccupation": self._occupation_is_taken()}
        for name, label in FURTHER.items():
            found = None if taken.get(name) else self._record.found(name)
            if found:
                lines.append((name, f"{label}: {found[1]}"))
        kept: list[str] = []
        for field, line in lines:
            if sum(map(len, kept)) + len(kept) + len(line) > _TEXT_MAX:
                self._record.doubt(field or "further_information", "It is longer than can be kept; left out")
                continue
            if field is not None:
                self._record.root.take(field)
            kept.append(line)
        return self._in_language("\n".join(kept))

    def _occupation_is_taken(self) -> bool:
        return is_esco(str(self._record.root.value.get("relatedOccupation")).strip())


def _kinds(text: str, known: Mapping[str, _T]) -> list[_T]:
    return list(dict.fromkeys(kind for word, kind in known.items() if word in text.lower()))
