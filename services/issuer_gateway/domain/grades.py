"""What an office has said of grades, held against those of a document: which of them decide at once. Pure."""

from collections.abc import Sequence

from proto.wire.grade_conditions import GradeJudged
from proto.wire.institutions import GradeCondition


def good_grades(condition: GradeCondition) -> tuple[str, ...]:
    """Return the grades that will do, the best first."""
    return condition.grades[: condition.grades.index(condition.least) + 1]


def judged(condition: GradeCondition | None, grades: Sequence[str]) -> GradeJudged:
    """Return what becomes of a document with these grades; without a condition every grade will do.

    One that the office has not put in order, it has to look at, and so of none and of several.
    """
    if condition is None:
        return "good"
    if len(grades) != 1:
        return "several" if grades else "none"
    if grades[0] not in condition.grades:
        return "not-listed"
    return "good" if grades[0] in good_grades(condition) else "below"
