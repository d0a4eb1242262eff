"""From bytes and strings of strangers to typed values, or a problem that names the fault. Knows no request."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import msgspec

from proto.canonical import VALUES_MAX, check_value_count
from proto.expected import DETAIL_CHARACTERS_MAX, in_words, with_expected
from proto.located import located
from proto.problem import InvalidProblem, MalformedProblem, Problem
from services.edge.problems import parameter_problem

T = TypeVar("T")

NESTING_MAX = 500
_OPENING = frozenset(b"[{")
_NO_BRACKETS = bytes(set(range(256)) - set(b'[]{}"'))
_QUOTES_MAX = 4 * VALUES_MAX + 2
"""Of as many keys and texts as there can be: beyond it no JSON goes on, and to cut it at each would fill the memory."""
_PEELS = 16
_FIELD = re.compile(r"field `(?P<name>[^`]*)`")


def decode_json(data: bytes, decoder: "msgspec.json.Decoder[T]", *, unique_keys: bool = False, under: str = "") -> T:
    """Return `data` as the decoder's type.

    Raises `MalformedProblem` where it is not JSON, holds too many values, is nested more than `NESTING_MAX` deep or, if
    `unique_keys`, has duplicate keys, and `InvalidProblem` with the pointer to the nearest named parent of the first
    fault where it is JSON of another shape. `under` is a pointer that goes before each pointer.
    """
    check_value_count(data)
    if _is_nested_deeply(data):
        raise MalformedProblem(f"The JSON is nested more than {NESTING_MAX} deep")
    try:
        value = decoder.decode(data)
    except msgspec.ValidationError as error:
        raise invalid(str(error), under=under, kind=decoder.type) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedProblem(f"The body is not JSON: {error}"[:DETAIL_CHARACTERS_MAX]) from error
    except RecursionError as error:
        raise MalformedProblem("The JSON is nested too deeply") from error
    if unique_keys:
        refuse_duplicate_keys(data, under=under)
    return value


def _is_nested_deeply(data: bytes) -> bool:
    """Tell whether arrays and objects lie too deep in each other; where decoders give up differs between Pythons."""
    if _opened(data) <= NESTING_MAX:
        return False
    # What stands between quotes is text, once no quote is an escaped one; of the rest, only brackets count.
    unescaped = data.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in data else data
    if unescaped.count(b'"') > _QUOTES_MAX:
        raise MalformedProblem("The body is not JSON: it has more quotation marks than its values and keys can have")
    brackets = b"".join(unescaped.translate(None, _NO_BRACKETS).split(b'"')[::2])
    peeled = brackets
    for _ in range(_PEELS):  # a long list of shallow things, which is the usual case, is gone after a few
        peeled = peeled.replace(b"[]", b"").replace(b"{}", b"")  # at most two levels
        if _opened(peeled) <= NESTING_MAX - 2 * _PEELS:
            return False
    depth = 0
    for byte in brackets:
        depth += 1 if byte in _OPENING else -1
        if depth > NESTING_MAX:
            return True
    return False


def _opened(data: bytes) -> int:
    return data.count(b"[") + data.count(b"{")


def invalid(message: str, *, under: str = "", kind: Any = None) -> InvalidProblem:
    """Return msgspec's validation message as a problem with an RFC 6901 pointer (`$.a[0].b` is `/a/0/b`).

    With `kind`, the type that was decoded, the detail also says what the field takes.
    """
    found = located(message)
    if kind is not None and found.is_exact:
        return InvalidProblem(with_expected(found.detail, kind, found.pointer), pointer=under + found.pointer)
    return InvalidProblem(in_words(found.detail)[:DETAIL_CHARACTERS_MAX], pointer=under + found.pointer)


class _Object(dict[str, Any]):
    """A JSON object that remembers the first of its keys that came twice."""

    doubled: str | None = None


def refuse_duplicate_keys(data: bytes, *, under: str = "") -> None:
    """Raise `MalformedProblem` with the pointer to the first object of `data` in which a key comes twice.

    msgspec silently keeps the last of them (DESIGN 3.2), so a document could say two things at once.
    """
    seen_twice = False

    def gather(pairs: list[tuple[str, Any]]) -> _Object:
        nonlocal seen_twice
        found = _Object(pairs)
        if len(found) != len(pairs):
            seen_twice = True
            found.doubled = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        return found

    try:
        value = json.loads(data, object_pairs_hook=gather, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise MalformedProblem("The JSON is nested too deeply") from error
    except ValueError as error:
        raise MalformedProblem(f"The body is not JSON: {error}"[:DETAIL_CHARACTERS_MAX]) from error
    if seen_twice:
        raise _duplicate(value, under)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _duplicate(value: Any, under: str) -> Problem:
    """Find the first object that was sent with a doubled key, in the order of the text, without recursion."""
    waiting: list[tuple[str, Any]] = [(under, value)]
    while waiting:
        pointer, found = waiting.pop()
        if isinstance(found, _Object):
            if found.doubled is not None:
                detail = f"The key `{found.doubled[:DETAIL_CHARACTERS_MAX]}` comes twice in one object"
                return MalformedProblem(detail, pointer=pointer)
            steps = [(key.replace("~", "~0").replace("/", "~1"), item) for key, item in found.items()]
        elif isinstance(found, list):
            steps = [(str(index), item) for index, item in enumerate(found)]
        else:
            continue
        waiting.extend((f"{pointer}/{step}", item) for step, item in reversed(steps))
    return MalformedProblem("A key comes twice in one object")  # the object itself was dropped by a doubled parent key


_PARAMETER_NAME_MAX = 64
"""Characters of an unknown parameter's name that are said again, so that the known ones find room."""


def _refuse_null(values: Mapping[str, str | Sequence[str]], kind: type[Any]) -> None:
    """Refuse the text `null` where it would be read as no value at all; a text parameter may well be called so."""
    named = [name for name, value in values.items() if isinstance(value, str) and value.lower() == "null"]
    types = {field.encode_name: field.type for field in msgspec.structs.fields(kind)} if named else {}
    for name in set(named) & types.keys():
        try:
            msgspec.convert(values[name], types[name])
        except msgspec.ValidationError:
            raise parameter_problem(name, f"Parameter `{name}`: leave it out where there is none") from None


def _names(kind: type[Any]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(kind)]


def decode_parameters(values: Mapping[str, str | Sequence[str]], kind: type[T]) -> T:
    """Return path or query parameters as the Struct `kind`; numbers and booleans are read from their text.

    Raises `InvalidProblem` whose member `parameter` names the first wrong, unknown or missing one.
    """
    _refuse_null(values, kind)
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        found = located(error)
        if found.pointer:
            name, detail = found.first_step, with_expected(found.detail, kind, found.pointer)
        else:
            field = _FIELD.search(found.detail)
            name, detail = (field["name"] if field else ""), in_words(found.detail)
        name = name[:_PARAMETER_NAME_MAX]
        known = _names(kind)
        detail = detail.replace("Object contains unknown field", "There is no parameter")
        detail = detail.replace("Object missing required field", "There must be a parameter")
        if name not in known:
            detail += f". It takes {', '.join(known) or 'none'}"
        raise parameter_problem(name, f"Parameter `{name}`: {detail}"[:DETAIL_CHARACTERS_MAX]) from error
