"""Request bodies, read within bounds of bytes and time: whole or by line. Decodes no JSON."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import msgspec
from aiohttp import web

from proto.problem import MalformedProblem
from services.edge.media_type import media_type_of
from services.edge.problems import (
    BodyTimeoutProblem,
    BodyTooLargeProblem,
    MediaTypeProblem,
    NoRoomProblem,
    TooManyLinesProblem,
)

LOOP_BYTES_MAX = 65_536
"""What is larger is decoded in a thread: on the event loop it would hold up everybody else."""
THREADS = 1
"""For bodies: the event loop waits for each thread that decodes, and one at a time is the least."""
SILENCE_SECONDS_MAX = 60.0
"""A client that sends nothing for so long is given up, whatever time its whole body may take."""
ADDRESS_SHARE = 4
"""One client address may hold this fraction of what all bodies together may, and one body always."""

LINE_MEDIA_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
ANY_MEDIA_TYPE = "*/*"
"""In a route's `request_media`: the protocol names no type, so any is taken, or none."""


class BodyLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many bytes a body may have, and how many seconds it may take to arrive."""

    bytes_max: int
    timeout_seconds: float


LIMITS_KEY: web.RequestKey[BodyLimits] = web.RequestKey("limits", BodyLimits)  # of a request: its route's


class HeldBodies:
    """How many bytes of bodies requests hold now, in all and of each client; `key_of` names a request's client."""

    def __init__(self, *, bytes_max: int, key_of: Callable[[web.Request], str]) -> None:
        self._bytes_max = bytes_max
        self._key_of = key_of
        self._by_key: dict[str, int] = {}
        self._held_bytes = 0

    def take(self, request: web.Request, count: int) -> None:
        """Count bytes that a request holds from now on; raises `NoRoomProblem` where others hold too many."""
        key, own = request.get(HOLDER_KEY, ("", 0))
        key = key or self._key_of(request)
        of_key = self._by_key.get(key, 0)
        is_shared_out = of_key > own and of_key + count > self._bytes_max // ADDRESS_SHARE
        if is_shared_out or self._held_bytes + count > self._bytes_max:
            raise NoRoomProblem("Many large requests are being read; send this again in a moment")
        self._by_key[key] = of_key + count
        self._held_bytes += count
        request[HOLDER_KEY] = (key, own + count)

    def give_back(self, key: str, count: int) -> None:
        """Count bytes that are held no more."""
        self._held_bytes -= count
        self._by_key[key] -= count
        if not self._by_key[key]:
            del self._by_key[key]


HELD_BODIES: web.AppKey[HeldBodies] = web.AppKey("held_bodies", HeldBodies)
HOLDER_KEY: web.RequestKey[tuple[str, int]] = web.RequestKey("holder", tuple)
"""Of a request: its client, and how many bytes of its body are counted."""
BODY_THREADS: web.AppKey[ThreadPoolExecutor] = web.AppKey("body_threads", ThreadPoolExecutor)
BODY_TURN: web.AppKey[asyncio.Lock] = web.AppKey("body_turn", asyncio.Lock)
"""Who takes the next piece of a large body, or decodes one: first come, first served, whatever the address.

A thread that decodes makes the event loop wait at each of its callbacks. If two dozen bodies come in meanwhile, a turn
of the loop has dozens of those, and whoever asks for a status waits for all. Behind one that has not its turn the
connection is paused, so the loop has little more to do than to answer.
"""
_P = ParamSpec("_P")
_T = TypeVar("_T")


def give_back(request: web.Request) -> None:
    """Count a request's body no more: it has been answered."""
    if HOLDER_KEY in request:
        request.app[HELD_BODIES].give_back(*request[HOLDER_KEY])


