"""Results of an Open Badge and their descriptions: a result belongs to the description that it names, in any order."""

from collections.abc import Sequence
from typing import Any

from proto.documents.credential import GradingScheme, Result
from proto.documents.fields import AnyUri, CodeText, ResultStatus, ResultType
from proto.documents.open_badge_claims import NotAnOpenBadgeProblem
from proto.imports.imported import converted
from proto.imports.json_reader import Reader
from proto.imports.ornaments import Ornaments, ascii_address, fits

_NAME_MAX, _VALUE_MAX = 300, 100
_SCHEMES_MAX, _RESULTS_MAX, _VALUES_MAX = 16, 17, 64


def schemes_of(read: Ornaments, achievement: Reader, subject: Reader) -> dict[str, Any]:
    """Take every description of results, as fields of an achievement.

    One alone is that of results which name none, unless a result names another; of several none is.
    """
    found = read.all(achievement.objects("resultDescription"), lambda item: _scheme(read, item), _SCHEMES_MAX)
    uris = [scheme.uri for scheme in found]
    if len(found) > 1 and (None in uris or len(set(uris)) != len(uris)):
        raise NotAnOpenBadgeProblem(
            "Of several result descriptions each has an id of its own", pointer=achievement.at("resultDescription")
        )
    named = [item.value.get("resultDescription") for item in subject.objects("result")]
    if len(found) == 1 and all(each is None or ascii_address(str(each)) in uris for each in named):
        return {"grading_scheme": found[0]}
    return {"further_grading_schemes": found}


def results_of(read: Ornaments, subject: Reader, schemes: Sequence[GradingScheme]) -> dict[str, Any]:
    """Take every result that has a value or a status, as fields of an award."""
    found = read.all(subject.objects("result"), lambda item: _result(read, item, schemes), _RESULTS_MAX)
    return {"result": found[0] if found else None, "further_results": found[1:]}


def _scheme(read: Ornaments, item: Reader) -> GradingScheme:
    item.only("type", "ResultDescription")
    kind = item.value.get("resultType")
    if kind is None or not fits(kind, ResultType):
        read.doubt(item.at("resultType"), "It is no type of results that Open Badges has; read as Result")
        kind = "Result"
    else:
        item.take("resultType")
    return GradingScheme(
        name=read.short(item, "name", _NAME_MAX) or kind,
        type=kind,
        uri=read.address(item, "id", AnyUri),
        value_min=read.code(item, "valueMin"),
        value_max=read.code(item, "valueMax"),
        required_value=read.code(item, "requiredValue"),
        allowed_values=tuple(read.texts(item, "allowedValue", CodeText, _VALUES_MAX)),
    )


def _result(read: Ornaments, item: Reader, schemes: Sequence[GradingScheme]) -> Result | None:
    value, status = read.short(item, "value", _VALUE_MAX), read.field(item, "status", ResultStatus)
    if value is None and status is None:
        return None
    item.only("type", "Result")
    fields = {"value": value, "status": status, "scheme": _named(read, item, schemes)}
    return converted(fields, Result, pointer=item.pointer, refusal=NotAnOpenBadgeProblem)


def _named(read: Ornaments, item: Reader, schemes: Sequence[GradingScheme]) -> str | None:
    named = item.value.get("resultDescription")
    written = ascii_address(named) if isinstance(named, str) else ""
    if written and any(scheme.uri == written for scheme in schemes):
        item.take("resultDescription")
        return written
    if named is not None:
        read.doubt(item.at("resultDescription"), "The achievement has no result description of this id; it is left out")
    elif len(schemes) > 1:
        read.doubt(item.pointer, "The result names none of the achievement's result descriptions; it belongs to none")
    elif schemes:
        read.doubt(item.pointer, "The result names no result description; the only one is taken as its own")
    return None
