"""What a field takes is said in words with an example: no regular expression stands in front of a person."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import inspect

import proto
import services
from proto import events
from proto.expected import NO_FORM, form_of, in_words
from proto.problem import Problem
from services.edge.decode import invalid

WRONG: tuple[Any, ...] = ("\x00", "", " \t", "x" * 20_000, -1, 10**12, 1.5, None, True, [], ["\x00"], {}, {"\x00": 1})
REGULAR = re.compile(r"regex|\(\?|\[\^|[\w!]-[\w~]\]|\\[dwsS]|\]\{|\)\*|^\^|\$$")


def _modules(package: ModuleType) -> Iterator[str]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.endswith("__main__"):
            yield found.name


def _structs() -> list[type[msgspec.Struct]]:
    for name in (*_modules(proto), *_modules(services)):
        importlib.import_module(name)
    found, waiting = [], list(msgspec.Struct.__subclasses__())
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        if kind.__module__.startswith(("proto.", "services.")):
            found.append(kind)
    return found


def _patterns(node: inspect.Type) -> Iterator[str]:
    match node:
        case inspect.Metadata(type=inner):
            yield from _patterns(inner)
        case inspect.StrType(pattern=str(pattern)):
            yield pattern
        case inspect.UnionType(types=types):
            for each in types:
                yield from _patterns(each)
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            yield from _patterns(item)
        case inspect.DictType(key_type=key, value_type=value):
            yield from _patterns(key)
            yield from _patterns(value)
        case _:
            return


def _fields() -> Iterator[tuple[type[msgspec.Struct], inspect.Field]]:
    for kind in _structs():
        try:
            found = inspect.type_info(kind)
        except (TypeError, NameError):  # it holds what never comes from outside
            continue
        assert isinstance(found, inspect.StructType)
        for field in found.fields:
            yield kind, field


def test_every_pattern_of_every_field_is_described_in_words() -> None:
    patterns = {pattern for _, field in _fields() for pattern in _patterns(field.type)}
    assert len(patterns) > 30
    assert [pattern for pattern in sorted(patterns) if not form_of(pattern)] == []
    said = [form_of(pattern) for pattern in patterns]
    assert [form for form in said if REGULAR.search(form)] == []


def test_a_wrong_value_in_any_field_of_any_schema_is_refused_without_a_regular_expression() -> None:
    refused = 0
    for kind, field in _fields():
        for wrong in WRONG:
            try:
                msgspec.convert({field.encode_name: wrong}, kind)
            except msgspec.ValidationError as error:
                refused += 1
                for detail in (
                    invalid(str(error), kind=kind).detail,
                    invalid(str(error)).detail,
                    events.invalid(error, within="file").detail,
                    in_words(str(error)),
                ):
                    assert not REGULAR.search(detail), (kind, field.name, wrong, detail)
            except (TypeError, ValueError, NotImplementedError, Problem):
                continue
    assert refused > 1_000


@pytest.mark.parametrize("pattern", [r"^it's \d+$", r'^say "\w"$', r"""^'both" \\$"""])
def test_a_pattern_that_nobody_has_described_is_not_shown_either(pattern: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert("", Annotated[str, msgspec.Meta(pattern=pattern)])
    assert in_words(str(caught.value)) == NO_FORM
