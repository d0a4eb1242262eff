"""JSON over HTTP for the command: one request, its typed answer, and problem documents as problems. Knows no route."""

from collections.abc import Mapping
from typing import Any, TypeVar

import aiohttp
import msgspec

from proto.problem import Problem, UnavailableProblem

_T = TypeVar("_T")
_TIMEOUT = aiohttp.ClientTimeout(total=60, connect=10)
_ERROR_MIN = 400


class UnreachableProblem(UnavailableProblem):
    """A service does not answer at its address."""

    slug = "unreachable"
    title = "The service does not answer"


class AnsweredProblem(Problem):
    """A service refused; `answer` is its RFC 9457 problem document and `answer_status` the HTTP status."""

    slug = "service-refused"
    title = "The service refused"

    def __init__(self, answer: Mapping[str, Any], answer_status: int) -> None:
        detail = str(answer.get("detail") or answer.get("title") or f"HTTP status {answer_status}")
        super().__init__(detail, pointer=answer.get("pointer"), members={"answer": dict(answer)})
        self.answer = dict(answer)
        self.answer_status = answer_status

    @property
    def answer_slug(self) -> str:
        """The last part of the answer's problem type, such as `not-found`."""
        return str(self.answer.get("type", "")).rpartition(":")[2]


class HttpClient:
    """One service at one address; the session belongs to the caller."""

    def __init__(self, session: aiohttp.ClientSession, url: str, *, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        self.session = session
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

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
        try:
            return msgspec.json.decode(data, type=answer)
        except msgspec.DecodeError as error:
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
        sent = self.headers | dict(headers or {}) | ({"Content-Type": content_type} if body is not None else {})
        try:
            async with self.session.request(
                method, self.url + path, data=body, params=query, headers=sent, timeout=_TIMEOUT
            ) as response:
                data = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UnreachableProblem(f"{self.url} does not answer ({type(error).__name__}): is it running?") from error
        if response.status >= _ERROR_MIN:
            raise AnsweredProblem(problem_document(data), response.status)
        return data


def problem_document(data: bytes) -> dict[str, Any]:
    """Return the problem document that an answer's body is, or one that quotes it."""
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.DecodeError:
        return {"detail": data[:300].decode("utf-8", "replace")}
