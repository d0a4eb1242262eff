"""Achievement and award with every EU standard element, and what is missing of them. Knows no document and no log.

The elements are those of the Council Recommendation of 16 June 2022 on a European approach to micro-credentials
(2022/C 243/02), Annex I. These records are what institutions send; `proto.documents.open_badge` makes documents of
them.
"""

from datetime import UTC, date, tzinfo
from typing import Annotated

from msgspec import Meta
from msgspec.structs import force_setattr

from proto import days
from proto.canonical import canonical_json
from proto.documents.fields import (
    WORKLOAD_HOURS_MAX,
    AlignmentType,
    AnyUri,
    AwardedField,
    CodeText,
    DateField,
    DayOrTimeField,
    EmailField,
    EscoField,
    IdentifierText,
    IdentifierType,
    IscedField,
    Language,
    LearnerRef,
    LongText,
    OnRepeatField,
    PrerequisiteDocuments,
    PrerequisiteIds,
    ResultStatus,
    ResultType,
    ShortText,
    Text,
    Title,
)
from proto.documents.provision import Entitlement, Evidence, LearningResource, Provider
from proto.documents.vocabulary import (
    AssessmentType,
    Cycle,
    ParticipationMode,
    ProviderType,
    QualityAssuranceType,
    Stackability,
    Supervision,
)
from proto.event_fields import AchievementField, CountryField, DidField, EctsField, EqfField, NameField, UriField
from proto.events import Record
from proto.moment import Moment, in_seconds
from proto.prerequisites import EntryRequirements
from proto.problem import InvalidProblem
from proto.stacking import Recipe

_PERSONAL = frozenset({"date_of_birth"})
"""What messages name and never quote."""


class Identifier(Record, frozen=True, kw_only=True):
    """Another name that the same thing has elsewhere (OB 3.0 IdentifierEntry)."""

    identifier: IdentifierText
    type: IdentifierType


class LearningOutcome(Record, frozen=True, kw_only=True):
    """What a learner knows, understands and is able to do (element 6), with the ESCO skills it stands for."""

    title: Text
    esco_skills: Annotated[tuple[EscoField, ...], Meta(max_length=32)] = ()

    def __post_init__(self) -> None:
        check_languages(self.title)


class NationalLevel(Record, frozen=True, kw_only=True):
    """A level of a national qualifications framework; not to be taken for an EQF level."""

    framework: ShortText
    level: CodeText
    url: UriField | None = None


class QualityAssurance(Record, frozen=True, kw_only=True):
    """What assures the quality, by whom, and where that can be read (element 11)."""

    type: QualityAssuranceType
    name: ShortText
    description: LongText | None = None
    code: CodeText | None = None
    url: UriField | None = None


class EscoAlignment(Record, frozen=True, kw_only=True):
    """A skill or occupation of ESCO that the achievement as a whole stands for."""

    uri: EscoField
    name: ShortText


class Alignment(Record, frozen=True, kw_only=True):
    """A node of another framework (OB 3.0 Alignment)."""

    name: ShortText
    url: AnyUri
    code: CodeText | None = None
    description: LongText | None = None
    framework: ShortText | None = None
    type: AlignmentType | None = None


class GradingScheme(Record, frozen=True, kw_only=True):
    """How results are expressed (OB 3.0 ResultDescription); all values are texts, as grades are."""

    name: ShortText
    type: ResultType = "Result"
    uri: AnyUri | None = None
    value_min: CodeText | None = None
    value_max: CodeText | None = None
    required_value: CodeText | None = None
    allowed_values: Annotated[tuple[CodeText, ...], Meta(max_length=64)] = ()


