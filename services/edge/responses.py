"""What a route answers, for its OpenAPI description: contents by status, and every refusal by name. Serves nothing."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from proto.problem import PROBLEM_TYPE_PREFIX, InvalidProblem, MalformedProblem, Problem, UnavailableProblem
from services.edge.body import LINE_MEDIA_TYPES
from services.edge.problems import (
    PROBLEM_MEDIA_TYPE,
    BodyTimeoutProblem,
    BodyTooLargeProblem,
    ForbiddenProblem,
    InternalProblem,
    MediaTypeProblem,
    NoRoomProblem,
    RateLimitedProblem,
    UnauthenticatedProblem,
    UnknownPathProblem,
)
from services.edge.route import Media, Route
from services.edge.schemas import REFERENCE, Schema, Schemas

PROBLEM_SCHEMA: Mapping[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457. `type` names the problem for machines, `detail` says what to do next; `pointer` "
    "(RFC 6901) names the first fault in JSON. Other members depend on `type`.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "pointer": {"type": "string", "format": "json-pointer"},
        "retry_after_seconds": {"type": "number"},
    },
    "required": ["type", "title", "status", "detail"],
    "additionalProperties": True,
}
BINARY: Mapping[str, Any] = {"type": "string", "format": "binary"}
"""Bytes as they are: what generators know them by."""
_STATUS_WORDS = {200: "OK", 201: "Made", 202: "Accepted, not finished", 204: "Done, nothing to say", 303: "See there"}
_NOT_MODIFIED = "304"
_WAITED_FOR = {RateLimitedProblem.status, UnavailableProblem.status}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds, where they are known", "schema": {"type": "integer"}}}
_ETAG = {"ETag": {"description": "To be sent back as If-None-Match", "schema": {"type": "string"}}}


def alternatives(shape: Any) -> Sequence[Any]:
    """Return every form that a body may have, the usual one first."""
    return shape if isinstance(shape, tuple) else (shape,)


def answered_types(route: Route) -> Iterator[Any]:
    """Yield every type that the route answers with."""
    for content in route.response.values():
        for each in alternatives(content):
            kind = each.of if isinstance(each, Media) else each
            if kind not in (None, bytes):
                yield kind


def responses(route: Route, schemas: Schemas, *, explained: Sequence[type[Problem]]) -> dict[str, Any]:
    """Return the `responses` of an operation: what it answers, then what it refuses, the lowest status first."""
    found: dict[str, Any] = {}
    for status, content in route.response.items():
        answer: dict[str, Any] = {"description": _STATUS_WORDS.get(status, "A page or a text that says what is wrong")}
        if bodies := {
            media: {"schema": schema} for each in alternatives(content) for media, schema in _body(each, schemas)
        }:
            answer["content"] = bodies
        if route.has_etag and status < int(_NOT_MODIFIED):
            answer["headers"] = _ETAG
        found[str(status)] = answer
    if route.has_etag and route.method == "GET":
        found[_NOT_MODIFIED] = {"description": "Not changed since", "headers": _ETAG}
    for code, refusal in _refusals(route, explained=explained):
        found[code] = _both(found[code], refusal) if code in found else refusal
    return found


def _body(content: Any, schemas: Schemas) -> Iterator[tuple[str, Schema]]:
    """Yield media type and schema; that of a sequence is an array's, as OpenAPI 3.2 has it for such media types."""
    if content is None:
        return
    if not isinstance(content, Media):
        yield "application/json", schemas.answered(content)
    elif content.of is bytes:
        yield content.media_type, dict(BINARY)
    else:
        schema = schemas.answered(content.of)
        is_sequence = content.media_type in LINE_MEDIA_TYPES
        yield content.media_type, {"type": "array", "items": schema} if is_sequence else schema


def _both(answer: Mapping[str, Any], refusal: Mapping[str, Any]) -> dict[str, Any]:
    """Return a status that is an answer in one form and a refusal in another."""
    content = {**refusal["content"], **answer.get("content", {})}
    return {**answer, "description": f"{answer['description']}; {refusal['description']}", "content": content}


def problems_of(route: Route, *, explained: Sequence[type[Problem]] = ()) -> list[type[Problem]]:
    """Return every refusal that the route can give: its own, those of the edge, and `explained`, each once."""
    kinds = [kind for each in (*route.problems, *explained) for kind in _family(each)]
    if route.auth:
        kinds += [UnauthenticatedProblem, ForbiddenProblem]
    if route.takes_key:
        kinds.append(UnauthenticatedProblem)
    if route.takes_body:
        kinds += [MalformedProblem, BodyTimeoutProblem, BodyTooLargeProblem, MediaTypeProblem, InvalidProblem]
        kinds.append(NoRoomProblem)
    if route.path != route.template:  # its path asks for a form, and what has another is no path at all
        kinds.append(UnknownPathProblem)
    if route.query or route.path_parameters or route.idempotency:
        kinds.append(InvalidProblem)
    if route.rate_limited:
        kinds.append(RateLimitedProblem)
    return list(dict.fromkeys([*kinds, InternalProblem]))


def _family(kind: type[Problem]) -> Iterator[type[Problem]]:
    """Yield a problem, and where it stands for a family, all that belong to it."""
    yield kind
    if vars(kind).get("is_family"):
        for each in kind.__subclasses__():
            yield from _descendants(each)


def _descendants(kind: type[Problem]) -> Iterator[type[Problem]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _descendants(each)


def _refusals(route: Route, *, explained: Sequence[type[Problem]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each status that the route refuses with, its problems by name and an example of each."""
    by_status: dict[int, list[type[Problem]]] = {}
    for kind in sorted(problems_of(route, explained=explained), key=lambda kind: kind.status):
        by_status.setdefault(kind.status, []).append(kind)
    for status, kinds in by_status.items():
        answer: dict[str, Any] = {
            "description": "; ".join(f"{kind.title} (`{kind.slug}`)" for kind in kinds),
            "content": {
                PROBLEM_MEDIA_TYPE: {
                    "schema": {"$ref": REFERENCE.format(name="Problem")},
                    "examples": {kind.slug: _example(kind) for kind in kinds},
                }
            },
        }
        yield str(status), answer | ({"headers": _RETRY_AFTER} if status in _WAITED_FOR else {})


def _example(kind: type[Problem]) -> dict[str, Any]:
    value = {"type": PROBLEM_TYPE_PREFIX + kind.slug, "title": kind.title, "status": kind.status}
    said = " ".join((kind.__doc__ or kind.title).split("\n\n")[0].split())
    return {"summary": kind.title, "value": value | {"detail": said}}
