"""Open Badges 3.0 documents of others, read into an achievement and an award. Verifies no signature of theirs.

What has no place here is listed by JSON pointer, what had to be guessed is named with the guess: nothing is dropped
silently. The Dutch profile (educredentials) is read with its own terms for credits, hours, assessment and supervision.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from proto.documents.credential import (
    Achievement,
    Alignment,
    Award,
    EscoAlignment,
    Identifier,
    Learner,
    QualityAssurance,
)
from proto.documents.fields import IDENTIFIER_TYPES
from proto.documents.open_badge import EQF_TARGET_TYPE, QUALITY_TARGET_TYPE
from proto.documents.open_badge_claims import NotAnOpenBadgeProblem, check_shape, eqf_level, hundredths
from proto.documents.open_badge_context import OPEN_BADGES_CONTEXT_PREFIX, OPEN_BADGES_SCHEMA, SCHEMA_TYPE, VC_CONTEXT
from proto.documents.vocabulary import (
    AssessmentType,
    ParticipationMode,
    QualityAssuranceType,
    Supervision,
    eqf_uri,
    is_esco,
    is_language,
)
from proto.ids import AchievementUri
from proto.imports.educredentials import ASSESSMENT, CONTEXT_ENDING, PARTICIPATION, SUPERVISION, UNCHECKED
from proto.imports.identity import UNNAMED, Identity, identity_of, named
from proto.imports.imported import (
    LANGUAGE_UNKNOWN,
    Doubt,
    Imported,
    ImportedIssuer,
    converted,
    with_credits_of,
    written_day,
    written_time,
)
from proto.imports.json_reader import Reader
from proto.imports.open_badge_results import results_of, schemes_of
from proto.problem import InvalidProblem

_OF_THE_AWARD = frozenset(
    {"type", "achievement", "activityStartDate", "activityEndDate", "component", "creditsEarned", "image", "narrative"}
    | {"licenseNumber", "result", "role", "source", "term"}
)
_OF_ONE_PERSON = frozenset(
    {"sourcedId", "userName", "accountId", "emailAddress", "nationalIdentityNumber", "identifier", "ltiUserId"}
    | {"lisSourcedId", "oneRosterSourcedId", "sisSourcedId"}
)
"""Identities that one person has; the others name systems, courses and books, or nobody knows what."""
_READ_AS_LEARNER = frozenset({"id", "givenName", "familyName", "dateOfBirth"})


def import_open_badge(document: Any, *, learner_ref: str | None = None) -> Imported:
    """Return achievement and award of an Open Badges 3.0 document (decoded JSON).

    `learner_ref` is the institution's own name for the learner; without it one is made of all that identifies the
    learner in the document (`proto.imports.identity`). Raises `NotAnOpenBadgeProblem` or `InvalidProblem` with a
    JSON pointer.
    """
    return _Import(check_shape(document)).run(learner_ref)


class _Import:
    """One import: the reader of the document and the doubts met so far."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._root = Reader(document)
        self._doubts: list[Doubt] = []

    def run(self, learner_ref: str | None) -> Imported:
        root = self._root
        subject = root.needed_child("credentialSubject")
        achievement = self._achievement(subject.needed_child("achievement"), subject)
        award = self._award(subject, achievement)
        identity = _identity(subject, award.learner)
        issuer = self._issuer()
        self._frame(subject, achievement)
        return Imported(
            achievement=with_credits_of(achievement, award),
            award=named(award, learner_ref, identity),
            issuer=issuer,
            identity=identity,
            unmapped=root.unmapped(),
            doubtful=tuple(self._doubts),
        )

    def _doubt(self, pointer: str, detail: str) -> None:
        self._doubts.append(Doubt(pointer=pointer, detail=detail))

    def _day(self, subject: Reader, name: str) -> str | None:
        """Take the day of a time as it is written: Open Badges' schema wants a time where its context says date."""
        stated = subject.text(name)
        if stated is None:
            return None
        try:
            day, is_whole = written_day(stated)
        except InvalidProblem as problem:
            raise NotAnOpenBadgeProblem(problem.detail, pointer=subject.at(name)) from problem
        if not is_whole:
            self._doubt(subject.at(name), f"A day is kept, {day}; the time of day is left out")
        return day

    def _frame(self, subject: Reader, achievement: Achievement) -> None:
        """Take what only says that this is an Open Badge."""
        root = self._root
        contexts = [item for item in root.value["@context"] if isinstance(item, str)]
        root.only("@context", VC_CONTEXT, *(item for item in contexts if _is_known_context(item)))
        root.only("type", "VerifiableCredential", "OpenBadgeCredential", "AchievementCredential")
        subject.only("type", "AchievementSubject")
        if root.value.get("name") in achievement.title.values():
            root.take("name")
        for schema in root.children("credentialSchema"):
            if schema.value.get("id") == OPEN_BADGES_SCHEMA:
                schema.only("id", OPEN_BADGES_SCHEMA)
                schema.only("type", SCHEMA_TYPE)

    def _issuer(self) -> ImportedIssuer:
        if isinstance(self._root.value.get("issuer"), str):
            return ImportedIssuer(id=self._root.needed_text("issuer"))
        issuer = self._root.needed_child("issuer")
        issuer.only("type", "Profile")
        address = issuer.child("address")
        if address is not None:
            address.only("type", "Address")
        country = address.text("addressCountryCode") if address is not None else None
        return ImportedIssuer(id=issuer.needed_text("id"), name=issuer.text("name"), country=country)

    def _achievement(self, source: Reader, subject: Reader) -> Achievement:
        source.only("type", "Achievement", "EducredentialAchievement")
        source.only("achievementType", "MicroCredential", "Achievement")
        language = self._language(source)
        description = source.needed_text("description")
        fields = {
            "uri": source.needed_text("id"),
            "version": source.text("version"),
            "title": {language: source.needed_text("name")},
            "description": {language: description},
            "criteria": {language: self._criteria(source) or description},
            "criteria_url": self._criteria_url(source),
            "language": language,
            "ects_hundredths": self._credits(source),
            "workload_hours": source.take("SBU"),
            "image": _image(source),
            "tags": source.texts("tag"),
            "other_identifiers": [*_identifiers(source), *_programme(source)],
            "assessment_types": self._assessment(source),
            "participation_modes": self._participation(source),
            "supervision": self._supervision(source),
        }
        fields |= self._alignments(source) | schemes_of(source, subject)
        return converted(fields, Achievement, pointer=source.pointer, refusal=NotAnOpenBadgeProblem)

    def _language(self, source: Reader) -> str:
        language = source.text("inLanguage")
        if language is not None and is_language(language):
            return language
        source.leave("inLanguage")
        self._doubt(source.at("inLanguage"), "No language is stated; texts are kept under und (undetermined)")
        return LANGUAGE_UNKNOWN

    def _criteria(self, source: Reader) -> str | None:
        criteria = source.child("criteria")
        narrative = criteria.text("narrative") if criteria else None
        if narrative is None:
            self._doubt(source.at("criteria"), "No criteria in words; the description stands in")
        return narrative

    def _criteria_url(self, source: Reader) -> str | None:
        criteria = source.child("criteria")
        return criteria.text("id") if criteria else None

    def _credits(self, source: Reader) -> int:
        """Take the credits: `ECTS` of the Dutch profile, else `creditsAvailable`, which does not say which credits."""
        if "ECTS" in source.value:
            return hundredths(source.take("ECTS"), source.at("ECTS"))
        if "creditsAvailable" in source.value:
            pointer = source.at("creditsAvailable")
            self._doubt(pointer, "Open Badges does not say which credits these are; read as ECTS")
            return hundredths(source.take("creditsAvailable"), pointer)
        self._doubt(source.at("creditsAvailable"), "No credits are stated; kept as 0")
        return 0

    def _assessment(self, source: Reader) -> list[AssessmentType]:
        stated = source.value.get("assessmentType")
        found = ASSESSMENT.get(stated) if isinstance(stated, str) else None
        if found is None:
            return []
        source.take("assessmentType")
        if found in {AssessmentType.WRITTEN_EXAM, AssessmentType.PRACTICAL}:
            self._doubt(source.at("assessmentType"), f"{stated!r} is wider than what it was read as, {found.value!r}")
        return [found]

    def _participation(self, source: Reader) -> list[ParticipationMode]:
        stated = source.value.get("participationType")
        found = PARTICIPATION.get(stated, ()) if isinstance(stated, str) else ()
        if found:
            source.take("participationType")
        if len(found) > 1:
            self._doubt(source.at("participationType"), f"{stated!r} leaves open which; both are kept")
        return list(found)

    def _supervision(self, source: Reader) -> Supervision | None:
        stated = source.value.get("supervisionType")
        found = SUPERVISION.get(stated) if isinstance(stated, str) else None
        if found is None:
            return None
        source.take("supervisionType")
        checked = source.value.get("identityChecked")
        if checked is (found not in UNCHECKED):
            source.take("identityChecked")
        elif isinstance(checked, bool):
            self._doubt(source.at("identityChecked"), f"Contradicts supervisionType, {stated!r}, which was kept")
        return found

    def _alignments(self, source: Reader) -> dict[str, Any]:
        """Sort alignments into EQF level, quality assurance, ESCO and others."""
        fields: dict[str, Any] = {"eqf_level": None, "quality_assurance": [], "esco": [], "alignments": []}
        for item in source.children("alignment"):
            item.only("type", "Alignment")
            kind, url = item.text("targetType"), item.needed_text("targetUrl")
            if kind == EQF_TARGET_TYPE:
                self._take_level(item, fields)
            elif kind == QUALITY_TARGET_TYPE:
                fields["quality_assurance"].append(self._quality(item, url))
            elif is_esco(url):
                fields["esco"].append(EscoAlignment(uri=url, name=item.needed_text("targetName")))
            else:
                fields["alignments"].append(_alignment(item, kind, url))
        return fields

    def _take_level(self, item: Reader, fields: dict[str, Any]) -> None:
        level = eqf_level(item.take("targetCode"), item.at("targetCode"))
        if fields["eqf_level"] not in (None, level):
            raise NotAnOpenBadgeProblem("Two different EQF levels are stated", pointer=item.pointer)
        fields["eqf_level"] = level
        if item.value["targetUrl"] != eqf_uri(level):
            item.leave("targetUrl")
        item.only("targetName", f"EQF level {level}")
        item.only("targetFramework", "EQF")

    def _quality(self, item: Reader, url: str) -> QualityAssurance:
        self._doubt(item.pointer, "Which kind of quality assurance is not said; read as that of the programme")
        return QualityAssurance(
            type=QualityAssuranceType.PROGRAMME_QUALITY,
            name=item.needed_text("targetName"),
            description=item.text("targetDescription"),
            code=item.text_or_number("targetCode"),
            url=url,
        )

    def _award(self, subject: Reader, achievement: Achievement) -> Award:
        root = self._root
        old = Identifier(identifier=root.needed_text("id"), type="identifier")
        fields = {
            "learner": self._learner(subject),
            "achievement": AchievementUri(achievement.uri),
            "awarded_at": self._moment("awardedDate"),
            "valid_from": self._moment("validFrom"),
            "valid_until": self._moment("validUntil"),
            "activity_start": self._day(subject, "activityStartDate"),
            "activity_end": self._day(subject, "activityEndDate"),
            "ects_hundredths": self._earned(subject),
            "narrative": subject.text("narrative"),
            "other_identifiers": [old],
        }
        described = (achievement.grading_scheme, *achievement.further_grading_schemes)
        results = results_of(subject, [scheme for scheme in described if scheme is not None], self._doubt)
        return converted(fields | results, Award, pointer="", refusal=NotAnOpenBadgeProblem)

    def _moment(self, name: str) -> str | None:
        """Take a time as it is written, or a day."""
        if self._root.value.get(name) is None and name != "validFrom":
            return None
        try:
            return written_time(self._root.needed_text(name))
        except NotAnOpenBadgeProblem:
            raise
        except InvalidProblem as problem:
            raise NotAnOpenBadgeProblem(problem.detail, pointer=f"/{name}") from problem

    def _earned(self, subject: Reader) -> int | None:
        value = subject.take("creditsEarned")
        return None if value is None else hundredths(value, subject.at("creditsEarned"))

    def _learner(self, subject: Reader) -> Learner:
        uri, given, family = subject.text("id"), subject.text("givenName"), subject.text("familyName")
        stated = dict(self._identities(subject, is_named=bool(given or family)))
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

    def _identities(self, subject: Reader, *, is_named: bool) -> Iterator[tuple[str, str]]:
        """Take the first plain name and the first plain mail address; hashed identities say nothing here."""
        seen: set[str] = set()
        for item in subject.children("identifier"):
            kind = item.value.get("identityType")
            if kind not in {"name", "emailAddress"} or kind in seen or item.value.get("hashed") is not False:
                continue
            seen.add(kind)
            value = item.needed_text("identityHash")
            for member in ("type", "identityType", "hashed"):
                item.take(member)
            if kind == "name" and not is_named:
                self._doubt(item.pointer, "One name, not split into given and family name; kept as family name")
            yield kind, value


