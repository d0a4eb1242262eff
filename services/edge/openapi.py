"""The OpenAPI 3.1 document of a route table, made from its msgspec types. Serves nothing."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from proto.problem import Problem
from services.edge.auth import IDEMPOTENCY_KEY_PATTERN
from services.edge.body import LINE_MEDIA_TYPES
from services.edge.form import FORM_FIELDS_MAX, FORM_MEDIA_TYPES, Form
from services.edge.responses import BINARY, PROBLEM_SCHEMA, alternatives, answered_types, responses
from services.edge.route import Route
from services.edge.schemas import Schemas, plain_pattern

OPENAPI_VERSION = "3.1.0"
_FORM_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "maxProperties": FORM_FIELDS_MAX,
    "propertyNames": {"pattern": "^[A-Za-z0-9_-]{1,64}$"},
    "additionalProperties": {"type": "string"},
}
_KEY = {"type": "http", "scheme": "bearer", "description": "An API key: `Authorization: Bearer KEY`."}
_CONDITIONS = {
    "GET": ("If-None-Match", "The ETag of what is known already: 304 where that still holds."),
    "PUT": ("If-Match", "The ETag of what was read: 412 where somebody else has changed it since."),
}
_NO_SCHEME: Mapping[str, Any] = {}


def openapi_document(
    *, title: str, version: str, description: str, routes: Sequence[Route], explained: Sequence[type[Problem]] = ()
) -> dict[str, Any]:
    """Return the whole document: paths, one schema component for each Struct, and the problems of each route.

    `explained` are refusals that any route which does not belong to the edge itself may give. Raises `TypeError` where
    two operations have one name.
    """
    schemas = Schemas(
        sent=[kind for route in routes for kind in _sent_types(route)],
        answered=[kind for route in routes for kind in answered_types(route)],
        parameters=[kind for route in routes for kind in (route.query, route.path_parameters) if kind is not None],
    )
    _refuse_shared_names(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operation = _operation(route, schemas, explained=explained if route.rate_limited else ())
        paths.setdefault(route.template, {})[route.method.lower()] = operation
    document: dict[str, Any] = {
        "openapi": OPENAPI_VERSION,
        "info": {"title": title, "version": version, "description": description},
        "servers": [{"url": "."}],  # seen from this document, which may lie under a proxy's path
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {"schemas": {**schemas.components, "Problem": dict(PROBLEM_SCHEMA)}},
    }
    if any(route.auth or route.takes_key for route in routes):
        document["components"]["securitySchemes"] = {"bearer": _KEY}
    return document


def _refuse_shared_names(routes: Sequence[Route]) -> None:
    names: dict[str, Route] = {}
    for route in routes:
        other = names.setdefault(route.operation_id, route)
        if other is not route:
            raise TypeError(
                f"{route.method} {route.path} and {other.method} {other.path} are both the operation "
                f"{route.operation_id}: give one of them an `operation` of its own"
            )


def _sent_types(route: Route) -> Iterator[Any]:
    """Yield every type of the route's bodies that a schema is made from."""
    if route.request not in (None, bytes, Form):
        yield route.request
    for shape in route.request_shapes.values():
        yield from (each for each in alternatives(shape) if each is not bytes)
    if route.request_lines is not None:
        yield route.request_lines


def _operation(route: Route, schemas: Schemas, *, explained: Sequence[type[Problem]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "tags": [route.tag],
        "responses": responses(route, schemas, explained=explained),
    }
    if description := " ".join(filter(None, (route.description, route.again and f"Sent again: {route.again}."))):
        operation["description"] = description
    if parameters := [*_parameters(route, schemas)]:
        operation["parameters"] = parameters
    if route.takes_body:
        operation["requestBody"] = _request_body(route, schemas)
    if route.auth:
        operation["security"] = [{"bearer": []}]
        if route.scope:
            operation["x-scope"] = route.scope
    elif route.takes_key:
        operation["security"] = [_NO_SCHEME, {"bearer": []}]
    return operation


def _parameters(route: Route, schemas: Schemas) -> Iterator[dict[str, Any]]:
    path = schemas.parameters(route.path_parameters)
    for name in route.placeholders:
        schema = path.get(name, ({"type": "string"}, True))[0]
        yield {"name": name, "in": "path", "required": True, **_described(schema)}
    for name, (schema, is_required) in schemas.parameters(route.query).items():
        yield {"name": name, "in": "query", "required": is_required, **_described(schema)}
    if route.has_etag and route.method in _CONDITIONS:
        name, words = _CONDITIONS[route.method]
        yield {"name": name, "in": "header", "required": False, "description": words, "schema": {"type": "string"}}
    if route.idempotency:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": route.idempotency == "required",
            "description": "The same key with the same body gives the same answer, and nothing is done twice.",
            "schema": {"type": "string", "pattern": plain_pattern(IDEMPOTENCY_KEY_PATTERN)},
        }


def _described(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter's schema, with its description lifted to the parameter."""
    rest = {key: value for key, value in schema.items() if key != "description"}
    return {"schema": rest} | ({"description": schema["description"]} if "description" in schema else {})


def _request_body(route: Route, schemas: Schemas) -> dict[str, Any]:
    """Return the body of an operation; of media types that hold the same, one is described and the others are named.

    Clients would otherwise be generated with an argument for each, and could not tell them apart.
    """
    content: dict[str, Any] = {}
    for media, each in _request_content(route, schemas).items():
        if each not in content.values():
            content[media] = each
    if route.examples:
        content["application/json"]["examples"] = {name: {"value": value} for name, value in route.examples.items()}
    others = [media for media in (*route.request_media, *_lines(route)) if media not in content]
    body: dict[str, Any] = {"required": True, "content": content}
    if route.request is not Form and others:
        body["description"] = f"Also taken as {', '.join(f'`{media}`' for media in others)}."
    return body


def _lines(route: Route) -> tuple[str, ...]:
    return () if route.request_lines is None else LINE_MEDIA_TYPES


def _request_content(route: Route, schemas: Schemas) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if route.request is Form:
        content |= {media: {"schema": _FORM_SCHEMA} for media in FORM_MEDIA_TYPES}
    elif route.request is not None:
        shapes = {media: route.request_shapes.get(media, route.request) for media in route.request_media}
        for media, shape in shapes.items():
            found = [dict(BINARY) if each is bytes else schemas.sent(each) for each in alternatives(shape)]
            content[media] = {"schema": found[0] if len(found) == 1 else {"anyOf": found}}
    if route.request_lines is not None:
        content[LINE_MEDIA_TYPES[0]] = {"schema": schemas.sent(route.request_lines)}
    return content
