"""Request bodies, read within bounds of bytes and time: whole or by line. Decodes no JSON."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
from aiohttp import web

from proto.problem import MalformedProblem
from services.edge.problems import BodyTimeoutProblem, BodyTooLargeProblem, MediaTypeProblem, TooManyLinesProblem

LINE_MEDIA_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
ANY_MEDIA_TYPE = "*/*"
"""In a route's `request_media`: the protocol names no type, so any is taken, or none."""


class BodyLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many bytes a body may have, and how many seconds it may take to arrive."""

    bytes_max: int
    timeout_seconds: float


LIMITS_KEY: web.RequestKey[BodyLimits] = web.RequestKey("limits", BodyLimits)  # of a request: its route's


class Line(msgspec.Struct, frozen=True):
    """One line of an NDJSON body: its 1-based number and its bytes without the line end, or None if it was too long."""

    number: int
    content: bytes | None


def check_declared(request: web.Request, bytes_max: int, accepted: tuple[str, ...]) -> None:
    """Refuse by headers alone, before a byte of the body is read.

    Raises `BodyTooLargeProblem` by Content-Length, and `MediaTypeProblem` for another type or any compression (a small
    body that unpacks to a large one would pass every bound on the wire).
    """
    length = request.content_length
    if length is not None and length > bytes_max:
        raise BodyTooLargeProblem(bytes_max)
    is_taken = request.content_type in accepted and "Content-Type" in request.headers
    if not is_taken and ANY_MEDIA_TYPE not in accepted:
        raise MediaTypeProblem(
            f"Send the body with Content-Type: {' or '.join(accepted)}", members={"accepted": list(accepted)}
        )
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise MediaTypeProblem("Send the body without compression", members={"accepted": list(accepted)})


async def read_body(request: web.Request, limits: BodyLimits) -> bytes:
    """Return the whole body; raises `BodyTooLargeProblem`, `BodyTimeoutProblem`, or `MalformedProblem` (broken off)."""
    content = request.content
    if content.is_eof() and content.exception() is None:  # it came with the headers: no timer, no loop
        body = content.read_nowait(-1)
        if len(body) > limits.bytes_max:
            raise BodyTooLargeProblem(limits.bytes_max)
        return body
    gathered = bytearray()
    async for chunk in _chunks(request, limits):
        gathered += chunk
    return bytes(gathered)


def read_chunks(request: web.Request) -> AsyncIterator[bytes]:
    """Yield the body of a `streamed` route as it comes, within the route's bounds; raises what `read_body` raises."""
    return _chunks(request, request[LIMITS_KEY])


async def _chunks(request: web.Request, limits: BodyLimits) -> AsyncIterator[bytes]:
    """Yield the body as it comes, within its limits."""
    received_bytes = 0
    deadline = asyncio.get_running_loop().time() + limits.timeout_seconds
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                chunk = await request.content.readany()
        except TimeoutError as error:
            raise BodyTimeoutProblem(f"The body must arrive within {limits.timeout_seconds:g} seconds") from error
        except web.RequestPayloadError as error:
            raise MalformedProblem("The body broke off, or its chunks are not well formed") from error
        if not chunk:
            return
        received_bytes += len(chunk)
        if received_bytes > limits.bytes_max:
            raise BodyTooLargeProblem(limits.bytes_max)
        yield chunk


async def read_lines(request: web.Request, *, line_bytes_max: int, line_count_max: int) -> AsyncIterator[Line]:
    """Yield the lines of an NDJSON body as they arrive, holding no more than one line and one chunk.

    Blank lines are passed over, and counted, so that numbers are those of the sender's file. A line longer than
    `line_bytes_max` comes without content, so that it sinks no other. Raises `TooManyLinesProblem` after
    `line_count_max` non-blank lines, and what `read_body` raises; the body's bounds are its route's.
    """
    limits = request[LIMITS_KEY]
    number, count, rest, too_long = 0, 0, b"", False
    async for chunk in _chunks(request, limits):
        *whole, rest = (rest + chunk).split(b"\n")
        for content in whole:
            number += 1
            line = _line(number, content, line_bytes_max, too_long=too_long)
            too_long = False
            if line is not None:
                count += 1
                if count > line_count_max:
                    raise TooManyLinesProblem(line_count_max)
                yield line
        if len(rest) > line_bytes_max + 1:  # one more for the carriage return before a line end still to come
            rest, too_long = b"", True
    last = _line(number + 1, rest, line_bytes_max, too_long=too_long)
    if last is not None:
        if count >= line_count_max:
            raise TooManyLinesProblem(line_count_max)
        yield last


def _line(number: int, content: bytes, line_bytes_max: int, *, too_long: bool) -> Line | None:
    content = content.removesuffix(b"\r")
    if too_long or len(content) > line_bytes_max:
        return Line(number, None)
    return Line(number, content) if content.strip() else None
