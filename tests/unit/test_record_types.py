"""No record has a type on which msgspec 0.22 crashes: a text with a pattern or else a list, set or object.

Its garbage collection then takes a number for an object, at the interpreter's end or at any time before it.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

import proto
import services

_CONTAINERS = (inspect.DictType, inspect.CollectionType)
"""A collection is a list, a set, or a tuple of any length."""


def _records(kind: type[msgspec.Struct] = msgspec.Struct) -> Iterator[type[msgspec.Struct]]:
    for each in kind.__subclasses__():
        yield each
        yield from _records(each)


def _crashing(info: Any) -> Iterator[inspect.UnionType]:
    """Yield the unions below a type on which msgspec crashes; other records are looked at by themselves."""
    if isinstance(info, inspect.UnionType):
        has_pattern = any(isinstance(item, inspect.StrType) and item.pattern is not None for item in _bare(info.types))
        if has_pattern and any(isinstance(item, _CONTAINERS) for item in _bare(info.types)):
            yield info
        for item in info.types:
            yield from _crashing(item)
    elif isinstance(info, inspect.Metadata):
        yield from _crashing(info.type)
    elif isinstance(info, inspect.DictType):
        yield from _crashing(info.key_type)
        yield from _crashing(info.value_type)
    elif isinstance(info, inspect.CollectionType):
        yield from _crashing(info.item_type)


def _bare(types: tuple[Any, ...]) -> Iterator[Any]:
    for item in types:
        while isinstance(item, inspect.Metadata):
            item = item.type  # noqa: PLW2901 - unwrapped
        yield item


def _fields(kind: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    try:
        info = inspect.type_info(kind)
    except TypeError:  # it is never read from outside: msgspec has no decoder for it
        return ()
    assert isinstance(info, inspect.StructType)
    return info.fields


def test_no_record_has_a_type_on_which_msgspec_crashes() -> None:
    for package in (proto, services):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    ours = [kind for kind in _records() if kind.__module__.split(".")[0] in {"proto", "services"}]
    found = [
        f"{kind.__qualname__}.{field.name}"
        for kind in ours
        if not getattr(kind, "__parameters__", ())
        for field in _fields(kind)
        for _ in _crashing(field.type)
    ]
    assert len(ours) > 100
    assert found == []


def test_the_type_that_crashed_is_found() -> None:
    text, anything = inspect.StrType(pattern="^a$"), inspect.DictType(inspect.StrType(), inspect.AnyType())
    described = inspect.Metadata(anything, extra_json_schema={"description": "an object"})
    assert list(_crashing(inspect.VarTupleType(inspect.UnionType((text, described)))))
    assert not list(_crashing(inspect.UnionType((text, inspect.NoneType()))))
