"""Results and what they are expressed in, as documents write them: each result names the description it belongs to."""

from collections.abc import Mapping
from typing import Any

from proto.documents.credential import Achievement, Award, GradingScheme, Result
from proto.problem import InvalidProblem


class UnknownSchemeProblem(InvalidProblem):
    """A result names a grading scheme that its achievement has not."""

    slug = "unknown-grading-scheme"
    title = "The achievement has no such grading scheme"


def result_descriptions(achievement: Achievement) -> list[dict[str, Any]]:
    """Return the grading schemes of an achievement as OB 3.0 ResultDescriptions, the one for plain results first."""
    return [_description(uri, scheme) for uri, scheme in _schemes(achievement).items()]


def results(achievement: Achievement, award: Award) -> list[dict[str, Any]]:
    """Return the results of an award as OB 3.0 Results; raises `UnknownSchemeProblem` with the pointer to the name."""
    schemes = _schemes(achievement)
    pointers = ["/result", *(f"/further_results/{place}" for place in range(len(award.further_results)))]
    found = ([] if award.result is None else [award.result]) + list(award.further_results)
    if award.result is None:
        pointers = pointers[1:]
    return [_result(achievement, schemes, item, pointer) for item, pointer in zip(found, pointers, strict=True)]


def _schemes(achievement: Achievement) -> dict[str, GradingScheme]:
    """Return the grading schemes by their URIs; one without gets a fragment of the achievement's."""
    found: dict[str, GradingScheme] = {}
    if achievement.grading_scheme is not None:
        found[achievement.grading_scheme.uri or f"{achievement.uri}#result"] = achievement.grading_scheme
    for number, scheme in enumerate(achievement.further_grading_schemes, start=2):
        found[scheme.uri or f"{achievement.uri}#result-{number}"] = scheme
    return found


def _result(
    achievement: Achievement, schemes: Mapping[str, GradingScheme], result: Result, pointer: str
) -> dict[str, Any]:
    described = next(iter(schemes)) if achievement.grading_scheme else None
    if result.scheme is not None:
        described = _uri_of(schemes, result.scheme, f"{pointer}/scheme")
    stated = {"resultDescription": described, "value": result.text, "status": result.status}
    return {"type": ["Result"]} | {name: value for name, value in stated.items() if value is not None}


def _uri_of(schemes: Mapping[str, GradingScheme], named: str, pointer: str) -> str:
    if named in schemes:
        return named
    of_name = [uri for uri, scheme in schemes.items() if scheme.name == named]
    if len(of_name) == 1:
        return of_name[0]
    if of_name:
        raise UnknownSchemeProblem("Several grading schemes have this name: name the one by its URI", pointer=pointer)
    known = ", ".join(repr(scheme.name) for scheme in schemes.values())[:500] or "none"
    raise UnknownSchemeProblem(
        f"A result names a grading scheme by its name or URI, as the achievement has it. It has: {known}",
        pointer=pointer,
    )


def _description(uri: str, scheme: GradingScheme) -> dict[str, Any]:
    stated = {
        "name": scheme.name,
        "resultType": scheme.type,
        "valueMin": scheme.value_min,
        "valueMax": scheme.value_max,
        "requiredValue": scheme.required_value,
        "allowedValue": list(scheme.allowed_values) or None,
    }
    described = {"id": uri, "type": ["ResultDescription"]}
    return described | {name: value for name, value in stated.items() if value is not None}
