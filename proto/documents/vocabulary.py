"""EU controlled vocabularies pinned by URI, and the forms of codes. Fetches nothing and knows no credential.

The lists are those that the European Learning Model v3 uses (Publications Office, `http://data.europa.eu/snb/`); only
well-formedness is checked for codes whose registers change (BCP 47, ISO 3166-1, ISCED-F, ESCO).
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

_SNB = "http://data.europa.eu/snb/"
ECTS_FRAMEWORK = _SNB + "education-credit/6fcec5c5af"
EQF_LEVEL_MIN, EQF_LEVEL_MAX = 1, 8

# Patterns end in \Z, the end of the text (OpenAPI writes it as $): Python's $ also matches before a final line feed.
# BCP 47 (RFC 5646 section 2.1) without private use and grandfathered tags; in the casing that section 2.1.1 recommends,
# region and script may also be written otherwise.
LANGUAGE_PATTERN = (
    r"^[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3})){0,2}\Z"
)
COUNTRY_PATTERN = r"^[A-Z]{2}\Z"
# ISCED-F 2013: broad (2 digits), narrow (3), detailed field (4).
ISCED_F_PATTERN = r"^(0[0-9]|10|99)[0-9]{0,2}\Z"
ESCO_PATTERN = (
    r"^http://data\.europa\.eu/esco/(skill|occupation)/"
    r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[A-Z]?[0-9.]{1,12})\Z"
)
_EQF_URI = re.compile(rf"^{re.escape(_SNB)}eqf/([1-8])\Z")
_LANGUAGE = re.compile(LANGUAGE_PATTERN)
_COUNTRY = re.compile(COUNTRY_PATTERN)
_ISCED_F = re.compile(ISCED_F_PATTERN)
_ESCO = re.compile(ESCO_PATTERN)
# ISO 3166-1: codes left to users, which name no country.
_USER_ASSIGNED = re.compile(r"^(AA|Q[M-Z]|X[A-Z]|ZZ)$")


class Concept(NamedTuple):
    """One concept of a controlled vocabulary: its URI (empty where the list names none) and an English label."""

    uri: str
    label: str


class AssessmentType(StrEnum):
    """How it was assessed (Annex I, element 9; vocabulary `assessment`)."""

    WRITTEN_EXAM = "written-exam"
    ORAL_EXAM = "oral-exam"
    MARKED_ASSIGNMENT = "marked-assignment"
    CONTINUOUS = "continuous"
    PORTFOLIO = "portfolio"
    GROUP_PERFORMANCE = "group-performance"
    PRACTICAL = "practical"
    PROJECT_WORK = "project-work"
    QUIZ = "quiz"
    PROBLEM_BASED = "problem-based"
    ARTEFACT = "artefact"
    ATTENDANCE = "attendance"
    PEER_REVIEW = "peer-review"
    PEER_ASSESSMENT = "peer-assessment"
    PRIOR_LEARNING = "recognition-of-prior-learning"


class ParticipationMode(StrEnum):
    """How one took part (Annex I, element 10; vocabulary `learning-assessment`, which lists modes of learning)."""

    PRESENTIAL = "presential"
    ONLINE = "online"
    BLENDED = "blended"
    WORK_BASED = "work-based"
    PROJECT_BASED = "project-based"
    RESEARCH_LAB = "research-lab"
    VOLUNTEERING = "volunteering"
    PERSONALISED = "personalised"


class QualityAssuranceType(StrEnum):
    """What assures the quality (Annex I, element 11; vocabulary `accreditation`)."""

    PROGRAMME_QUALITY = "programme-quality-assurance"
    INSTITUTIONAL_QUALITY = "institutional-quality-assurance"
    INSTITUTIONAL_LICENCE = "institutional-licence"
    PROGRAMME_LICENCE = "programme-licence"


class Supervision(StrEnum):
    """Supervision and identity check during assessment (Annex I, optional; vocabulary `supervision-verification`)."""

    UNSUPERVISED = "unsupervised-without-identity-check"
    UNSUPERVISED_CHECKED = "unsupervised-with-identity-check"
    SUPERVISED = "supervised-without-identity-check"
    SUPERVISED_ONLINE_CHECKED = "supervised-online-with-identity-check"
    SUPERVISED_ONSITE_CHECKED = "supervised-onsite-with-identity-check"


class Cycle(StrEnum):
    """Cycle of the Qualifications Framework of the European Higher Education Area (QF-EHEA)."""

    SHORT = "short-cycle"
    FIRST = "first-cycle"
    SECOND = "second-cycle"
    THIRD = "third-cycle"


class Stackability(StrEnum):
    """Integration and stackability options (Annex I, optional); the EU lists words for it and no URIs."""

    STAND_ALONE = "stand-alone"
    STACKABLE = "stackable"


class ProviderType(StrEnum):
    """Kinds of providers, as the Council Recommendation 2022/C 243/02 counts them; the EU lists no URIs for them."""

    HIGHER_EDUCATION = "higher-education"
    VOCATIONAL = "vocational-education-and-training"
    OTHER_EDUCATION = "other-education-and-training"
    SOCIAL_PARTNER = "social-partner"
    EMPLOYER = "employer"
    CIVIL_SOCIETY = "civil-society"
    EMPLOYMENT_SERVICE = "public-employment-service"
    AUTHORITY = "public-authority"
    OTHER = "other"


CONCEPTS: Mapping[AssessmentType | ParticipationMode | QualityAssuranceType | Supervision, Concept] = MappingProxyType(
    {
        AssessmentType.WRITTEN_EXAM: Concept(_SNB + "assessment/6e6cb2cc78", "Written examination"),
        AssessmentType.ORAL_EXAM: Concept(_SNB + "assessment/d30284d7df", "Oral examination"),
        AssessmentType.MARKED_ASSIGNMENT: Concept(_SNB + "assessment/2939dae15f", "Marked assignment"),
        AssessmentType.CONTINUOUS: Concept(_SNB + "assessment/3484bd7e51", "Continuous evaluation"),
        AssessmentType.PORTFOLIO: Concept(_SNB + "assessment/4f03b91c0e", "Portfolio"),
        AssessmentType.GROUP_PERFORMANCE: Concept(_SNB + "assessment/56539a6507", "Group performance"),
        AssessmentType.PRACTICAL: Concept(_SNB + "assessment/6a4db9f11d", "Practical assessment"),
        AssessmentType.PROJECT_WORK: Concept(_SNB + "assessment/795dac4096", "Project work"),
        AssessmentType.QUIZ: Concept(_SNB + "assessment/b1b68f6735", "Quiz"),
        AssessmentType.PROBLEM_BASED: Concept(_SNB + "assessment/c4256a2726", "Problem-based assessment"),
        AssessmentType.ARTEFACT: Concept(_SNB + "assessment/de4d165a6c", "Artefact"),
        AssessmentType.ATTENDANCE: Concept(_SNB + "assessment/7331eb4762", "Attendance"),
        AssessmentType.PEER_REVIEW: Concept(_SNB + "assessment/812e3b0ae1", "Peer review"),
        AssessmentType.PEER_ASSESSMENT: Concept(_SNB + "assessment/19a2e5e671", "Peer assessment"),
        AssessmentType.PRIOR_LEARNING: Concept("", "Recognition of prior learning"),
        ParticipationMode.PRESENTIAL: Concept(_SNB + "learning-assessment/9191af2ed9", "Presential"),
        ParticipationMode.ONLINE: Concept(_SNB + "learning-assessment/920fbb3cbe", "Online"),
        ParticipationMode.BLENDED: Concept(_SNB + "learning-assessment/e92d221e4d", "Blended"),
        ParticipationMode.WORK_BASED: Concept(_SNB + "learning-assessment/729f3bed4b", "Work based"),
        ParticipationMode.PROJECT_BASED: Concept(_SNB + "learning-assessment/7813801c77", "Project based"),
        ParticipationMode.RESEARCH_LAB: Concept(
            _SNB + "learning-assessment/ed4c557045", "Research or laboratory based"
        ),
        ParticipationMode.VOLUNTEERING: Concept("", "Volunteering"),
        ParticipationMode.PERSONALISED: Concept("", "Personalised learning activities"),
        QualityAssuranceType.PROGRAMME_QUALITY: Concept(
            _SNB + "accreditation/820101cba6", "Programme quality assurance"
        ),
        QualityAssuranceType.INSTITUTIONAL_QUALITY: Concept(
            _SNB + "accreditation/bb4618238e", "Institutional quality assurance"
        ),
        QualityAssuranceType.INSTITUTIONAL_LICENCE: Concept(_SNB + "accreditation/003293d2ce", "Institutional licence"),
        QualityAssuranceType.PROGRAMME_LICENCE: Concept(_SNB + "accreditation/e57dddfcf3", "Programme licence"),
        Supervision.UNSUPERVISED: Concept(
            _SNB + "supervision-verification/c598449d64", "Unsupervised without identity verification"
        ),
        Supervision.UNSUPERVISED_CHECKED: Concept(
            _SNB + "supervision-verification/df2880c5cb", "Unsupervised with identity verification"
        ),
        Supervision.SUPERVISED: Concept("", "Supervised without identity verification"),
        Supervision.SUPERVISED_ONLINE_CHECKED: Concept(
            _SNB + "supervision-verification/70be69aaf9", "Supervised online with identity verification"
        ),
        Supervision.SUPERVISED_ONSITE_CHECKED: Concept(
            _SNB + "supervision-verification/70be69aaf9", "Supervised on site with identity verification"
        ),
    }
)

RESULT_STATUS_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "Completed": "completed",
        "Enrolled": "enrolled",
        "Failed": "failed",
        "InProgress": "in progress",
        "OnHold": "on hold",
        "Provisional": "provisional",
        "Withdrew": "left before the end",
    }
)
"""What people call a result's status (Open Badges 3.0, ResultStatusType)."""


