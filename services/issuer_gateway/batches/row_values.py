"""Rows in JSON that are wrong: every fault of one, and what is right of it. Asks no database."""

from itertools import islice
from typing import Any, TypeVar

import msgspec

from proto.one_of_many import OneOfMany
from proto.problem import InvalidProblem, Problem
from services.edge import faults_in
from services.issuer_gateway.credentials.prepare_rows import problem_of_faults

_T = TypeVar("_T")
FAULTS_MAX = 32
"""Of a row with more, so many are named."""


def with_every_fault(content: bytes, kind: type[_T], problem: Problem) -> tuple[Problem, _T | None]:
    """Return why a row is refused, with all its faults where it has several, and the row without what is wrong in it.

    None for the second where too little is left. `problem` is what was found first: what is no JSON has that alone.
    """
    if not isinstance(problem, InvalidProblem):
        return problem, None
    with OneOfMany():
        return _with_every_fault(content, kind, problem)
    return problem, None


def _with_every_fault(content: bytes, kind: type[_T], problem: Problem) -> tuple[Problem, _T | None]:
    value = msgspec.json.decode(content)
    faults = list(islice(faults_in(value, kind), FAULTS_MAX))
    for fault in faults:
        _take_out(value, fault.pointer or "")
    rest = _converted(value, kind)
    if len(faults) <= 1:
        return problem, rest
    errors = [{"pointer": each.pointer or "", "code": each.slug, "detail": each.detail} for each in faults]
    return problem_of_faults(errors), rest


def _take_out(value: Any, pointer: str) -> None:
    """Take a member out of the objects in which it stands; elements of lists are left."""
    *above, name = [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")]
    for token in above[1:]:
        value = value.get(token) if isinstance(value, dict) else None
    if isinstance(value, dict):
        value.pop(name, None)


def _converted(value: Any, kind: type[_T]) -> _T | None:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return None