class Achievement(Record, frozen=True, kw_only=True):
    """What can be achieved: described once, awarded many times.

    `ects_hundredths` (350 is 3.5 ECTS; 0 says that none are stated) and `workload_hours` are different things. No award
    states more credits, unless `ects_hundredths_max` says how many at most.
    """

    uri: AchievementField
    version: CodeText = "1"
    title: Title
    description: Text
    criteria: Text
    criteria_url: UriField | None = None
    language: Annotated[Language, Meta(description="The language it is taught and assessed in")]
    learning_outcomes: Annotated[tuple[LearningOutcome, ...], Meta(max_length=64)] = ()
    ects_hundredths: EctsField
    ects_hundredths_max: Annotated[
        EctsField, Meta(description="The most credits that an award of it may state, where more than its own")
    ] | (None) = None
    workload_hours: Annotated[int, Meta(ge=1, le=WORKLOAD_HOURS_MAX)] | None = None
    eqf_level: EqfField | None = None
    cycle: Cycle | None = None
    national_level: NationalLevel | None = None
    assessment_types: Annotated[tuple[AssessmentType, ...], Meta(max_length=8)] = ()
    participation_modes: Annotated[tuple[ParticipationMode, ...], Meta(max_length=8)] = ()
    quality_assurance: Annotated[tuple[QualityAssurance, ...], Meta(max_length=16)] = ()
    prerequisites: Text | None = None
    entry_requirements: Annotated[
        EntryRequirements, Meta(description="What must be held, valid, before it is awarded; enforced")
    ] | (None) = None
    supervision: Supervision | None = None
    grading_scheme: GradingScheme | None = None
    further_grading_schemes: Annotated[
        tuple[GradingScheme, ...], Meta(max_length=16, description="Of results that name them")
    ] = ()
    stackability: Stackability | None = None
    recipe: Recipe | None = None
    isced_f: Annotated[tuple[IscedField, ...], Meta(max_length=8)] = ()
    esco: Annotated[tuple[EscoAlignment, ...], Meta(max_length=32)] = ()
    alignments: Annotated[tuple[Alignment, ...], Meta(max_length=64)] = ()
    tags: Annotated[tuple[CodeText, ...], Meta(max_length=32)] = ()
    image: AnyUri | None = None
    learning_resources: Annotated[tuple[LearningResource, ...], Meta(max_length=32)] = ()
    entitlements: Annotated[
        tuple[Entitlement, ...], Meta(max_length=16, description="What it entitles a successful learner to")
    ] = ()
    providers: Annotated[
        tuple[Provider, ...], Meta(max_length=16, description="Who provides it, where others than who awards it do")
    ] = ()
    provider_type: ProviderType | None = None
    further_information: Text | None = None
    other_identifiers: Annotated[tuple[Identifier, ...], Meta(max_length=16)] = ()
    takes_requests: Annotated[bool, Meta(description="Learners may ask for it on its public page")] = False

    def __post_init__(self) -> None:
        for texts in (self.title, self.description, self.criteria, self.prerequisites, self.further_information):
            check_languages(texts)
        for texts in (item.title for each in (self.learning_resources, self.entitlements) for item in each):
            check_languages(texts)
        if self.ects_hundredths_max is not None and self.ects_hundredths_max < self.ects_hundredths:
            raise ValueError("ects_hundredths_max is the most that an award may state: not less than ects_hundredths")
        if self.entry_requirements is not None and self.uri in self.entry_requirements.named:
            raise ValueError("An achievement that requires itself could never be awarded")

    def text_in(self, texts: dict[str, str]) -> str:
        """Return the text in the achievement's own language, else in English, else the first that there is."""
        by_tag = {tag.lower(): text for tag, text in texts.items()}
        wanted = self.language.lower()
        for tag in (wanted, wanted.partition("-")[0], "en"):
            if tag in by_tag:
                return by_tag[tag]
        return next(iter(texts.values()))


class Learner(Record, frozen=True, kw_only=True):
    """Who learned. `ref` is the institution's own opaque name for the learner and never leaves the gateway.

    At least one of name, mail address and `uri` (a DID or URL of the learner) identifies the learner in the document.
    """

    ref: LearnerRef
    given_name: ShortText | None = None
    family_name: ShortText | None = None
    date_of_birth: DateField | None = None
    email: EmailField | None = None
    uri: AnyUri | None = None

    def __post_init__(self) -> None:
        if not (self.given_name or self.family_name or self.email or self.uri):
            raise ValueError("A learner needs a name, a mail address or a URI: the document must say whose it is")
        _check_day("date_of_birth", self.date_of_birth)

    @property
    def full_name(self) -> str:
        """Given and family name as one text; empty where neither is known."""
        return " ".join(name for name in (self.given_name, self.family_name) if name)


class Result(Record, frozen=True, kw_only=True):
    """What came out: the value as the grading scheme writes it (`8.5`, `A`), and how far it is final.

    `scheme` is the name or URI of the grading scheme that it belongs to; without it, it is the achievement's
    `grading_scheme`. A value that is sent as a number is kept as the text of that number.
    """

    value: CodeText | int | float | None = None
    status: ResultStatus | None = None
    scheme: Annotated[str, Meta(min_length=1, max_length=500)] | None = None

    def __post_init__(self) -> None:
        if self.value is None and self.status is None:
            raise ValueError("A result states a value, a status, or both")
        if isinstance(self.value, int | float):
            force_setattr(self, "value", canonical_json(self.value).decode())

    @property
    def text(self) -> str | None:
        """The value as a text."""
        return None if self.value is None else str(self.value)


