"""Refusals that HTTP itself gives rise to, and how any refusal is rendered. Knows no route and no service."""

import math
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from proto.problem import InvalidProblem, MalformedProblem, NotFoundProblem, Problem, UnavailableProblem
from proto.sentence import Sentence
from services.edge.log import Log, fault_values
from services.operator_fault import OperatorFault

PROBLEM_MEDIA_TYPE = "application/problem+json"
_HEADERS = {"Content-Type": PROBLEM_MEDIA_TYPE, "Cache-Control": "no-store"}
_ENCODE = msgspec.json.Encoder(enc_hook=str).encode


_MEBIBYTE = 1_048_576


class UnknownPathProblem(NotFoundProblem):
    """No route has this path."""

    slug = "unknown-path"
    title = "There is nothing at this path"


class MethodNotAllowedProblem(Problem):
    """The path exists, and this method does not; `Allow` and the member `allowed` list those that do."""

    slug = "method-not-allowed"
    title = "This path does not take this method"
    status = 405

    def __init__(self, detail: str, *, allowed: tuple[str, ...]) -> None:
        super().__init__(detail, members={"allowed": list(allowed)})
        self.headers = {"Allow": ", ".join(allowed)}


class BodyTooLargeProblem(Problem):
    """The body is larger than the route takes; the member `limit_bytes` says how much it takes."""

    slug = "body-too-large"
    title = "The request body is too large"
    status = 413

    def __init__(self, limit_bytes: int) -> None:
        whole, rest = divmod(limit_bytes, _MEBIBYTE)
        size = f"{limit_bytes} bytes" if rest else f"{limit_bytes} bytes ({whole} MiB)"
        super().__init__(f"This request takes a body of at most {size}", members={"limit_bytes": limit_bytes})


class TooManyLinesProblem(Problem):
    """An NDJSON body has more lines than the route takes; the member `limit_lines` says how many it takes."""

    slug = "too-many-lines"
    title = "The request has too many lines"
    status = 413

    def __init__(self, limit_lines: int) -> None:
        super().__init__(f"This request takes at most {limit_lines} lines", members={"limit_lines": limit_lines})


class MediaTypeProblem(Problem):
    """The body's Content-Type or Content-Encoding is not one that the route takes; `accepted` lists those it does."""

    slug = "unsupported-media-type"
    title = "This kind of content is not taken here"
    status = 415


class BodyTimeoutProblem(Problem):
    """The body did not arrive in time."""

    slug = "body-timeout"
    title = "The request body did not arrive in time"
    status = 408


class NoRoomProblem(UnavailableProblem):
    """As many bytes of request bodies are held as may be."""

    slug = "no-room"
    title = "There is no room for this request now"
    retry_after_seconds = 2


class UnauthenticatedProblem(Problem):
    """No bearer token, or one that is not known (RFC 6750 section 3)."""

    slug = "unauthenticated"
    title = "A valid API key is needed"
    status = 401

    def __init__(self, detail: str, *, realm: str, error: str | None = None) -> None:
        super().__init__(detail)
        challenge = f'Bearer realm="{realm}"'
        self.headers = {"WWW-Authenticate": challenge if error is None else f'{challenge}, error="{error}"'}


class ForbiddenProblem(Problem):
    """The API key is known, and its scopes do not allow this (RFC 6750 section 3.1)."""

    slug = "forbidden"
    title = "This API key may not do this"
    status = 403

    def __init__(self, detail: str | Sentence, *, realm: str = "credentify", scope: str | None = None) -> None:
        super().__init__(detail, members={} if scope is None else {"scope": scope})
        needed = "" if scope is None else f', scope="{scope}"'
        self.headers = {"WWW-Authenticate": f'Bearer realm="{realm}", error="insufficient_scope"{needed}'}


class RateLimitedProblem(Problem):
    """Too many requests from one client address; `Retry-After` says when the next is taken."""

    slug = "rate-limited"
    title = "Too many requests"
    status = 429

    def __init__(self, detail: str, *, retry_after_seconds: float) -> None:
        super().__init__(detail, retry_after_seconds=retry_after_seconds)


class PreconditionProblem(Problem):
    """What the client last saw is not what is there now (`If-Match`)."""

    slug = "precondition-failed"
    title = "It has changed since you read it"
    status = 412


class NotReadyProblem(UnavailableProblem):
    """The service is not ready; the member `failing` has one sentence for each check that fails."""

    slug = "not-ready"
    title = "The service is not ready"


class InternalProblem(Problem):
    """A fault of ours: the log has the rest, under the same request id."""

    slug = "internal"
    title = "Something went wrong on our side"
    status = 500


def problem_of_line(log: Log, error: Exception, *, number: int) -> Problem:
    """Return what stands in the place of one line, row or document of many, by what was raised over it.

    A refusal is told in its own words; of a fault of ours only that it was one, and the log says where, without words.
    """
    if isinstance(error, Problem) and error.status != InternalProblem.status:
        return error
    log.failure("line_failed", line=number, **fault_values(error))
    return InternalProblem("This one broke something on our side; the others are answered. Please report it")


class ListenFault(OperatorFault):
    """The service cannot listen where it was told to; for the operator, never sent over HTTP."""

    title = "The service cannot listen there"


def problem_response(problem: Problem) -> web.Response:
    """Return `problem` as `application/problem+json` (RFC 9457), with its own `headers` and `Retry-After`."""
    response = web.Response(body=_ENCODE(problem.document()), status=problem.status, headers=_HEADERS)
    response.headers.update(getattr(problem, "headers", {}))
    response.headers.update(retry_after(problem))
    return response


def retry_after(problem: Problem) -> dict[str, str]:
    """Return the header `Retry-After` in whole seconds, at least one; nothing where nobody knows when."""
    seconds = problem.retry_after_seconds
    return {} if seconds is None else {"Retry-After": str(max(1, math.ceil(seconds)))}


def from_http_exception(error: web.HTTPException, *, limit_bytes: int) -> Problem:
    """Return the problem that says what an aiohttp refusal (status 400 or more) says."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = tuple(sorted(error.allowed_methods))
        return MethodNotAllowedProblem(f"This path takes {', '.join(allowed)}", allowed=allowed)
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return BodyTooLargeProblem(limit_bytes)
    if isinstance(error, web.HTTPNotFound):
        return UnknownPathProblem("No route has this path; /docs lists those there are")
    if error.status >= InternalProblem.status:
        return InternalProblem("The service failed to answer")
    return MalformedProblem(f"The request was refused: {error.reason}")


def parameter_problem(name: str, detail: str) -> InvalidProblem:
    """Return the refusal of a path or query parameter; the member `parameter` names it (it is no JSON: no pointer)."""
    return InvalidProblem(detail, members={"parameter": name})


def problem_line(number: int, problem: Problem) -> Mapping[str, Any]:
    """Return the answer to one refused NDJSON line: `{line, status, problem}` (DESIGN 4)."""
    return {"line": number, "status": problem.status, "problem": problem.document()}
