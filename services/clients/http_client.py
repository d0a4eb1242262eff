"""JSON over HTTP for clients: one request, its typed answer, and problem documents as problems. Knows no route."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import aiohttp
import msgspec

from proto.canonical import DECODE_ERRORS
from proto.depth import is_deep
from proto.problem import Problem, UnavailableProblem, slug_of
from services.call_context import headers_along
from services.clients.bodies import body_within, lines_within
from services.clients.http_session import HTTP_ERRORS
from services.clients.retry_after import asked_seconds

ANSWER_BYTES_MAX = 64 * 1024 * 1024
"""The largest answers are applications with all their evidence, and papers with what is attached to them."""
LINE_BYTES_MAX = 4 * 1024 * 1024
_T = TypeVar("_T")
_TIMEOUT = aiohttp.ClientTimeout(total=60, connect=10)
_STREAM_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=10, sock_read=120)
_ERROR_MIN, _UNAVAILABLE = 400, frozenset({429, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SAFE_TO_REPEAT = frozenset({"GET", "PUT", "DELETE"})
_PAUSE_SECONDS, _PAUSE_SECONDS_MAX = 0.5, 30.0


class UnreachableProblem(UnavailableProblem):
    """A service does not answer at its address."""

    slug = "unreachable"
    title = "The service does not answer"


class RedirectedProblem(Problem):
    """A service sends to another address; nobody is followed there with a key, a document or a link's secret."""

    slug = "redirected"
    title = "The service sends elsewhere"


class AnsweredProblem(Problem):
    """A service refused; `answer` is its RFC 9457 problem document and `answer_status` the HTTP status."""

    slug = "service-refused"
    title = "The service refused"

    def __init__(self, answer: Mapping[str, Any], answer_status: int, retry_after_seconds: float | None = None) -> None:
        detail = str(answer.get("detail") or answer.get("title") or f"HTTP status {answer_status}")
        super().__init__(
            detail,
            pointer=answer.get("pointer"),
            members={"answer": dict(answer)},
            retry_after_seconds=retry_after_seconds,
        )
        self.answer = dict(answer)
        self.answer_status = answer_status

    @property
    def answer_slug(self) -> str:
        """The last part of the answer's problem type, such as `not-found`."""
        return slug_of(self.answer)


