"""How an operation of an OpenAPI document is called with curl, as a text to copy. Pure; sends nothing.

`$URL` stands for the address of the service and `$KEY` for an API key; what is to be filled in is in capitals.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_BRACES = re.compile(r"\{(\w+)\}")
_FILES = {_JSON: "body.json", "text/csv": "list.csv", "application/x-ndjson": "list.ndjson"}
_OTHER_FILE = "FILE"
_DEPTH_MAX = 6
_SIMPLE: Mapping[str, Any] = {"string": "…", "integer": 1, "number": 1, "boolean": True, "null": None}


def curl_of(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """Return the command; `operation` has its `path` and `method` beside what OpenAPI says of it."""
    parameters = operation.get("parameters", ())
    words = ["curl" if operation["method"] == "GET" else f"curl -X {operation['method']}"]
    path = _BRACES.sub(lambda found: found[1].upper(), operation["path"])
    asked = "&".join(
        f"{item['name']}={item['name'].upper()}"
        for item in parameters
        if item["in"] == "query" and item.get("required")
    )
    words.append(f'"$URL{path}{"?" + asked if asked else ""}"')
    if operation.get("security") and {} not in operation["security"]:
        words.append('-H "Authorization: Bearer $KEY"')
    words += [f"-H '{item['name']}: {item['name'].upper()}'" for item in parameters if _is_needed_header(item)]
    words += _body(operation.get("requestBody", {}).get("content", {}), schemas)
    return " \\\n  ".join(words)


def _is_needed_header(parameter: Mapping[str, Any]) -> bool:
    return parameter["in"] == "header" and bool(parameter.get("required"))


def _body(contents: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    """Yield the words that send a body: the first example of JSON, or what must be in it, or a file."""
    if not contents:
        return
    media = _JSON if _JSON in contents else next(iter(contents))
    if media == _FORM:
        yield from (f"-F '{name}=…'" for name in _resolved(contents[media]["schema"], schemas).get("properties", {}))
        return
    yield f"-H 'Content-Type: {media}'"
    content = contents[media]
    example = next((item["value"] for item in content.get("examples", {}).values()), None)
    if media == _JSON and example is None:
        example = sample_of(content.get("schema", {}), schemas)
    if media != _JSON or example is None:
        yield f"--data-binary @{_FILES.get(media, _OTHER_FILE)}"
        return
    text = json.dumps(example, ensure_ascii=False, indent=2).replace("'", "'\\''")
    yield f"--data '{text}'"


def sample_of(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int = 0) -> Any:
    """Return the smallest value that a schema lets in, as far as it says so; None where nothing must be sent."""
    schema = _resolved(schema, schemas)
    for name in ("const", "default"):
        if schema.get(name) is not None:
            return schema[name]
    if "enum" in schema:
        return schema["enum"][0]
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return sample_of(schema[name][0], schemas, depth)
    if schema.get("type") == "object" and depth < _DEPTH_MAX:
        members = schema.get("properties", {})
        return {
            name: sample_of(members[name], schemas, depth + 1) for name in schema.get("required", ()) if name in members
        }
    if schema.get("type") == "array":
        return [sample_of(schema.get("items", {}), schemas, depth + 1)] if schema.get("minItems") else []
    simple = _SIMPLE.get(str(schema.get("type")))
    return schema.get("minimum", simple) if isinstance(simple, int) and simple is not True else simple


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    place = schema.get("$ref")
    found: Mapping[str, Any] = schemas.get(str(place).rpartition("/")[2], {}) if place else schema
    return found
