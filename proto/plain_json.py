"""A short way through `proto.canonical` for the JSON objects that nearly everybody sends. Refuses nothing by itself.

The exact way walks through every value in Python. Here the same questions are put to the bytes as a whole: how many
strings there are, how deep the brackets go, how many digits a number has. What does not pass goes the exact way, which
alone decides what is refused and why.
"""

from typing import Any

import msgspec

from proto.canonical import DEPTH_MAX, DOCUMENT_BYTES_MAX, FLOAT_FAST_MAX, FLOAT_FAST_MIN, holds_many_values

_SKELETON = bytes.maketrans(b"[]" + bytes(range(0xF0, 0x100)), b"{}" + b"x" * 16)
_NO_SKELETON = bytes(set(range(0xF0)) - set(b'"{}[]'))
_DIGITS_AS_ZERO = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * 16  # 15 digits are always within ±(2^53-1)


class _NotPlainError(ValueError):
    """A number that the exact way must look at."""


def _plain_float(text: str) -> float:
    value = float(text)
    if value.is_integer() or not FLOAT_FAST_MIN <= abs(value) < FLOAT_FAST_MAX:
        raise _NotPlainError
    return value


_DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=_plain_float)
_ENCODER = msgspec.json.Encoder(order="sorted")


def decode_plain(data: bytes) -> tuple[dict[str, Any], bytes] | None:
    """Return a JSON object as `proto.canonical.decode_json` does, and its canonical bytes; None: that must be asked.

    Of what comes back, and of every part of it, `plain_bytes` is the canonical form (RFC 8785): no key twice, no
    character that sorts otherwise in UTF-16, no whole float, no number beyond ±(2^53-1), at most 64 levels.
    """
    if len(data) > DOCUMENT_BYTES_MAX or (b"\\" in data and b"\\u" in data) or holds_many_values(data):
        return None
    try:
        value = _DECODER.decode(data)
        encoded = _ENCODER.encode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    # Only the quotes that are not escaped, the brackets (all as braces), and an x for each byte of a character beyond
    # U+FFFF. A member that was dropped because its key stands twice took at least two quotes with it.
    skeleton = _without_escapes(data).translate(_SKELETON, _NO_SKELETON)
    is_plain = (
        skeleton.count(b'"') == _without_escapes(encoded).count(b'"')
        and _LONG_NUMBER not in data.translate(_DIGITS_AS_ZERO)
        and _is_shallow(skeleton)
    )
    return (value, encoded) if is_plain else None


def plain_bytes(value: Any) -> bytes:
    """Return the canonical bytes of what `decode_plain` returned, or of a part or a selection of it."""
    return _ENCODER.encode(value)


def _without_escapes(data: bytes) -> bytes:
    """Drop escaped backslashes and quotes; outside of strings there are none."""
    return data.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in data else data


def _is_shallow(skeleton: bytes) -> bool:
    """Tell whether the braces go no deeper than 64 levels, and no string holds any (each round removes one level).

    Between two brackets outside of strings there is an even number of quotes; one is left over where a string holds a
    bracket, and then nothing is certain.
    """
    rest = skeleton.replace(b'""', b"")
    for _ in range(DEPTH_MAX):
        if not rest:
            return True
        rest = rest.replace(b"{}", b"")
    return not rest
