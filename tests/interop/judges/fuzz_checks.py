"""Checks that the OpenAPI fuzzer runs besides its own; imported by it, in the judges' environment."""

import json
from typing import Any

import schemathesis

FORETOLD = ("Expected `", "Object missing", "Object contains", "Parameter `", "Invalid enum value", "Invalid value")
"""How msgspec's sentences on types begin: what they refuse, a schema can say."""


@schemathesis.deserializer("application/vc", "application/vp")  # type: ignore[untyped-decorator] # the package is not in this environment
def read_document(_: Any, response: Any) -> Any:
    """Return a document as the JSON that it is."""
    return json.loads(response.content)


@schemathesis.deserializer("application/x-ndjson")  # type: ignore[untyped-decorator] # the package is not in this environment
def read_lines(_: Any, response: Any) -> Any:
    """Return the lines."""
    return [json.loads(line) for line in response.content.splitlines()]


@schemathesis.check  # type: ignore[untyped-decorator] # the package is not in this environment
def schema_says_it_all(_: Any, response: Any, case: Any) -> None:
    """Refuse an answer that calls a schema-valid request ill-formed: then the schema is wrong."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 422:
        return
    if response.content.startswith(b"<"):
        return  # a page says it to a person
    problem = json.loads(response.content)
    if problem["detail"].endswith("got `float`"):
        return  # JSON Schema calls 1.0 an integer; here numbers that are signed and hashed are written as integers
    if problem["type"].endswith(":invalid") and problem["detail"].startswith(FORETOLD):
        raise AssertionError(f"The schema allows what is refused: {problem['detail']}")