class Award(Record, frozen=True, kw_only=True):
    """One achievement awarded to one learner.

    Times carry their offset, and a time in `valid_until` is the first that is no longer valid. A day is one in the
    institution's time zone: valid from its beginning, valid until its end.

    `achievement` is the achievement's URI, or the short id under which its institution described it: the gateway
    replaces that by the URI before it makes a document.
    """

    learner: Learner
    achievement: AwardedField
    awarded_at: DayOrTimeField | None = None
    valid_from: DayOrTimeField
    valid_until: DayOrTimeField | None = None
    activity_start: DateField | None = None
    activity_end: DateField | None = None
    ects_hundredths: Annotated[EctsField, Meta(description="Credits earned, where other than the achievement's")] | (
        None
    ) = None
    result: Result | None = None
    further_results: Annotated[tuple[Result, ...], Meta(max_length=16)] = ()
    narrative: LongText | None = None
    evidence: Annotated[tuple[Evidence, ...], Meta(max_length=16)] = ()
    other_identifiers: Annotated[tuple[Identifier, ...], Meta(max_length=8)] = ()
    prerequisites: PrerequisiteIds = ()
    prerequisite_documents: PrerequisiteDocuments = ()
    on_repeat: OnRepeatField | None = None

    def __post_init__(self) -> None:
        for name in ("awarded_at", "valid_from", "valid_until"):
            _check_written(name, getattr(self, name))
        for name in ("activity_start", "activity_end"):
            _check_day(name, getattr(self, name))
        if self.valid_until is not None and days.is_day(self.valid_until) == days.is_day(self.valid_from):
            self.check_period(UTC)
        if self.activity_start and self.activity_end and self.activity_end < self.activity_start:
            raise ValueError("activity_end lies before activity_start: correct one of them")

    @property
    def begins_at(self) -> Moment:
        """`valid_from` as events and documents write it; a day is one in UTC."""
        return self.begins_in(UTC)

    @property
    def ends_at(self) -> Moment | None:
        """The first moment that is no longer valid, where there is one; a day is one in UTC."""
        return self.ends_in(UTC)

    def begins_in(self, zone: tzinfo) -> Moment:
        """Return `valid_from` as events and documents write it, to the second; a day begins in `zone`."""
        return in_seconds(days.begin(self.valid_from, zone))

    def ends_in(self, zone: tzinfo) -> Moment | None:
        """Return the first moment that is no longer valid, where there is one; a day ends in `zone`."""
        return None if self.valid_until is None else in_seconds(days.end(self.valid_until, zone))

    def awarded_in(self, zone: tzinfo) -> Moment | None:
        """Return `awarded_at` as documents write it, to the second, where there is one; a day begins in `zone`."""
        return None if self.awarded_at is None else in_seconds(days.begin(self.awarded_at, zone))

    def check_period(self, zone: tzinfo) -> None:
        """Raise `ValueError` where it ends before it begins; a day and a time are compared in `zone`."""
        ends_at = self.ends_in(zone)
        if ends_at is not None and ends_at <= self.begins_in(zone):
            raise ValueError(
                "valid_until must lie after valid_from: a time is the first moment that is no longer valid, a day the "
                "last day that is"
            )

    def earned_hundredths(self, achievement: Achievement) -> int:
        """Return the credits of this award in hundredths: its own where it states them, else the achievement's."""
        return achievement.ects_hundredths if self.ects_hundredths is None else self.ects_hundredths


class IssuerProfile(Record, frozen=True, kw_only=True):
    """The institution that awards and issues, as its documents name it (elements 3 and 4)."""

    did: DidField
    legal_name: NameField
    country: CountryField
    region: ShortText | None = None
    locality: ShortText | None = None
    url: UriField | None = None
    email: EmailField | None = None
    other_identifiers: Annotated[tuple[Identifier, ...], Meta(max_length=16)] = ()


def _check_written(name: str, text: str | None) -> None:
    """Raise `ValueError`, which decoding reports, for a day or a time that does not exist."""
    try:
        if text is not None:
            days.end(text, UTC)
    except InvalidProblem as error:
        said = f"There is no day {text}: a day is written 2026-11-23" if days.is_day(text or "") else error.detail
        raise ValueError(f"{name}: {said}") from error


def _check_day(name: str, text: str | None) -> None:
    try:
        if text is not None:
            date.fromisoformat(text)
    except ValueError as error:
        which = "such day" if name in _PERSONAL else f"day {text}"
        raise ValueError(f"{name}: There is no {which}: a day is written 2026-11-23") from error


def check_languages(texts: dict[str, str] | None) -> None:
    """Raise `ValueError` if two keys are one language: tags are compared without regard to case (RFC 5646 2.1.1)."""
    if texts is not None and len({tag.lower() for tag in texts}) != len(texts):
        raise ValueError("Two texts stand under one language: tags are the same whatever their case")
