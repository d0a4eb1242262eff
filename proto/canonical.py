"""Canonical bytes (RFC 8785, JCS) and strict decoding of JSON from outside. Knows nothing of what the JSON means.

`msgspec` in sorted order equals JCS byte for byte while keys are ASCII, floats are not whole and below 1e15, and
integers stay within ±(2^53-1) (DESIGN 3.2). What is outside that goes through the slower `rfc8785`.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import rfc8785

from proto.problem import MalformedProblem

INTEGER_MAX = 2**53 - 1
FLOAT_FAST_MAX = 1e15
FLOAT_FAST_MIN = 1e-4
EXPONENT_FROM = 1e21  # from here on JCS writes whole numbers with an exponent: no reader takes them for integers
DEPTH_MAX = 64
DOCUMENT_BYTES_MAX = 1_048_576
VALUES_MAX = 100_000
"""Values of JSON that are decoded at once: a megabyte of brackets would take a hundred in memory, and seconds."""

DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder of `msgspec` raises for bytes of strangers: no JSON, another shape, no UTF-8, nested too deep."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ENCODER = msgspec.json.Encoder(order="sorted")


def canonical_struct(value: msgspec.Struct) -> bytes:
    """Return the canonical bytes of a record whose type holds no float and only ASCII keys (events, entries)."""
    return _ENCODER.encode(value)


def canonical_json(value: Any) -> bytes:
    """Return the RFC 8785 bytes of decoded JSON: `dict`, `list`, `str`, `int`, `float`, `bool`, `None`.

    Raises `MalformedProblem` for what JCS cannot express: NaN, infinities, integers beyond ±(2^53-1), lone surrogates.
    """
    try:
        return _ENCODER.encode(value) if _is_plain(value) else rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise MalformedProblem(f"This JSON has no canonical form (RFC 8785): {error}") from error


def canonical_texts(value: Any) -> bytes:
    """Return the RFC 8785 bytes of texts and truth values, alone or in lists and objects with ASCII names.

    That there are no numbers in it, the caller knows. Raises `MalformedProblem` for lone surrogates.
    """
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError as error:
        raise MalformedProblem(f"This JSON has no canonical form (RFC 8785): {error}") from error


class CanonicalTemplate:
    """The RFC 8785 bytes of objects that differ in some members alone: what they share is written once.

    `fixed` are its members' bytes by their names, `open_names` the names of the others; all are ASCII and distinct.
    """

    __slots__ = ("_open", "_pieces")

    def __init__(self, fixed: Mapping[str, bytes], open_names: Iterable[str]) -> None:
        names = [*fixed, *open_names]
        self._pieces = [b"{"]
        self._open: list[tuple[int, str]] = []
        for place, name in enumerate(sorted(names)):
            self._pieces[-1] += (b"," if place else b"") + _ENCODER.encode(name) + b":" + fixed.get(name, b"")
            if name not in fixed:
                self._open.append((len(self._pieces), name))
                self._pieces += [b"", b""]
        self._pieces[-1] += b"}"

    def filled(self, values: Mapping[str, bytes]) -> bytes:
        """Return the bytes of the object with these values of its open members, in canonical JSON."""
        pieces = self._pieces.copy()
        for place, name in self._open:
            pieces[place] = values[name]
        return b"".join(pieces)


def _is_plain(value: Any) -> bool:
    """Tell whether `msgspec` writes this as JCS does. Texts, which most values are, are not asked."""
    kind = type(value)
    if kind is dict:
        try:
            if not "".join(value).isascii():
                return False
        except TypeError:  # a key that is no text
            return False
        members = value.values()
    elif kind is list or kind is tuple:
        members = value
    else:
        return _is_fast_scalar(value)
    for member in members:  # noqa: SIM110 - with `all` it takes half as long again, and every event passes here
        if type(member) is not str and not _is_plain(member):
            return False
    return True


def _is_fast_scalar(value: Any) -> bool:
    if isinstance(value, dict | list | tuple):  # of a class of its own
        return False
    if isinstance(value, float):
        return FLOAT_FAST_MIN <= abs(value) < FLOAT_FAST_MAX and not value.is_integer()
    if isinstance(value, int):
        return -INTEGER_MAX <= value <= INTEGER_MAX
    return value is None or isinstance(value, str)


def decode_json(data: bytes, *, bytes_max: int = DOCUMENT_BYTES_MAX, depth_max: int = DEPTH_MAX) -> Any:
    """Return decoded JSON from outside; whole floats become integers, as JCS writes them.

    Raises `MalformedProblem` for what two readers could understand differently: duplicate keys, NaN and infinities,
    numbers beyond what a double holds exactly, bytes that are not UTF-8, and for what is too large or too deep.
    """
    if len(data) > bytes_max:
        raise MalformedProblem(f"The document has {len(data)} bytes; at most {bytes_max} are read")
    check_value_count(data)
    try:
        text = data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float, parse_int=_int)
    except UnicodeDecodeError as error:
        raise MalformedProblem(f"The document is not UTF-8: byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise MalformedProblem(f"Not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise MalformedProblem(f"The document is nested deeper than {depth_max} levels") from error
    _check_depth(value, depth_max)
    _check_surrogates(text, value)
    return value


def check_value_count(data: bytes) -> None:
    """Raise `MalformedProblem` where JSON may hold more than `VALUES_MAX` values; counts bytes, and decodes nothing."""
    if holds_many_values(data):
        raise MalformedProblem(f"The JSON holds more than {VALUES_MAX} values: send fewer at a time")


def holds_many_values(data: bytes) -> bool:
    """Tell whether JSON may hold more than `VALUES_MAX` values; commas inside of texts count too."""
    return data.count(b",") + data.count(b"[") + data.count(b"{") > VALUES_MAX


def _check_surrogates(text: str, value: Any) -> None:
    """Refuse half a surrogate pair, which is no character and has no UTF-8; only an escape can bring one in."""
    if _SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise MalformedProblem("The document holds half a surrogate pair (\\ud800 to \\udfff)") from error


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise MalformedProblem(
            f"The key {twice[:80]!r} stands twice in one object: two readers could see two documents"
        )
    return result


def _constant(text: str) -> Any:
    raise MalformedProblem(f"{text} is not JSON")


def _float(text: str) -> float | int:
    value = float(text)
    if math.isinf(value):
        raise MalformedProblem(f"The number {text[:40]} is larger than JSON readers agree on")
    if not value.is_integer():
        return value
    if INTEGER_MAX < abs(value) < EXPONENT_FROM:
        raise MalformedProblem(f"The number {text[:40]} is beyond ±(2^53-1), where JSON readers disagree")
    return int(value) if abs(value) <= INTEGER_MAX else value


def _int(text: str) -> int:
    value = int(text) if len(text) <= len(str(INTEGER_MAX)) + 1 else INTEGER_MAX + 1
    if abs(value) > INTEGER_MAX:
        raise MalformedProblem(f"The number {text[:40]} is beyond ±(2^53-1), where JSON readers disagree")
    return value


def _check_depth(value: Any, depth_left: int) -> None:
    if depth_left < 0:
        raise MalformedProblem("The document is nested too deep")
    if isinstance(value, dict):
        for child in value.values():
            _check_depth(child, depth_left - 1)
    elif isinstance(value, list):
        for child in value:
            _check_depth(child, depth_left - 1)
