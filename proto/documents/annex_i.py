"""Which of the EU standard elements an achievement and its award state. Judges completeness, never truth.

Council Recommendation of 16 June 2022 (2022/C 243/02), Annex I: eleven mandatory elements, and five for where relevant.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

from proto.documents.credential import Achievement, Award, IssuerProfile
from proto.documents.vocabulary import CONCEPTS, Stackability, is_user_assigned_country
from proto.events import Record
from proto.number_words import number_of
from proto.stacking import ects_text

State = Literal["present", "missing", "doubtful"]
Within = Literal["achievement", "award", "institution"]
AnnexGate = Literal["off", "warn", "refuse-missing", "refuse-doubtful"]
_GATES: tuple[AnnexGate, ...] = ("off", "warn", "refuse-missing", "refuse-doubtful")
_PLACES: Mapping[int, tuple[Within, str]] = {
    1: ("award", "/learner"),
    2: ("achievement", "/title"),
    3: ("institution", "/country"),
    4: ("institution", "/legal_name"),
    5: ("award", "/valid_from"),
    6: ("achievement", "/learning_outcomes"),
    7: ("achievement", "/ects_hundredths"),
    8: ("achievement", "/eqf_level"),
    9: ("achievement", "/assessment_types"),
    10: ("achievement", "/participation_modes"),
    11: ("achievement", "/quality_assurance"),
    12: ("achievement", "/prerequisites"),
    13: ("achievement", "/supervision"),
    14: ("award", "/result"),
    15: ("achievement", "/stackability"),
    16: ("achievement", "/further_information"),
}
"""Where an element is stated: in which record, and the JSON pointer in it."""
# ECTS Users' Guide 2015: one credit corresponds to 25 to 30 hours of work.
HOURS_PER_CREDIT_MIN, HOURS_PER_CREDIT_MAX = 25, 30
_HUNDRED = 100
_STACKABILITY = 15


class Element(Record, frozen=True, kw_only=True):
    """One element of Annex I: `number` counts from 1 as the Annex does, optional elements from 12 on.

    `within` names the record in which it is stated, and `pointer` is the JSON pointer to where.
    """

    number: int
    element: str
    is_mandatory: bool
    state: State
    detail: str
    within: Within
    pointer: str


class AnnexReport(Record, frozen=True, kw_only=True):
    """All sixteen elements; complete if no mandatory one is missing."""

    elements: tuple[Element, ...]
    is_complete: bool


def annex_i(
    achievement: Achievement, *, issuer: IssuerProfile | None = None, award: Award | None = None
) -> AnnexReport:
    """Return for each element of Annex I whether it is present, missing or doubtful, with a sentence that says why.

    Without `issuer` or `award` the elements that only they can state (learner, country, awarding body, date) count as
    missing.
    """
    elements = (*_mandatory(achievement, issuer, award), *_optional(achievement, award))
    missing = any(element.is_mandatory and element.state == "missing" for element in elements)
    return AnnexReport(elements=elements, is_complete=not missing)


def strictest(*gates: AnnexGate) -> AnnexGate:
    """Return the gate that lets the least pass."""
    return max(gates, key=_GATES.index)


def failing(report: AnnexReport, gate: AnnexGate) -> tuple[Element, ...]:
    """Return the mandatory elements that a gate does not let pass, or warns of."""
    states = {"off": (), "refuse-missing": ("missing",)}.get(gate, ("missing", "doubtful"))
    return tuple(item for item in report.elements if item.is_mandatory and item.state in states)


def _mandatory(achievement: Achievement, issuer: IssuerProfile | None, award: Award | None) -> Iterator[Element]:
    judged: list[tuple[str, tuple[State, str]]] = [
        ("Identification of the learner", _learner(award)),
        ("Title of the micro-credential", ("present", achievement.text_in(achievement.title))),
        ("Country or region of the issuer", _country(issuer)),
        ("Awarding body", ("present", issuer.legal_name) if issuer else ("missing", "No issuer is named")),
        ("Date of issuing", ("present", award.valid_from) if award else ("missing", "Nothing has been awarded yet")),
        ("Learning outcomes", _learning_outcomes(achievement)),
        ("Notional workload", _workload(achievement, award)),
        ("Level and cycle", _level(achievement)),
        ("Type of assessment", _listed(achievement.assessment_types, "assessment")),
        ("Form of participation", _participation(achievement)),
        ("Type of quality assurance", _quality(achievement)),
    ]
    for number, (element, (state, detail)) in enumerate(judged, start=1):
        yield _element(number, element, state, detail, is_mandatory=True)


def _optional(achievement: Achievement, award: Award | None) -> Iterator[Element]:
    supervision = CONCEPTS[achievement.supervision].label if achievement.supervision else ""
    grade = _grade(award) if award else ""
    judged = [
        ("Prerequisites to enrol", _prerequisites(achievement)),
        ("Supervision and identity verification during assessment", supervision),
        ("Grade achieved", grade),
        ("Integration and stackability", achievement.stackability or ""),
        ("Further information", _further(achievement, award)),
    ]
    for number, (element, detail) in enumerate(judged, start=12):
        state, sentence = _stackability(achievement) if number == _STACKABILITY and detail else _stated(detail)
        yield _element(number, element, state, sentence, is_mandatory=False)


def _element(number: int, element: str, state: State, detail: str, *, is_mandatory: bool) -> Element:
    within, pointer = _PLACES[number]
    return Element(
        number=number,
        element=element,
        is_mandatory=is_mandatory,
        state=state,
        detail=detail,
        within=within,
        pointer=pointer,
    )


def _grade(award: Award) -> str:
    """Return the first value among the results, else the first status; empty where there is no result."""
    results = [*filter(None, (award.result, *award.further_results))]
    stated = [*(item.text for item in results), *(item.status for item in results)]
    return next(filter(None, stated), "")


def _prerequisites(achievement: Achievement) -> str:
    if achievement.prerequisites:
        return achievement.text_in(achievement.prerequisites)
    required = achievement.entry_requirements
    return f"{number_of(len(required.named), 'achievement')} to be held before" if required else ""


def _further(achievement: Achievement, award: Award | None) -> str:
    """Return the text, and what else is stated that the Annex has no element for; empty where nothing is."""
    texts = achievement.further_information
    counted = [
        ("learning resources", len(achievement.learning_resources)),
        ("entitlements", len(achievement.entitlements)),
        ("providers", len(achievement.providers)),
        ("pieces of evidence", len(award.evidence) if award else 0),
    ]
    kind = achievement.provider_type
    said = [
        achievement.text_in(texts) if texts else "",
        *(f"{what}: {count}" for what, count in counted if count),
        f"type of provider: {kind}" if kind else "",
    ]
    return "; ".join(filter(None, said))


def _stated(detail: str) -> tuple[State, str]:
    return ("present", detail) if detail else ("missing", "Not stated")


def _stackability(achievement: Achievement) -> tuple[State, str]:
    if achievement.recipe is not None and achievement.stackability is Stackability.STAND_ALONE:
        return "doubtful", "Called stand-alone, yet it has a recipe of parts"
    return _stated(str(achievement.stackability))


def _learner(award: Award | None) -> tuple[State, str]:
    if award is None:
        return "missing", "Nothing has been awarded yet"
    learner = award.learner
    if learner.given_name and learner.family_name:
        return "present", "Given and family name"
    if learner.full_name:
        return "present", "One name"  # which is the whole name of many people
    return "doubtful", "A mail address or a URI identifies an account, not a person: state the name"


def _country(issuer: IssuerProfile | None) -> tuple[State, str]:
    if issuer is None:
        return "missing", "No issuer is named"
    if is_user_assigned_country(issuer.country):
        return "doubtful", f"{issuer.country} is a code that names no country (ISO 3166-1)"
    return "present", issuer.country


def _learning_outcomes(achievement: Achievement) -> tuple[State, str]:
    count = len(achievement.learning_outcomes)
    if count:
        return "present", f"{count} stated"
    return "doubtful", "Only description and criteria are stated; list what the learner knows, understands and can do"


def _workload(achievement: Achievement, award: Award | None) -> tuple[State, str]:
    credits_ = award.earned_hundredths(achievement) if award else achievement.ects_hundredths
    hours = achievement.workload_hours
    if not credits_ and hours is None:
        return "missing", "Neither ECTS credits nor hours are stated"
    if not credits_:
        said = number_of(hours or 0, "hour")
        return "doubtful", f"{said}, no ECTS credits: the Annex asks for ECTS wherever possible"
    if hours is not None and not _is_plausible(achievement.ects_hundredths, hours):
        said = f"{ects_text(achievement.ects_hundredths)} ECTS and {number_of(hours, 'hour')}"
        return "doubtful", f"{said}: one credit is 25 to 30 hours"
    return "present", f"{ects_text(credits_)} ECTS"


def _is_plausible(hundredths: int, hours: int) -> bool:
    return HOURS_PER_CREDIT_MIN * hundredths <= hours * _HUNDRED <= HOURS_PER_CREDIT_MAX * hundredths


def _level(achievement: Achievement) -> tuple[State, str]:
    stated = [
        f"EQF level {achievement.eqf_level}" if achievement.eqf_level else "",
        f"QF-EHEA {achievement.cycle}" if achievement.cycle else "",
    ]
    if any(stated):
        return "present", ", ".join(filter(None, stated))
    if achievement.national_level:
        return "doubtful", "A national level, whose EQF level is not stated"
    return "doubtful", "No level is stated; the Annex asks for it if applicable"


def _listed(items: tuple[object, ...], what: str) -> tuple[State, str]:
    return ("present", ", ".join(map(str, items))) if items else ("missing", f"No type of {what} is stated")


def _participation(achievement: Achievement) -> tuple[State, str]:
    modes = achievement.participation_modes
    if len(modes) > 1:
        return "doubtful", f"{', '.join(modes)}: it is left open which of them it was"
    return ("present", modes[0]) if modes else ("missing", "No form of participation is stated")


def _quality(achievement: Achievement) -> tuple[State, str]:
    assured = achievement.quality_assurance
    if assured and not any(item.url or item.code for item in assured):
        return "doubtful", "Named without a code or address where it can be checked"
    return _listed(tuple(item.type for item in assured), "quality assurance")