def _identity(subject: Reader, learner: Learner) -> Identity:
    """Return whom the subject is: all that it states but what it states of the award; hashed identities count too."""
    others = {name: value for name, value in subject.value.items() if name not in _OF_THE_AWARD | _READ_AS_LEARNER}
    stated = [item.value for item in subject.children("identifier")]
    read = {learner.full_name, learner.email}
    others["identifier"] = [
        item for item in stated if item.get("hashed") is not False or item.get("identityHash") not in read
    ]
    is_numbered = any(str(item.get("identityType")) in _OF_ONE_PERSON for item in stated)
    return identity_of(learner, {name: value for name, value in others.items() if value}, is_numbered=is_numbered)


def _is_known_context(address: str) -> bool:
    return address.startswith(OPEN_BADGES_CONTEXT_PREFIX) or address.endswith(CONTEXT_ENDING)


def _image(source: Reader) -> str | None:
    if isinstance(source.value.get("image"), str):
        return source.text("image")
    image = source.child("image")
    if image is None:
        return None
    image.only("type", "Image")
    return image.text("id")


def _programme(source: Reader) -> list[Identifier]:
    programme = source.text_or_number("educationProgramIdentifier")
    return [Identifier(identifier=programme, type="ext:educationProgramIdentifier")] if programme else []


def _identifiers(source: Reader) -> list[Identifier]:
    found: list[Identifier] = []
    for item in source.children("otherIdentifier"):
        kind = item.value.get("identifierType")
        if isinstance(kind, str) and (kind in IDENTIFIER_TYPES.split("|") or kind.startswith("ext:")):
            item.take("type")
            item.take("identifierType")
            found.append(Identifier(identifier=item.needed_text("identifier"), type=kind))
    return found


def _alignment(item: Reader, kind: str | None, url: str) -> Alignment:
    return Alignment(
        name=item.needed_text("targetName"),
        url=url,
        code=item.text_or_number("targetCode"),
        description=item.text("targetDescription"),
        framework=item.text("targetFramework"),
        type=kind,
    )
