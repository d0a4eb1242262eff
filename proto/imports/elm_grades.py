"""Grades of a European Learning Model claim: each assessment that proves it may have one, on a scheme of its own."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from proto.documents.credential import GradingScheme, Result
from proto.documents.fields import AnyUri
from proto.imports.elm_reader import LOCAL_IDS, ElmReader, all_of, first_of
from proto.imports.json_reader import Reader, is_number

_GRADE_MAX, _NAME_MAX = 100, 300
_SCHEMES_MAX = 16
_GRADES_MAX = 17
"""One result, and sixteen further ones."""


class Graded(msgspec.Struct, frozen=True, kw_only=True):
    """What assessments gave: fields of an achievement and of an award that belong to each other."""

    achievement: dict[str, Any]
    award: dict[str, Any]


def graded(read: ElmReader, proofs: Sequence[Reader]) -> Graded:
    """Take the grades of all assessments of a claim, and on what each is graded; schemes without a grade, too."""
    assessments = [each for each in proofs if _has_grade(each)]
    for each in assessments[_GRADES_MAX:]:
        read.doubt(each.at("grade"), f"Only {_GRADES_MAX} grades can be kept; left out")
    assessments = assessments[:_GRADES_MAX]
    schemes: dict[str, GradingScheme] = {}
    results = []
    for each in assessments:
        value = _grade(read, each)
        name = _name(read, each, is_one_of_many=len(assessments) > 1)
        if name is not None:
            schemes.setdefault(name, GradingScheme(name=name, uri=_scheme_uri(read, each)))
        results.append(Result(value=value, scheme=name))
    fields = _fields("grading_scheme", "further_grading_schemes", [*schemes.values()], results)
    fields["further_grading_schemes"] = [
        *fields.get("further_grading_schemes", ()),
        *_ungraded(read, [each for each in proofs if not _has_grade(each)], schemes),
    ][:_SCHEMES_MAX]
    return Graded(
        achievement=fields,
        award={"result": results[0] if results else None, "further_results": results[1:]},
    )


def _fields(one: str, several: str, schemes: list[GradingScheme], results: list[Result]) -> dict[str, Any]:
    """Return one scheme as that of every result, several as those of results that name them."""
    if len(schemes) == 1 and all(result.scheme is not None for result in results):
        return {one: schemes[0]}
    return {several: schemes}


def _ungraded(read: ElmReader, proofs: Sequence[Reader], known: Mapping[str, GradingScheme]) -> list[GradingScheme]:
    """Take the schemes of assessments that have no grade here."""
    found: dict[str, GradingScheme] = {}
    for each in proofs:
        name = _name(read, each, is_one_of_many=False)
        if name is not None and name not in known:
            found.setdefault(name, GradingScheme(name=name, uri=_scheme_uri(read, each)))
    return list(found.values())


def _scheme_uri(read: ElmReader, assessment: Reader) -> str | None:
    """Take what names a scheme outside of the document."""
    spec = first_of(assessment, "specifiedBy")
    scheme = first_of(spec, "gradingScheme") if spec is not None else None
    if scheme is None or str(scheme.value.get("id", "")).startswith(LOCAL_IDS):
        return None
    uri: str | None = read.address(scheme, "id", AnyUri)
    return uri


def _has_grade(assessment: Reader) -> bool:
    value = assessment.value.get("grade")
    if is_number(value) or isinstance(value, str):
        return value != ""
    return any(
        is_number(each.value.get("noteLiteral")) or bool(each.value.get("noteLiteral"))
        for each in all_of(assessment, "grade")
    )


def _grade(read: ElmReader, assessment: Reader) -> str:
    """Take a grade: a note mostly, where writers save words a text or a number."""
    if not isinstance(assessment.value.get("grade"), dict | list):
        text = assessment.text_or_number("grade") or ""
    else:
        text = _note(read, assessment)
    return read.shortened(assessment, "grade", text, _GRADE_MAX)


def _note(read: ElmReader, assessment: Reader) -> str:
    for each in all_of(assessment, "grade"):
        if is_number(each.value.get("noteLiteral")):
            each.only("type", "Note")
            return each.text_or_number("noteLiteral") or ""
    return read.first(assessment, "grade", read.note(assessment, "grade")) or ""


def _name(read: ElmReader, assessment: Reader, *, is_one_of_many: bool) -> str | None:
    """Return what a grade is expressed in: its scheme's title; of several grades, with the assessment's title."""
    spec = first_of(assessment, "specifiedBy")
    scheme = first_of(spec, "gradingScheme") if spec is not None else None
    titles = [_title(read, scheme)] if scheme is not None else []
    if scheme is not None:
        scheme.only("type", "GradingScheme")
    if is_one_of_many:
        titles.insert(0, _title(read, assessment) or (_title(read, spec) if spec is not None else None))
    found = ": ".join(dict.fromkeys(filter(None, titles)))
    return read.shortened(assessment, "title", found, _NAME_MAX) or None


def _title(read: ElmReader, source: Reader) -> str | None:
    return read.first(source, "title", read.text(source, "title"))
