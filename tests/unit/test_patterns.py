"""Patterns that meet strangers' texts read each in one way: what does not fit costs its length, and no more."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any, get_args

import msgspec
import pytest

import proto
import services
from tests.support.ambiguous_pattern import is_ambiguous


def _modules() -> Iterator[ModuleType]:
    for package in (proto, services):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


def _patterns_in(value: Any) -> Iterator[tuple[str | bytes, int]]:
    """Yield the patterns that a value of a module is, holds, or sets to a type."""
    if isinstance(value, re.Pattern):
        yield value.pattern, value.flags
    elif isinstance(value, msgspec.Meta) and value.pattern is not None:
        yield value.pattern, 0
    elif isinstance(value, tuple | list | frozenset):
        for each in value:
            yield from _patterns_in(each)
    elif isinstance(value, dict):
        yield from _patterns_in(tuple(value.values()))
    elif isinstance(value, type) and issubclass(value, msgspec.Struct):
        yield from _patterns_in(tuple(value.__annotations__.values()))
    else:
        yield from _patterns_in((*getattr(value, "__metadata__", ()), *(get_args(value) or ())))


def test_no_pattern_of_ours_reads_a_text_in_several_ways() -> None:
    found = {
        pattern: f"{module.__name__}.{name}"
        for module in _modules()
        for name, value in vars(module).items()
        for pattern in _patterns_in(value)
    }
    assert len(found) > 100
    assert [place for (pattern, flags), place in found.items() if is_ambiguous(pattern, flags)] == []


@pytest.mark.parametrize(
    "pattern",
    [
        rb"(?s)(<!--.*?-->\s*)*<svg",
        r"\s*([a-z]+)\s*(;q)?\s*",
        r"[\s:]*(?:level)?[\s:]*[1-8]",
        r"(a+)+b",
        r"(ab|a.)*c",
        r"(a|ab)(c|bcd)*(d*)*",
        r"^(.*) at (.*)`$",
        r"\d+\.?\d*",
        r"x{1,100}x{1,100}y",
    ],
)
def test_a_pattern_with_several_ways_is_found(pattern: str | bytes) -> None:
    assert is_ambiguous(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        rb"(?s)((?><!--.*?-->)\s*)*<svg",
        r"([a-z]+)(\s*;q)?",
        r"[\s:]*(?:level[\s:]*)?[1-8]",
        r"a+b+",
        r"(?:-?[a-z0-9]){0,62}",
        r'"[^"\\]*(?:\\.[^"\\]*)*"',
        r"[A-Z]{2}(-[0-9]{1,8})*\Z",
        r"\d+(\.\d*)?",
    ],
)
def test_a_pattern_with_one_way_is_not(pattern: str | bytes) -> None:
    assert not is_ambiguous(pattern)
