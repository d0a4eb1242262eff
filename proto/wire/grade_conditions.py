"""Bodies of what an office asks of grades before a standing decision of its own decides: listed, tried out, said."""

from typing import Annotated, Literal

from msgspec import Meta

from proto.documents.fields import ShortText
from proto.event_fields import AchievementField, DidField, UriField
from proto.events import Record
from proto.ids import AchievementUri, ApplicationId, Did
from proto.moment import Moment
from proto.wire.applications import ApplicationState
from proto.wire.content import Texts
from proto.wire.institutions import GRADES_MAX, GradeCondition

GradeJudged = Literal["good", "below", "not-listed", "none", "several"]
"""`good` decides at once; on a grade below, one that is not listed, none and several a person does."""


class ConditionPlace(Record, frozen=True, kw_only=True):
    """Of which achievement and towards which programme: of each there is one condition at most."""

    achievement_issuer: Annotated[DidField, Meta(description="The DID of who awards it")]
    achievement: Annotated[AchievementField, Meta(description="Its URI, as on the log")]
    programme: Annotated[UriField, Meta(description="Under a prefix of this institution")]


class GradeTrial(ConditionPlace, frozen=True, kw_only=True):
    """`POST /v1/grade-conditions/preview`: a condition to be tried out; without grades, what is known of the scale."""

    grades: Annotated[tuple[ShortText, ...], Meta(max_length=GRADES_MAX)] = ()
    least: ShortText | None = None

    def __post_init__(self) -> None:
        if bool(self.grades) != (self.least is not None):
            raise ValueError("State both `grades` and `least`, or neither")
        if self.least is not None:
            self.condition()

    def condition(self) -> GradeCondition | None:
        """Return the condition that it says; None where it says none. Raises `ValueError` where it contradicts itself.

        Each grade stands once, the best first, and the least is one of them.
        """
        if self.least is None:
            return None
        return GradeCondition(
            achievement_issuer=self.achievement_issuer,
            achievement=self.achievement,
            programme=self.programme,
            grades=self.grades,
            least=self.least,
        )


class GradeScale(Record, frozen=True, kw_only=True):
    """A scale of whoever awards the achievement, as the catalogue describes it, or as documents of it have said.

    `grades` are those that the description lists, the best first; else `lowest` and `highest` say between what.
    """

    source: Literal["catalogue", "documents"]
    name: str | None = None
    grades: tuple[str, ...] = ()
    lowest: str | None = None
    highest: str | None = None
    required: str | None = None


class GradeSeen(Record, frozen=True, kw_only=True):
    """How many documents came with this grade, and what becomes of such a document; null for none and for several."""

    grade: str | None
    judged: GradeJudged
    count: int


class GradeTouched(Record, frozen=True, kw_only=True):
    """A document that came, of which the condition would have made something else than what holds now does."""

    application_id: ApplicationId
    number: int
    state: ApplicationState
    created_at: Moment
    grade: str | None
    is_at_once_now: bool
    is_at_once_then: bool


class GradePreview(Record, frozen=True, kw_only=True):
    """What a condition means, and whom it would have touched, by the proven documents of this log that came.

    `at_once` are the grades of which the standing decision decides, `for_person` those below; of every other one, of
    none and of several a person decides. Only `has_standing_decision` makes a condition do anything; an agreement
    decides whatever the grade. At most the newest 200 documents are looked at (`is_all` where there are no more), and
    what became of them stays.
    """

    place: ConditionPlace
    title: Texts | None = None
    institution_name: str | None = None
    at_once: tuple[str, ...] = ()
    for_person: tuple[str, ...] = ()
    has_standing_decision: bool
    scales: tuple[GradeScale, ...] = ()
    seen: tuple[GradeSeen, ...] = ()
    at_once_count: int
    person_count: int
    touched: tuple[GradeTouched, ...] = ()
    is_all: bool


class GradeConditionAnswer(Record, frozen=True, kw_only=True):
    """A condition that holds, with the title of the achievement where the catalogue has it."""

    achievement_issuer: Did
    achievement: AchievementUri
    programme: str
    grades: tuple[str, ...]
    least: str
    title: Texts | None = None
    institution_name: str | None = None


class GradeConditionList(Record, frozen=True, kw_only=True):
    """All conditions of the institution, in the order in which they were first said."""

    grade_conditions: tuple[GradeConditionAnswer, ...]