async def off_loop(request: web.Request, size: int, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Return what `work` does with `size` bytes: in its turn in one of the threads for bodies, unless they are few."""
    if size <= LOOP_BYTES_MAX:
        return work(*args, **kwargs)
    threads = request.app[BODY_THREADS]
    async with request.app[BODY_TURN]:
        return await asyncio.get_running_loop().run_in_executor(threads, lambda: work(*args, **kwargs))


class Turns:
    """Lets others have their turn on the event loop, again and again while one request works through its lines."""

    def __init__(self, *, bytes_each: int = LOOP_BYTES_MAX, lines_each: int = 64) -> None:
        self._bytes_each = bytes_each
        self._line_bytes = bytes_each // lines_each
        self._bytes = 0

    async def worked(self, size: int) -> None:
        """Count a line of `size` bytes that was worked on; waits a turn after so many bytes, or so many lines."""
        self._bytes += max(size, self._line_bytes)
        if self._bytes >= self._bytes_each:
            self._bytes = 0
            await asyncio.sleep(0)


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
    is_taken = media_type_of(request) in accepted and "Content-Type" in request.headers
    if not is_taken and ANY_MEDIA_TYPE not in accepted:
        raise MediaTypeProblem(
            f"Send the body with Content-Type: {' or '.join(accepted)}", members={"accepted": list(accepted)}
        )
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise MediaTypeProblem("Send the body without compression", members={"accepted": list(accepted)})


async def read_body(request: web.Request, limits: BodyLimits) -> bytes:
    """Return the whole body, which counts as held until the request is answered.

    Raises `BodyTooLargeProblem`, `BodyTimeoutProblem`, `NoRoomProblem`, or `MalformedProblem` (broken off).
    """
    content = request.content
    if content.is_eof() and content.exception() is None:  # it came with the headers: no timer, no loop
        body = content.read_nowait(-1)
        if len(body) > limits.bytes_max:
            raise BodyTooLargeProblem(limits.bytes_max)
        return body
    gathered: list[bytes] = []
    async for chunk in _chunks(request, limits):
        hold(request, len(chunk))
        gathered.append(chunk)
    return b"".join(gathered)


def hold(request: web.Request, count: int) -> None:
    """Count bytes of the body that stay in memory until the request is answered; raises `NoRoomProblem`."""
    request.app[HELD_BODIES].take(request, count)


def read_chunks(request: web.Request) -> AsyncIterator[bytes]:
    """Yield the body of a `streamed` route as it comes, within the route's bounds; raises what `read_body` raises."""
    return _chunks(request, request[LIMITS_KEY])


async def _chunks(request: web.Request, limits: BodyLimits) -> AsyncIterator[bytes]:
    """Yield the body as it comes, within its limits."""
    received_bytes = 0
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limits.timeout_seconds
    while True:
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + SILENCE_SECONDS_MAX)):
                chunk = await request.content.readany()
        except TimeoutError as error:
            raise BodyTimeoutProblem(
                f"The body must arrive within {limits.timeout_seconds:g} seconds, "
                f"and no pause may last {SILENCE_SECONDS_MAX:g}"
            ) from error
        except web.RequestPayloadError as error:
            raise MalformedProblem("The body broke off, or its chunks are not well formed") from error
        if not chunk:
            return
        received_bytes += len(chunk)
        if received_bytes > limits.bytes_max:
            raise BodyTooLargeProblem(limits.bytes_max)
        if received_bytes > LOOP_BYTES_MAX:
            deadline += await _turn(request)
        yield chunk


async def _turn(request: web.Request) -> float:
    """Wait until it is a large body's turn to go on; returns the seconds, which do not count as the client's."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with request.app[BODY_TURN]:
        return loop.time() - begun


async def read_lines(request: web.Request, *, line_bytes_max: int, line_count_max: int) -> AsyncIterator[Line]:
    """Yield the lines of an NDJSON body as they arrive, holding no more than one line and one chunk.

    Blank lines are passed over, and counted, so that numbers are those of the sender's file. A line longer than
    `line_bytes_max` comes without content, so that it sinks no other. Raises `TooManyLinesProblem` after
    `line_count_max` non-blank lines, or as many blank ones, and what `read_body` raises; the body's bounds are its
    route's.
    """
    limits = request[LIMITS_KEY]
    number, count, rest, too_long = 0, 0, b"", False
    async for chunk in _chunks(request, limits):
        if number - count + chunk.count(b"\n\n") > line_count_max:  # before they are looked at one by one
            raise TooManyLinesProblem(line_count_max)
        *whole, rest = (rest + chunk).split(b"\n")
        for content in whole:
            number += 1
            line = _line(number, content, line_bytes_max, too_long=too_long)
            too_long = False
            count += line is not None
            if count > line_count_max or number - count > line_count_max:
                raise TooManyLinesProblem(line_count_max)
            if line is not None:
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
