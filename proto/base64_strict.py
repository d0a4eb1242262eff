"""Strict base64 (RFC 4648 section 4): one text for each byte string. Knows nothing of what the bytes mean."""

import binascii

from proto.problem import MalformedProblem


def encode_base64(data: bytes) -> str:
    """Return `data` in the standard alphabet, padded, on one line."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def decode_base64(text: str, *, length: int | None = None) -> bytes:
    """Return the bytes of standard, padded base64; exactly `length` of them where it is given.

    Raises `MalformedProblem` for whitespace, the URL-safe alphabet, missing padding, non-zero trailing bits (two texts
    would mean the same bytes) and for another length.
    """
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedProblem(f"{text[:40]!r} is not base64 of the standard alphabet with its padding") from error
    if encode_base64(data) != text:
        raise MalformedProblem(f"{text[:40]!r} is not the one base64 text of its bytes (RFC 4648 section 3.5)")
    if length is not None and len(data) != length:
        raise MalformedProblem(f"{text[:40]!r} holds {len(data)} bytes where {length} are expected")
    return data