def eqf_uri(level: int) -> str:
    """Return the URI of an EQF level from 1 to 8; raises `ValueError` for another number."""
    if not EQF_LEVEL_MIN <= level <= EQF_LEVEL_MAX:
        raise ValueError(f"The EQF has levels {EQF_LEVEL_MIN} to {EQF_LEVEL_MAX}, not {level}")
    return f"{_SNB}eqf/{level}"


def eqf_level_of(uri: str) -> int | None:
    """Return the level that an EQF URI names, or None if it is no such URI."""
    match = _EQF_URI.match(uri)
    return int(match[1]) if match else None


def isced_f_uri(code: str) -> str:
    """Return the URI of an ISCED-F field of education; raises `ValueError` unless the code has the form of one."""
    if not is_isced_f(code):
        raise ValueError(f"{code[:20]!r} is not an ISCED-F code of two to four digits")
    return f"{_SNB}isced-f/{code}"


def is_language(tag: str) -> bool:
    """Tell whether a text has the form of a BCP 47 language tag; the register is not asked."""
    return bool(_LANGUAGE.match(tag))


def is_country(code: str) -> bool:
    """Tell whether a text has the form of an ISO 3166-1 alpha-2 code, user-assigned ones such as XX included."""
    return bool(_COUNTRY.match(code))


def is_user_assigned_country(code: str) -> bool:
    """Tell whether a country code is one that ISO 3166-1 leaves to its users, and so names no country."""
    return bool(_USER_ASSIGNED.match(code))


def is_isced_f(code: str) -> bool:
    """Tell whether a text has the form of an ISCED-F 2013 code: two, three or four digits."""
    return bool(_ISCED_F.match(code))


def is_esco(uri: str) -> bool:
    """Tell whether a text has the form of the URI of an ESCO skill, skill group or occupation."""
    return bool(_ESCO.match(uri))
