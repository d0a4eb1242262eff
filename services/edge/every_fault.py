"""Everything that is wrong with a value of another shape, where a decoder names the first fault only. Reads no request.

Members are asked one by one by the types of their fields; what an object's own rule says of them together is asked once
each of them is right.
"""

from collections.abc import Iterator
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from proto.problem import InvalidProblem
from services.edge.decode import invalid

ELEMENTS_MAX = 64
"""Of a longer list, which none of ours is, only the first fault is named."""


def faults_in(value: Any, kind: Any, under: str = "") -> Iterator[InvalidProblem]:
    """Yield a problem for each fault of decoded JSON by the type that it should have, in the order of its fields.

    `under` is a pointer that goes before each pointer. Nothing is yielded where the value is of that type.
    """
    found = False
    for fault in _inside(value, kind, under):
        found = True
        yield fault
    if not found:
        yield from _of_the_whole(value, kind, under)


def _inside(value: Any, kind: Any, under: str) -> Iterator[InvalidProblem]:
    """Yield the faults of members and elements."""
    struct, element = _struct_of(kind), _element_of(kind)
    if isinstance(value, dict) and struct is not None:
        yield from _in_object(value, struct, under)
    elif isinstance(value, list) and element is not None and len(value) <= ELEMENTS_MAX:
        for place, item in enumerate(value):
            yield from faults_in(item, element, f"{under}/{place}")


def _in_object(value: dict[str, Any], struct: type[msgspec.Struct], under: str) -> Iterator[InvalidProblem]:
    fields = _fields_of(struct)
    for name, field in fields.items():
        if name in value:
            yield from faults_in(value[name], field.type, f"{under}/{_escaped(name)}")
        elif field.required:
            yield invalid(f"Object missing required field `{name}`", under=under, kind=struct)
    if struct.__struct_config__.forbid_unknown_fields:
        for name in value:
            if name not in fields:
                yield invalid(f"Object contains unknown field `{name}`", under=under, kind=struct)


def _of_the_whole(value: Any, kind: Any, under: str) -> Iterator[InvalidProblem]:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        yield invalid(str(error), under=under, kind=kind)


@lru_cache(maxsize=256)
def _fields_of(struct: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(struct)}


def _struct_of(kind: Any) -> type[msgspec.Struct] | None:
    return next((each for each in _kinds(kind) if isinstance(each, type) and issubclass(each, msgspec.Struct)), None)


def _element_of(kind: Any) -> Any:
    """Return the type of the elements of a list or a tuple of any length; None for another type."""
    return next((get_args(each)[0] for each in _kinds(kind) if get_origin(each) in (list, tuple)), None)


def _kinds(kind: Any) -> Iterator[Any]:
    """Yield the types of a union, each without what only adds limits."""
    if get_origin(kind) is Annotated:
        yield from _kinds(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for each in get_args(kind):
            yield from _kinds(each)
    else:
        yield kind


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
