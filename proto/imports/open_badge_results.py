"""Results of an Open Badge and their descriptions: a result belongs to the description that it names, in any order."""

from collections.abc import Callable, Sequence
from typing import Any

from proto.documents.credential import GradingScheme, Result
from proto.documents.open_badge_claims import NotAnOpenBadgeProblem
from proto.imports.imported import converted
from proto.imports.json_reader import Reader

Doubts = Callable[[str, str], None]


def schemes_of(achievement: Reader, subject: Reader) -> dict[str, Any]:
    """Take every description of results, as fields of an achievement.

    One alone is that of results which name none, unless a result names another; of several none is.
    """
    found = [_scheme(item) for item in achievement.children("resultDescription")]
    uris = [scheme.uri for scheme in found]
    if len(found) > 1 and (None in uris or len(set(uris)) != len(uris)):
        raise NotAnOpenBadgeProblem(
            "Of several result descriptions each has an id of its own", pointer=achievement.at("resultDescription")
        )
    named = [item.value.get("resultDescription") for item in subject.children("result")]
    if len(found) == 1 and all(each is None or each in uris for each in named):
        return {"grading_scheme": found[0]}
    return {"further_grading_schemes": found}


def results_of(subject: Reader, schemes: Sequence[GradingScheme], doubt: Doubts) -> dict[str, Any]:
    """Take every result that has a value or a status, as fields of an award."""
    found = [result for item in subject.children("result") if (result := _result(item, schemes, doubt)) is not None]
    return {"result": found[0] if found else None, "further_results": found[1:]}


def _scheme(item: Reader) -> GradingScheme:
    item.only("type", "ResultDescription")
    return GradingScheme(
        name=item.needed_text("name"),
        type=item.needed_text("resultType"),
        uri=item.text("id"),
        value_min=item.text_or_number("valueMin"),
        value_max=item.text_or_number("valueMax"),
        required_value=item.text_or_number("requiredValue"),
        allowed_values=tuple(item.texts_or_numbers("allowedValue")),
    )


def _result(item: Reader, schemes: Sequence[GradingScheme], doubt: Doubts) -> Result | None:
    if item.value.get("value") in (None, "") and item.value.get("status") in (None, ""):
        return None
    item.only("type", "Result")
    fields = {
        "value": item.text_or_number("value"),
        "status": item.text("status"),
        "scheme": _named(item, schemes, doubt),
    }
    return converted(fields, Result, pointer=item.pointer, refusal=NotAnOpenBadgeProblem)


def _named(item: Reader, schemes: Sequence[GradingScheme], doubt: Doubts) -> str | None:
    named = item.value.get("resultDescription")
    if named is not None and any(scheme.uri == named for scheme in schemes):
        return item.text("resultDescription")
    if named is not None:
        doubt(item.at("resultDescription"), "The achievement has no result description of this id; it is left out")
    elif len(schemes) > 1:
        doubt(item.pointer, "The result names none of the achievement's result descriptions; it belongs to none")
    elif schemes:
        doubt(item.pointer, "The result names no result description; the only one is taken as its own")
    return None
