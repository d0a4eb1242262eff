"""The OpenAPI 3.1 document of a route table, made from its msgspec types. Serves nothing."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from proto.problem import InvalidProblem, MalformedProblem, Problem
from services.edge.auth import IDEMPOTENCY_KEY_PATTERN
from services.edge.body import LINE_MEDIA_TYPES
from services.edge.form import FORM_FIELDS_MAX, FORM_MEDIA_TYPES, Form
from services.edge.problems import (
    PROBLEM_MEDIA_TYPE,
    BodyTimeoutProblem,
    BodyTooLargeProblem,
    ForbiddenProblem,
    InternalProblem,
    MediaTypeProblem,
    RateLimitedProblem,
    UnauthenticatedProblem,
)
from services.edge.route import Media, Route

OPENAPI_VERSION = "3.1.0"
_REFERENCE = "#/components/schemas/{name}"
_PROBLEM_SCHEMA: Mapping[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457. `pointer` (RFC 6901) names the first fault in JSON; other members depend on `type`.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "pointer": {"type": "string", "format": "json-pointer"},
    },
    "required": ["type", "title", "status", "detail"],
}
_FORM_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "maxProperties": FORM_FIELDS_MAX,
    "propertyNames": {"pattern": "^[A-Za-z0-9_-]{1,64}$"},
}
_STATUS_WORDS = {200: "OK", 201: "Made", 202: "Accepted, not finished", 204: "Done, nothing to say", 303: "See there"}


def openapi_document(*, title: str, version: str, description: str, routes: Sequence[Route]) -> dict[str, Any]:
    """Return the whole document: paths, one schema component for each Struct, and the problems of each route."""
    types = [kind for route in routes for kind in _types(route)]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    by_type = dict(zip(map(id, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route, by_type, components)
    document: dict[str, Any] = {
        "openapi": OPENAPI_VERSION,
        "info": {"title": title, "version": version, "description": description},
        "servers": [{"url": "."}],  # seen from this document, which may lie under a proxy's path
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {"schemas": {**components, "Problem": dict(_PROBLEM_SCHEMA)}},
    }
    if any(route.auth for route in routes):
        document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    return document


def _types(route: Route) -> Iterable[Any]:
    """Yield every type of the route that a schema is made from."""
    if route.request not in (None, bytes, Form):
        yield route.request
    yield from route.request_shapes.values()
    if route.request_lines is not None:
        yield route.request_lines
    yield from filter(None, (route.query, route.path_parameters))
    for content in route.response.values():
        kind = content.of if isinstance(content, Media) else content
        if kind is not None:
            yield kind


def _operation(route: Route, schemas: Mapping[int, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{route.template}").strip("_"),
        "summary": route.summary,
        "tags": [route.tag],
        "responses": _responses(route, schemas),
    }
    if route.description:
        operation["description"] = route.description
    if parameters := [*_parameters(route, schemas, components)]:
        operation["parameters"] = parameters
    if route.takes_body:
        operation["requestBody"] = {"required": True, "content": _request_content(route, schemas)}
    if route.auth:
        operation["security"] = [{"bearer": []}]
        if route.scope:
            operation["x-scope"] = route.scope
    return operation


def _parameters(route: Route, schemas: Mapping[int, Any], components: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    path = _properties(route.path_parameters, schemas, components)
    for name in route.placeholders:
        yield {
            "name": name,
            "in": "path",
            "required": True,
            **_described(path.get(name, ({"type": "string"}, True))[0]),
        }
    for name, (schema, is_required) in _properties(route.query, schemas, components).items():
        yield {"name": name, "in": "query", "required": is_required, **_described(schema)}
    if route.idempotency:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": route.idempotency == "required",
            "description": "The same key with the same body gives the same answer, and nothing is done twice.",
            "schema": {"type": "string", "pattern": IDEMPOTENCY_KEY_PATTERN},
        }


def _described(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter's schema, with its description lifted to the parameter."""
    rest = {key: value for key, value in schema.items() if key != "description"}
    return {"schema": rest} | ({"description": schema["description"]} if "description" in schema else {})


def _properties(
    kind: type[msgspec.Struct] | None, schemas: Mapping[int, Any], components: Mapping[str, Any]
) -> dict[str, tuple[Mapping[str, Any], bool]]:
    """Return schema, and whether it must be given, for each field of a query or path Struct."""
    if kind is None:
        return {}
    component = components[schemas[id(kind)]["$ref"].rpartition("/")[2]]
    required = set(component.get("required", ()))
    return {name: (schema, name in required) for name, schema in component["properties"].items()}


def _request_content(route: Route, schemas: Mapping[int, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if route.request is Form:
        content |= {media: {"schema": _FORM_SCHEMA} for media in FORM_MEDIA_TYPES}
    elif route.request is not None:
        shapes = {media: route.request_shapes.get(media, route.request) for media in route.request_media}
        content |= {media: {"schema": schemas.get(id(shape), {})} for media, shape in shapes.items()}
    if route.request_lines is not None:
        content[LINE_MEDIA_TYPES[0]] = {"schema": schemas[id(route.request_lines)]}
    return content


def _responses(route: Route, schemas: Mapping[int, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, content in route.response.items():
        answer: dict[str, Any] = {"description": _STATUS_WORDS.get(status, "Answer")}
        if isinstance(content, Media):
            answer["content"] = {content.media_type: {"schema": _shape(content, schemas)}}
        elif content is not None:
            answer["content"] = {"application/json": {"schema": schemas[id(content)]}}
        responses[str(status)] = answer
    return responses | _problem_responses(route, taken=responses)


def _shape(content: Media, schemas: Mapping[int, Any]) -> Mapping[str, Any]:
    """Return the schema of an answer; that of a sequence is an array's, as OpenAPI 3.2 has it for such media types."""
    schema: Mapping[str, Any] = schemas[id(content.of)]
    is_sequence = content.media_type in LINE_MEDIA_TYPES
    return {"type": "array", "items": schema} if is_sequence else schema


def problems_of(route: Route) -> list[type[Problem]]:
    """Return every refusal that the route can give: its own and those of the edge, each once."""
    kinds = list(route.problems)
    if route.auth:
        kinds += [UnauthenticatedProblem, ForbiddenProblem]
    if route.takes_body:
        kinds += [MalformedProblem, BodyTimeoutProblem, BodyTooLargeProblem, MediaTypeProblem, InvalidProblem]
    if route.query or route.path_parameters or route.idempotency:
        kinds.append(InvalidProblem)
    if route.rate_limited:
        kinds.append(RateLimitedProblem)
    return list(dict.fromkeys([*kinds, InternalProblem]))


def _problem_responses(route: Route, *, taken: Mapping[str, Any]) -> dict[str, Any]:
    by_status: dict[str, list[type[Problem]]] = {}
    for kind in sorted(problems_of(route), key=lambda kind: kind.status):
        by_status.setdefault(str(kind.status), []).append(kind)
    content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(name="Problem")}}}
    return {
        status: {"description": "; ".join(f"{kind.title} (`{kind.slug}`)" for kind in kinds), "content": content}
        for status, kinds in by_status.items()
        if status not in taken
    }