class HttpClient:
    """One service at one address; the session belongs to the caller.

    With `retry_count_max`, what may pass (no connection, 429, 503) is tried again that often, after the time that the
    service asks for: only requests that do nothing twice, which are those that read, and those with an Idempotency-Key.
    """

    def __init__(
        self, session: aiohttp.ClientSession, url: str, *, token: str | None = None, retry_count_max: int = 0
    ) -> None:
        self.url = url.rstrip("/")
        self.session = session
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.retry_count_max = retry_count_max

    async def call(
        self,
        method: str,
        path: str,
        answer: type[_T],
        *,
        send: Any = None,
        query: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> _T:
        """Send `send` as JSON (bytes as they are), under an Idempotency-Key if there is one; raises as `request` does.

        Parameters of `query` that are None are left out.
        """
        body = None if send is None else send if isinstance(send, bytes) else msgspec.json.encode(send)
        headers = {"Idempotency-Key": key} if key else {}
        return await self.request(method, path, answer, body=body, query=query_of(query), headers=headers)

    async def request(
        self,
        method: str,
        path: str,
        answer: type[_T],
        *,
        body: bytes | None = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> _T:
        """Send one request and return its answer; raises `AnsweredProblem` or `UnreachableProblem`."""
        data = await self.request_bytes(
            method, path, body=body, content_type=content_type, query=query, headers=headers
        )
        return self.decoded(data, answer, path)

    def decoded(self, data: bytes, answer: type[_T], path: str) -> _T:
        """Return an answer, or a line of one, as what it should be; raises `UnreachableProblem` for anything else."""
        if is_deep(data):
            raise UnreachableProblem(f"{self.url}{path} answered with something else: JSON deeper than any of ours")
        try:
            return msgspec.json.decode(data, type=answer)
        except DECODE_ERRORS as error:
            raise UnreachableProblem(f"{self.url}{path} answered with something else: {error}") from error

    async def request_bytes(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send one request and return the bytes of its answer; raises as `request` does."""
        sent = (
            headers_along()
            | self.headers
            | dict(headers or {})
            | ({"Content-Type": content_type} if body is not None else {})
        )
        may_repeat = method in _SAFE_TO_REPEAT or "Idempotency-Key" in sent
        for attempt in range(1 + (self.retry_count_max if may_repeat else 0)):
            try:
                return await self._once(method, path, body=body, query=query, headers=sent)
            except (UnreachableProblem, AnsweredProblem) as problem:
                if not may_repeat or attempt == self.retry_count_max or not _may_pass(problem):
                    raise
                pause = max(_PAUSE_SECONDS * 2**attempt, problem.retry_after_seconds or 0.0)
                await asyncio.sleep(min(pause, _PAUSE_SECONDS_MAX))
        raise AssertionError("the last attempt returns or raises")

    async def _once(
        self, method: str, path: str, *, body: bytes | None, query: Mapping[str, str] | None, headers: dict[str, str]
    ) -> bytes:
        try:
            async with self._asked(method, path, data=body, query=query, headers=headers, timeout=_TIMEOUT) as response:
                data = await self._body(response)
        except HTTP_ERRORS as error:
            raise UnreachableProblem(f"{self.url} does not answer ({type(error).__name__}): is it running?") from error
        self._check(response, data)
        return data

    def _asked(
        self,
        method: str,
        path: str,
        *,
        data: bytes | AsyncIterable[bytes] | None,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str],
        timeout: aiohttp.ClientTimeout,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Send a request and hold its answer. Nothing is followed to another address: what is sent holds secrets."""
        return self.session.request(
            method, self.url + path, data=data, params=query, headers=headers, timeout=timeout, allow_redirects=False
        )

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        return await body_within(response, ANSWER_BYTES_MAX, refusal=self._too_large(ANSWER_BYTES_MAX))

    def _too_large(self, bytes_max: int) -> UnreachableProblem:
        return UnreachableProblem(f"{self.url} answered with something else: more than {bytes_max} bytes at once")

    def _check(self, response: aiohttp.ClientResponse, data: bytes) -> None:
        """Raise `AnsweredProblem` for a refusal, `RedirectedProblem` for an answer that sends us elsewhere."""
        if response.status in _REDIRECTS:
            raise RedirectedProblem(
                f"{self.url} answered {response.status} and sends to another address, which is not followed: what is "
                "sent holds secrets. If that address is the service's own, name it instead"
            )
        if response.status >= _ERROR_MIN:
            raise AnsweredProblem(problem_document(data), response.status, asked_seconds(response.headers))

    async def send_stream(
        self,
        path: str,
        answer: type[_T],
        pieces: AsyncIterable[bytes],
        *,
        media_type: str,
        method: str = "POST",
        key: str | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> _T:
        """Send a body as it comes and return the answer; raises as `request` does."""
        headers = (
            headers_along() | self.headers | {"Content-Type": media_type} | ({"Idempotency-Key": key} if key else {})
        )
        try:
            async with self._asked(
                method, path, data=pieces, query=query_of(query), headers=headers, timeout=_STREAM_TIMEOUT
            ) as response:
                data = await self._body(response)
        except HTTP_ERRORS as error:
            detail = f"{self.url} went away while the file was sent ({type(error).__name__})"
            raise UnreachableProblem(f"{detail}; send it again: nothing is done twice") from error
        self._check(response, data)
        return self.decoded(data, answer, path)

    async def lines(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[bytes]:
        """Yield the lines of an answer as they come: NDJSON, or server-sent events. Raises as `request` does."""
        sent = headers_along() | self.headers | dict(headers or {})
        try:
            async with self._asked(
                method, path, data=body, query=query_of(query), headers=sent, timeout=_STREAM_TIMEOUT
            ) as response:
                self._check(response, b"" if response.status < _ERROR_MIN else await self._body(response))
                refusal = self._too_large(LINE_BYTES_MAX)
                async for line, _ in lines_within(response, LINE_BYTES_MAX, refusal=refusal):
                    yield line
        except HTTP_ERRORS as error:
            raise UnreachableProblem(f"{self.url} went away ({type(error).__name__}) in the middle of it") from error


def _may_pass(problem: AnsweredProblem | UnreachableProblem) -> bool:
    return isinstance(problem, UnreachableProblem) or problem.answer_status in _UNAVAILABLE


def query_of(query: Mapping[str, Any] | None) -> dict[str, str]:
    """Return query parameters as text, without those that are None."""
    words = {True: "true", False: "false"}
    given = {name: value for name, value in (query or {}).items() if value is not None}
    return {name: words[value] if isinstance(value, bool) else str(value) for name, value in given.items()}


def problem_document(data: bytes) -> dict[str, Any]:
    """Return the problem document that an answer's body is, or one that quotes it."""
    try:
        if not is_deep(data):
            return msgspec.json.decode(data, type=dict[str, Any])
    except DECODE_ERRORS:
        pass
    return {"detail": data[:300].decode("utf-8", "replace")}
