"""European Learning Model v3 credentials of others (JSON-LD), read into an achievement and an award. Trusts no seal.

Reads the shape that the European Digital Credentials infrastructure writes (context edc-ap): claims of a person, each
specified by something. What has no place here is listed by JSON pointer, what was guessed is named with the guess.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from proto.documents.credential import Achievement, Award, Identifier, Learner, QualityAssurance
from proto.documents.duration import hours_of
from proto.documents.vocabulary import (
    ECTS_FRAMEWORK,
    AssessmentType,
    ParticipationMode,
    QualityAssuranceType,
    Supervision,
    eqf_level_of,
    is_esco,
)
from proto.ids import AchievementUri
from proto.imports.elm_grades import Graded, graded
from proto.imports.elm_reader import (
    ElmReader,
    NotAnElmCredentialProblem,
    all_of,
    first_of,
    one_of,
    take_concept,
    types_of,
)
from proto.imports.identity import UNNAMED, Identity, identity_of, named
from proto.imports.imported import Imported, ImportedIssuer, converted, made_uri, with_credits_of
from proto.imports.json_reader import Reader
from proto.problem import InvalidProblem
from proto.visible_text import folded

CONTEXT = "http://data.europa.eu/snb/model/context/edc-ap"
_TYPE = "EuropeanDigitalCredential"
_CLAIMS = ("LearningAchievement", "Qualification", "LearningActivity", "LearningAssessment", "LearningEntitlement")
_LANGUAGES: Mapping[str, str] = {
    "BUL": "bg", "CES": "cs", "DAN": "da", "DEU": "de", "ELL": "el", "ENG": "en", "SPA": "es", "EST": "et",
    "FIN": "fi", "FRA": "fr", "GLE": "ga", "HRV": "hr", "HUN": "hu", "ITA": "it", "LIT": "lt", "LAV": "lv",
    "MLT": "mt", "NLD": "nl", "POL": "pl", "POR": "pt", "RON": "ro", "SLK": "sk", "SLV": "sl", "SWE": "sv",
    "NOR": "no", "ISL": "is", "UKR": "uk", "TUR": "tr",
}  # fmt: skip
_COUNTRY = re.compile(r"/authority/country/([A-Z]{3})$")
_ISCED = re.compile(r"/isced-f/([0-9]{2,4})$")
_CREDITS = re.compile(r"^([0-9]{1,4})(?:[.,]([0-9]{1,2}))?$", re.ASCII)
_NAME_MAX = 300
_LOCAL_IDS = ("urn:epass:", "_:", "#")
"""Ids that number the parts of one document, and name nothing outside of it."""


_NOT_IDENTIFYING = frozenset(
    {"type", "hasClaim", "hasCredential", "additionalNote", "dateModified", "location", "memberOf", "groupMemberOf"}
    | {"givenName", "familyName", "dateOfBirth", "contactPoint"}
)
_NUMBERS = frozenset({"nationalID", "identifier", "taxIdentifier"})


def import_elm(document: Any, *, learner_ref: str | None = None) -> Imported:
    """Return achievement and award of a European Learning Model v3 credential (decoded JSON-LD).

    Of several claims the first achievement, else the first claim, is read; the others are listed as unmapped.
    `learner_ref` is the institution's own name for the learner; without it one is made of all that identifies the
    learner in the document (`proto.imports.identity`). Raises `NotAnElmCredentialProblem` with a JSON pointer.
    """
    if not isinstance(document, Mapping):
        raise NotAnElmCredentialProblem("The document is not a JSON object", pointer="")
    types = document.get("type")
    if _TYPE not in (types if isinstance(types, list) else [types]):
        raise NotAnElmCredentialProblem(f"type must hold {_TYPE}", pointer="/type")
    try:
        return _ElmImport(document).run(learner_ref)
    except NotAnElmCredentialProblem:
        raise
    except InvalidProblem as problem:
        raise NotAnElmCredentialProblem(problem.detail, pointer=problem.pointer, members=problem.members) from problem


class _ElmImport:
    """One import: the reader of the document and the doubts met so far."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._root = Reader(document)
        self._read = ElmReader()
        self._grades = Graded(achievement={}, award={})

    def run(self, learner_ref: str | None) -> Imported:
        root = self._root
        root.only("@context", CONTEXT, "https://www.w3.org/2018/credentials/v1", "https://www.w3.org/ns/credentials/v2")
        root.only("type", "VerifiableCredential", _TYPE)
        person = one_of(root, "credentialSubject")
        claim = self._claim(person)
        issuer = self._issuer()
        self._grades = graded(self._read, claim)
        achievement = self._achievement(claim, issuer)
        award = self._award(person, claim, achievement)
        identity = _identity(person, award.learner)
        return Imported(
            achievement=with_credits_of(achievement, award),
            award=named(award, learner_ref, identity),
            issuer=issuer,
            identity=identity,
            unmapped=root.unmapped(),
            doubtful=tuple(self._read.doubts),
        )

    def _claim(self, person: Reader) -> Reader:
        claims = [each for each in all_of(person, "hasClaim") if types_of(each) & set(_CLAIMS)]
        if not claims:
            raise NotAnElmCredentialProblem("The person has no claim of learning", pointer=person.at("hasClaim"))
        achieved = [each for each in claims if types_of(each) & {"LearningAchievement", "Qualification"}]
        claim = (achieved or claims)[0]
        if not achieved:
            kind = ", ".join(sorted(types_of(claim)))
            self._read.doubt(claim.pointer, f"It claims no LearningAchievement; the {kind} was read as the achievement")
        if len(claims) > 1:
            self._read.doubt(
                person.at("hasClaim"), f"Of {len(claims)} claims one was read; import the others by themselves"
            )
        claim.only("type", *_CLAIMS)
        return claim

    def _achievement(self, claim: Reader, issuer: ImportedIssuer) -> Achievement:
        spec = first_of(claim, "specifiedBy") or claim
        spec.only("type", "LearningAchievementSpecification", "LearningActivitySpecification", "Qualification")
        title = self._read.text(spec, "title") or self._read.text(claim, "title")
        if title is None:
            raise NotAnElmCredentialProblem("The achievement has no title", pointer=claim.at("title"))
        if self._same(claim, "title", title) and spec is not claim:
            claim.take("title")
        description = self._read.text(spec, "description") or self._read.text(claim, "description")
        outcomes = [*self._outcomes(spec)]
        summary = self._read.text(spec, "learningOutcomeSummary")
        if description is None:
            self._read.doubt(spec.at("description"), "No description is stated; the title stands in")
        self._read.doubt(claim.at("provenBy"), "The model has no criteria in words; the description stands in")
        fields = {
            "uri": self._uri(spec, title, issuer),
            "title": title,
            "description": description or title,
            "criteria": summary or description or title,
            "language": self._language(spec, title),
            "learning_outcomes": outcomes,
            "ects_hundredths": self._credits(spec),
            "workload_hours": self._hours(spec, claim),
            "eqf_level": self._level(spec),
            "participation_modes": self._read.concepts(spec, "mode", ParticipationMode),
            "isced_f": [*self._fields_of_study(spec)],
            "prerequisites": self._read.note(spec, "entryRequirement"),
            "further_information": self._read.note(spec, "additionalNote"),
            "quality_assurance": [*self._quality(spec)],
        }
        fields |= self._assessed(claim) | self._grades.achievement
        return converted(fields, Achievement, pointer=spec.pointer, refusal=NotAnElmCredentialProblem)

    def _same(self, source: Reader, name: str, texts: Mapping[str, str]) -> bool:
        return bool(source.value.get(name) == texts)

    def _uri(self, spec: Reader, title: Mapping[str, str], issuer: ImportedIssuer) -> str:
        """Return the achievement's URI, or make one of what its issuer calls it: a notation, an id, else the title."""
        stated = spec.value.get("id")
        if isinstance(stated, str) and stated.startswith(("http://", "https://")):
            spec.take("id")
            return stated
        notations = [str(each.value["notation"]) for each in all_of(spec, "identifier") if "notation" in each.value]
        if notations:
            what, names = "identifier", notations[:1]
        elif isinstance(stated, str) and stated and not stated.startswith(_LOCAL_IDS):
            what, names = "id", [stated]
        else:
            what, names = "title", [f"{tag} {text}" for tag, text in sorted(title.items())]
        self._read.doubt(spec.at("id"), f"The achievement has no URI of its own; one is made from issuer and {what}")
        return made_uri("elm", issuer.identity, what, *names)

    def _outcomes(self, spec: Reader) -> Iterator[dict[str, Any]]:
        for each in all_of(spec, "learningOutcome"):
            title = self._read.text(each, "title")
            if title is None:
                continue
            each.only("type", "LearningOutcome")
            yield {"title": title, "esco_skills": [*_esco(each)]}

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
        found = self._points(spec, "creditPoint")
        if found is None:
            self._read.doubt(spec.at("creditPoint"), "No ECTS credits are stated; kept as 0")
        return found or 0

    def _points(self, source: Reader, name: str) -> int | None:
        """Take the first ECTS credits, in hundredths; the model writes the number as a text."""
        for each in all_of(source, name):
            framework = first_of(each, "framework")
            point = each.value.get("point")
            match = _CREDITS.match(str(point))
            if framework is None or framework.value.get("id") != ECTS_FRAMEWORK or match is None:
                self._read.doubt(each.pointer, "These credits are not of the ECTS, or no number of them; left out")
                continue
            each.take("point")
            each.only("type", "CreditPoint")
            take_concept(framework)
            return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))
        return None

    def _hours(self, spec: Reader, claim: Reader) -> int | None:
        for source, name in ((spec, "volumeOfLearning"), (claim, "workload")):
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
            yield QualityAssurance(type=kinds[0], name=self._read.short(each, "title", name, _NAME_MAX))

    def _assessed(self, claim: Reader) -> dict[str, Any]:
        """Take types of assessment, and supervision, of the assessments that prove the claim."""
        types: list[AssessmentType] = []
        supervision: Supervision | None = None
        for each in all_of(claim, "provenBy"):
            each.only("type", "LearningAssessment")
            spec = first_of(each, "specifiedBy")
            if spec is not None:
                spec.only("type", "LearningAssessmentSpecification")
                types += self._read.concepts(spec, "dcType", AssessmentType)
            found = self._read.concepts(each, "idVerification", Supervision)
            if found and supervision not in (None, found[0]):
                self._read.doubt(each.at("idVerification"), f"One supervision can be kept; {supervision} is left out")
            supervision = found[0] if found else supervision
        return {"assessment_types": list(dict.fromkeys(types)), "supervision": supervision}

    def _award(self, person: Reader, claim: Reader, achievement: Achievement) -> Award:
        root = self._root
        fields = {
            "learner": self._learner(person),
            "achievement": AchievementUri(achievement.uri),
            "valid_from": self._begins(),
            "valid_until": self._read.time(root, "validUntil") or self._read.time(root, "expirationDate"),
            "awarded_at": self._awarded(claim),
            "ects_hundredths": self._points(claim, "creditReceived"),
            "other_identifiers": [Identifier(identifier=root.needed_text("id"), type="identifier")],
        }
        return converted(
            fields | self._period(claim) | self._grades.award, Award, pointer="", refusal=NotAnElmCredentialProblem
        )

    def _begins(self) -> str:
        for name in ("validFrom", "issuanceDate", "issued"):
            found = self._read.time(self._root, name)
            if found is not None:
                return found
        raise NotAnElmCredentialProblem("validFrom is missing", pointer="/validFrom")

    def _awarded(self, claim: Reader) -> str | None:
        process = first_of(claim, "awardedBy")
        return self._read.time(process, "awardingDate") if process is not None else None

    def _period(self, claim: Reader) -> dict[str, str]:
        found: dict[str, str] = {}
        for each in all_of(claim, "temporal")[:1]:
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
        stated = person.value.get("dateOfBirth")
        if not isinstance(stated, str):
            return None
        person.take("dateOfBirth")
        if "T" in stated and not stated.partition("T")[2].startswith("00:00"):
            self._read.doubt(
                person.at("dateOfBirth"), f"{stated} is a time: which day it is depends on the zone; the day is kept"
            )
        return stated[:10]

    def _email(self, person: Reader) -> str | None:
        for contact in all_of(person, "contactPoint"):
            for each in all_of(contact, "emailAddress"):
                stated = each.value.get("id")
                if isinstance(stated, str) and stated.startswith("mailto:"):
                    each.take("id")
                    each.only("type", "Mailbox")
                    return stated.removeprefix("mailto:")
        return None

    def _issuer(self) -> ImportedIssuer:
        issuer = one_of(self._root, "issuer")
        issuer.only("type", "Organisation")
        name = self._read.text(issuer, "legalName")
        country = None
        for place in all_of(issuer, "location"):
            for address in all_of(place, "address"):
                for each in all_of(address, "countryCode"):
                    match = _COUNTRY.search(str(each.value.get("id", "")))
                    country = match[1] if match else country
        return ImportedIssuer(
            id=issuer.needed_text("id"), name=self._read.first(issuer, "legalName", name), country=country
        )


def _identity(person: Reader, learner: Learner) -> Identity:
    """Return whom the person is: all that the document states of them but where they live and what they learned.

    An id such as `urn:epass:person:1` is a place in the document; others name somebody.
    """
    others = {name: value for name, value in person.value.items() if name not in _NOT_IDENTIFYING}
    if str(others.get("id", "")).startswith("urn:epass:"):
        del others["id"]
    if _says(others.get("fullName"), learner.full_name):
        del others["fullName"]
    return identity_of(learner, others, is_numbered=bool(_NUMBERS & others.keys()))


def _says(texts: Any, name: str) -> bool:
    """Tell whether a text, or one of its languages, is this name."""
    stated = texts.values() if isinstance(texts, Mapping) else [texts]
    return any(isinstance(text, str) and folded(text) == folded(name) for text in stated)


def _esco(outcome: Reader) -> Iterator[str]:
    for name in ("relatedESCOSkill", "relatedSkill"):
        for each in all_of(outcome, name):
            uri = each.value.get("id")
            if isinstance(uri, str) and is_esco(uri):
                take_concept(each)
                yield uri
