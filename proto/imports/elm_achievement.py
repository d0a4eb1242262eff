"""The achievement of a European Learning Model claim: what specifies it, and what activities and assessments add.

A concept that none of our lists has, such as an assessment of an institution's own kind, is kept by its label.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from proto.documents.credential import Achievement, Identifier, QualityAssurance
from proto.documents.duration import hours_of
from proto.documents.fields import IdentifierText
from proto.documents.provision import Entitlement, Provider
from proto.documents.vocabulary import (
    CONCEPTS,
    ECTS_FRAMEWORK,
    AssessmentType,
    ParticipationMode,
    QualityAssuranceType,
    Stackability,
    Supervision,
    eqf_level_of,
    is_esco,
)
from proto.event_fields import UriField
from proto.imports.elm_claims import Claims
from proto.imports.elm_frameworks import Frameworks
from proto.imports.elm_reader import LOCAL_IDS, ElmReader, NotAnElmCredentialProblem, all_of, first_of, take_concept
from proto.imports.imported import ImportedIssuer, converted, made_uri
from proto.imports.json_reader import Reader

_LANGUAGES: Mapping[str, str] = {
    "BUL": "bg", "CES": "cs", "DAN": "da", "DEU": "de", "ELL": "el", "ENG": "en", "SPA": "es", "EST": "et",
    "FIN": "fi", "FRA": "fr", "GLE": "ga", "HRV": "hr", "HUN": "hu", "ITA": "it", "LIT": "lt", "LAV": "lv",
    "MLT": "mt", "NLD": "nl", "POL": "pl", "POR": "pt", "RON": "ro", "SLK": "sk", "SLV": "sl", "SWE": "sv",
    "NOR": "no", "ISL": "is", "UKR": "uk", "TUR": "tr",
}  # fmt: skip  # a table of pairs, read across
COUNTRY = re.compile(r"/authority/country/([A-Z]{3})$")
_ISCED = re.compile(r"/isced-f/([0-9]{2,4})$")
_KNOWN = frozenset(concept.uri for concept in CONCEPTS.values())
_NAME_MAX, _TEXT_MAX = 300, 10_000
_IDENTIFIERS_MAX, _LISTED_MAX, _SKILLS_MAX, _LINES_MAX = 15, 16, 32, 64


class _Line(NamedTuple):
    """A line of further information by language, and where it was taken from."""

    source: Reader
    name: str
    texts: dict[str, str]


def achievement_of(read: ElmReader, claims: Claims, issuer: ImportedIssuer, grading: Mapping[str, Any]) -> Achievement:
    """Return the achievement that claims describe; `grading` are its fields that say how it is graded.

    Raises `NotAnElmCredentialProblem` with a JSON pointer.
    """
    return _AchievementImport(read, claims, issuer).run(grading)


class _AchievementImport:
    """The reader of one achievement."""

    def __init__(self, read: ElmReader, claims: Claims, issuer: ImportedIssuer) -> None:
        self._read = read
        self._claims = claims
        self._issuer = issuer
        self._custom: list[_Line] = []

    def run(self, grading: Mapping[str, Any]) -> Achievement:
        claim = self._claims.achievement
        spec = first_of(claim, "specifiedBy") or claim
        spec.only("type", "LearningAchievementSpecification", "LearningActivitySpecification", "Qualification")
        title = self._title(claim, spec)
        description = self._read.text(spec, "description") or self._read.text(claim, "description")
        summary = self._read.note(spec, "learningOutcomeSummary") or self._read.text(spec, "learningOutcomeSummary")
        if description is None:
            self._read.doubt(spec.at("description"), "No description is stated; the title stands in")
        self._read.doubt(claim.at("provenBy"), "The model has no criteria in words; the description stands in")
        outcomes = [*self._outcomes(spec)]
        assessed = self._assessed()
        fields = {
            "uri": self._uri(spec, title, self._issuer),
            "title": title,
            "description": description or title,
            "criteria": summary or description or title,
            "language": self._language(spec, title),
            "learning_outcomes": outcomes,
            "ects_hundredths": self._credits(spec),
            "workload_hours": self._hours(spec),
            "eqf_level": self._level(spec),
            "national_level": Frameworks(self._read).national_level(spec),
            "participation_modes": self._modes(spec),
            "isced_f": [*self._fields_of_study(spec)],
            "prerequisites": self._read.note(spec, "entryRequirement"),
            "quality_assurance": [*self._quality(spec)],
            "alignments": Frameworks(self._read).skills(spec),
            "stackability": self._stackability(spec),
            "entitlements": self._entitlements(spec),
            "providers": self._providers(),
            "other_identifiers": self._identifiers(spec),
        }
        fields |= assessed | dict(grading)
        fields["further_information"] = self._further(spec, next(iter(title)))
        return converted(fields, Achievement, pointer=spec.pointer, refusal=NotAnElmCredentialProblem)

    def _title(self, claim: Reader, spec: Reader) -> dict[str, str]:
        title = self._read.text(spec, "title") or self._read.text(claim, "title")
        if title is None:
            raise NotAnElmCredentialProblem("The achievement has no title", pointer=claim.at("title"))
        if claim.value.get("title") == title and spec is not claim:
            claim.take("title")
        return title

    def _uri(self, spec: Reader, title: Mapping[str, str], issuer: ImportedIssuer) -> str:
        """Return the achievement's URI, or make one of what its issuer calls it: a notation, an id, else the title."""
        stated = spec.value.get("id")
        if isinstance(stated, str) and stated.startswith(("http://", "https://")):
            spec.take("id")
            return stated
        notations = [str(each.value["notation"]) for each in all_of(spec, "identifier") if "notation" in each.value]
        if notations:
            what, names = "identifier", notations[:1]
        elif isinstance(stated, str) and stated and not stated.startswith(LOCAL_IDS):
            what, names = "id", [stated]
        else:
            what, names = "title", [f"{tag} {text}" for tag, text in sorted(title.items())]
        self._read.doubt(spec.at("id"), f"The achievement has no URI of its own; one is made from issuer and {what}")
        return made_uri("elm", issuer.identity, what, *names)

    def _identifiers(self, spec: Reader) -> list[Identifier]:
        """Take what the achievement is called elsewhere."""
        return self._read.all(all_of(spec, "identifier"), self._identifier, _IDENTIFIERS_MAX)

    def _identifier(self, item: Reader) -> Identifier | None:
        notation = self._read.code(item, "notation", IdentifierText)
        if notation is None:
            return None
        item.only("type", "Identifier")
        return Identifier(identifier=notation, type="identifier")

    def _outcomes(self, spec: Reader) -> Iterator[dict[str, Any]]:
        outcomes = all_of(spec, "learningOutcome")
        for each in outcomes[_LINES_MAX:]:
            self._read.doubt(each.pointer, f"Only {_LINES_MAX} outcomes can be kept; left out")
        for each in outcomes[:_LINES_MAX]:
            title = self._read.text(each, "title")
            if title is None:
                continue
            each.only("type", "LearningOutcome")
            yield {"title": title, "esco_skills": [*_esco(each)][:_SKILLS_MAX]}

    def _language(self, spec: Reader, title: Mapping[str, str]) -> str:
        for each in all_of(spec, "language"):
            code = str(each.value.get("id", "")).rpartition("/")[2]
            if code in _LANGUAGES:
                take_concept(each)
                return _LANGUAGES[code]
        language = next(iter(title))
        self._read.doubt(
            spec.at("language"), f"No language of instruction is stated; that of the title, {language}, is kept"
        )
        return language

    def _credits(self, spec: Reader) -> int:
        found = points_of(self._read, spec, "creditPoint")
        if found is None:
            self._read.doubt(spec.at("creditPoint"), "No ECTS credits are stated; kept as 0")
        return found or 0

    def _hours(self, spec: Reader) -> int | None:
        claim = self._claims.achievement
        specs = [each for activity in self._claims.activities for each in all_of(activity, "specifiedBy")]
        places = [(spec, "volumeOfLearning"), (claim, "workload")]
        places += [(each, "workload") for each in self._claims.activities if each is not claim]
        places += [(each, "volumeOfLearning") for each in specs if each.pointer != spec.pointer]
        for source, name in places:
            stated = source.value.get(name)
            if not isinstance(stated, str):
                continue
            read = hours_of(stated)
            if read.doubt:
                self._read.doubt(source.at(name), read.doubt)
            if read.hours:
                source.take(name)
                return read.hours
        return None

    def _level(self, spec: Reader) -> int | None:
        for name in ("eqfLevel", "eQFLevel", "EQFLevel"):
            for each in all_of(spec, name):
                level = eqf_level_of(str(each.value.get("id", "")))
                if level is not None:
                    take_concept(each)
                    return level
        return None

    def _modes(self, spec: Reader) -> list[ParticipationMode]:
        """Take how one took part, of the achievement, else of its activities."""
        specs = [each for activity in self._claims.activities for each in all_of(activity, "specifiedBy")]
        for each in (*self._claims.activities, *specs):
            each.only("type", "LearningActivity", "LearningActivitySpecification")
        found = [mode for each in (spec, *specs) for mode in self._read.concepts(each, "mode", ParticipationMode)]
        return list(dict.fromkeys(found))

    def _fields_of_study(self, spec: Reader) -> Iterator[str]:
        for name in ("thematicArea", "ISCEDFCode"):
            for each in all_of(spec, name):
                match = _ISCED.search(str(each.value.get("id", "")))
                if match:
                    take_concept(each)
                    yield match[1]

    def _quality(self, spec: Reader) -> Iterator[QualityAssurance]:
        for each in all_of(spec, "accreditation"):
            kinds = self._read.concepts(each, "dcType", QualityAssuranceType)
            title = self._read.text(each, "title")
            name = self._read.first(each, "title", title)
            if not kinds or name is None:
                each.leave("title")
                self._read.doubt(each.pointer, "An accreditation without a known kind and a title is left out")
                continue
            if kinds[1:]:
                self._read.doubt(
                    each.at("dcType"), f"One kind can be kept, {kinds[0]}; left out: {', '.join(kinds[1:])}"
                )
            each.only("type", "Accreditation")
            yield QualityAssurance(type=kinds[0], name=self._read.shortened(each, "title", name, _NAME_MAX))

    def _stackability(self, spec: Reader) -> Stackability | None:
        """Take that it is a part of a qualification: then it is meant to be stacked."""
        if spec.value.get("isPartialQualification") is not True:
            return None
        spec.take("isPartialQualification")
        return Stackability.STACKABLE

    def _entitlements(self, spec: Reader) -> list[Entitlement]:
        entitled = [*self._claims.entitlements, *all_of(spec, "entitlesTo")]
        return self._read.all(entitled, self._entitlement, _LISTED_MAX)

    def _entitlement(self, item: Reader) -> Entitlement | None:
        spec = first_of(item, "specifiedBy") or item
        title = self._read.text(item, "title") or self._read.text(spec, "title")
        if title is None:
            return None
        for each in (item, spec):
            each.only("type", "LearningEntitlement", "LearningEntitlementSpecification")
        return Entitlement(title=title, url=self._page(spec, "homepage"))

    def _page(self, source: Reader, name: str) -> str | None:
        """Take the address of the first web page under a name."""
        for each in all_of(source, name)[:1]:
            url: str | None = self._read.address(each, "contentURL", UriField)
            if url is not None:
                each.only("type", "WebResource")
                return url
        return None

    def _providers(self) -> list[Provider]:
        directors = [each for activity in self._claims.activities for each in all_of(activity, "directedBy")]
        return self._read.all(directors, self._provider, _LISTED_MAX)

    def _provider(self, item: Reader) -> Provider | None:
        name = self._read.first(item, "legalName", self._read.text(item, "legalName"))
        if name is None:
            return None
        item.only("type", "Organisation")
        return Provider(name=self._read.shortened(item, "legalName", name, _NAME_MAX), url=self._page(item, "homepage"))

    def _assessed(self) -> dict[str, Any]:
        """Take types of assessment, and supervision, of the assessments that prove the claim."""
        types: list[AssessmentType] = []
        supervision: Supervision | None = None
        for each in self._claims.assessments:
            each.only("type", "LearningAssessment")
            spec = first_of(each, "specifiedBy")
            if spec is not None:
                spec.only("type", "LearningAssessmentSpecification")
                types += self._read.concepts(spec, "dcType", AssessmentType)
                self._custom += islice(self._labels(spec, "dcType"), _LINES_MAX)
            found = self._read.concepts(each, "idVerification", Supervision)
            if found and supervision not in (None, found[0]):
                self._read.doubt(each.at("idVerification"), f"One supervision can be kept; {supervision} is left out")
            supervision = found[0] if found else supervision
        return {"assessment_types": list(dict.fromkeys(types)), "supervision": supervision}

    def _labels(self, source: Reader, name: str) -> Iterator[_Line]:
        """Take the labels of concepts that none of our lists has."""
        for each in all_of(source, name):
            if str(each.value.get("id")) in _KNOWN or len(self._custom) >= _LINES_MAX:
                continue
            texts = self._read.text(each, "prefLabel")
            if texts:
                self._read.doubt(each.pointer, "Its kind is none of the known ones; its label is kept as a text")
                each.only("type", "Concept")
                yield _Line(each, "prefLabel", {tag: f"Assessment: {label}" for tag, label in texts.items()})

    def _pages(self, spec: Reader, language: str) -> Iterator[_Line]:
        """Take the addresses of pages that tell more of the achievement."""
        for name, label in (("homepage", "Home page"), ("supplementaryDocument", "Supplementary document")):
            for each in all_of(spec, name):
                url = self._read.address(each, "contentURL", UriField)
                if url is not None:
                    each.only("type", "WebResource")
                    yield _Line(each, "contentURL", {language: f"{label}: {url}"})

    def _further(self, spec: Reader, language: str) -> dict[str, str] | None:
        """Return the note, labels of assessments of other kinds, and pages, each in its language; as many as fit."""
        texts = dict(self._read.note(spec, "additionalNote") or {})
        for line in (*self._custom, *self._pages(spec, language)):
            whole = {tag: "\n".join(filter(None, (texts.get(tag), text))) for tag, text in line.texts.items()}
            if all(len(text) <= _TEXT_MAX for text in whole.values()):
                texts |= whole
            else:
                self._read.doubt(line.source.at(line.name), "It is longer than can be kept; left out")
                line.source.leave(line.name)
        return texts or None


def points_of(read: ElmReader, source: Reader, name: str) -> int | None:
    """Take the first ECTS credits, in hundredths; the model writes the number as a text."""
    for each in all_of(source, name):
        framework = first_of(each, "framework")
        if framework is None or framework.value.get("id") != ECTS_FRAMEWORK:
            read.doubt(each.pointer, "These credits are not of the ECTS; left out")
            continue
        found = read.credits(each, "point")
        if found is None:
            continue
        each.only("type", "CreditPoint")
        take_concept(framework)
        return found
    return None


def _esco(outcome: Reader) -> Iterator[str]:
    for name in ("relatedESCOSkill", "relatedSkill"):
        for each in all_of(outcome, name):
            uri = each.value.get("id")
            if isinstance(uri, str) and is_esco(uri):
                take_concept(each)
                yield uri
