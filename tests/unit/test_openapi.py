"""What generators of clients read: every service's OpenAPI document, without a service."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import re2
from jsonschema import Draft202012Validator
from jsonschema_specifications import REGISTRY
from openapi_spec_validator import OpenAPIV31SpecValidator
from openapi_spec_validator.schemas import schema_v31
from referencing.jsonschema import DRAFT202012

from proto.event_fields import NameField
from services.edge import Form, Route
from services.edge.openapi import openapi_document
from services.edge.responses import problems_of
from services.edge.schemas import plain_pattern
from tests.support.openapi import SERVICES, described, every_route, operations_of, schemas_in

NAMES = Path(__file__).parent / "operation_names.json"
"""What generated clients call each operation: a change here breaks their users."""
DOCUMENTS = {service: described(service) for service in SERVICES}
READS_OLD_LOGS = {msgspec.inspect.type_info(NameField).pattern}  # type: ignore[attr-defined] # it is a StrType


class Validator(OpenAPIV31SpecValidator):
    """The validator of OpenAPI 3.1, whose own schema is looked through once, not at each reference in it."""

    schema_validator = Draft202012Validator(
        dict(schema_v31),
        registry=REGISTRY.with_resource(schema_v31["$id"], DRAFT202012.create_resource(dict(schema_v31))).crawl(),
    )


@pytest.mark.parametrize("service", SERVICES)
def test_every_document_is_valid(service: str) -> None:
    assert DOCUMENTS[service]["openapi"].startswith("3.1.")
    Validator(DOCUMENTS[service]).validate()


def test_a_document_with_a_fault_is_not_valid() -> None:
    faulty = json.loads(json.dumps(DOCUMENTS["ledger"]))
    for _, _, operation in operations_of(faulty):
        operation["responses"]["200"] = {"description": 7}
    assert not Validator(faulty).is_valid()


@pytest.mark.parametrize("service", SERVICES)
def test_operations_keep_the_names_that_clients_were_generated_with(service: str) -> None:
    names = {f"{method} {path}": each["operationId"] for method, path, each in operations_of(DOCUMENTS[service])}
    known = json.loads(NAMES.read_text())[service]
    assert {key: names.get(key) for key in known} == known, "clients were generated with these names"
    assert names == known, f"write the new operations into {NAMES.name}: they stay from now on"
    assert all(name.isidentifier() and name.islower() for name in names.values())


@pytest.mark.parametrize("service", SERVICES)
def test_every_pattern_is_one_of_re2_and_of_ecmascript(service: str) -> None:
    patterns = {each["pattern"] for each in schemas_in(DOCUMENTS[service]) if isinstance(each.get("pattern"), str)}
    assert patterns
    for pattern in patterns:
        re2.compile(pattern)
        assert pattern.endswith("$")
        assert "(?" not in pattern, "ECMAScript and RE2 share no such group"
        assert "\\u" not in pattern, "RE2 writes it otherwise"


@pytest.mark.parametrize("service", SERVICES)
def test_no_text_of_ours_may_end_in_a_line_feed_that_its_pattern_does_not_show(service: str) -> None:
    patterns = {info.pattern for route in every_route(service) for info in texts_of(route)} - {None, *READS_OLD_LOGS}
    assert {pattern for pattern in patterns if not str(pattern).endswith("\\Z")} == set()


def test_a_pattern_is_written_for_every_reader() -> None:
    assert plain_pattern(r"^[a-z]+\Z") == "^[a-z]+$"
    assert plain_pattern("^[^\\ufeff]\\Z") == "^[^\ufeff]$"


def texts_of(route: Route) -> Iterator[msgspec.inspect.StrType]:
    """Yield every text in what a route is sent."""
    kinds = [route.query, route.path_parameters, route.request_lines, *route.request_shapes.values(), route.request]
    waiting: list[Any] = [
        msgspec.inspect.type_info(each)
        for kind in kinds
        for each in (kind if isinstance(kind, tuple) else (kind,))
        if each not in (None, bytes, Form)
    ]
    seen: set[type] = set()
    while waiting:
        info = waiting.pop()
        if isinstance(info, msgspec.inspect.StrType):
            yield info
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls in seen:
                continue
            seen.add(info.cls)
        if isinstance(info, (tuple, list)):
            waiting.extend(info)
        elif isinstance(info, (msgspec.inspect.Type, msgspec.inspect.Field)):
            waiting.extend(getattr(info, name) for name in info.__struct_fields__)


@pytest.mark.parametrize("service", SERVICES)
def test_a_client_need_not_send_what_has_a_default(service: str) -> None:
    document = DOCUMENTS[service]
    for _, _, operation in operations_of(document):
        for schema in reached(document, operation.get("requestBody")):
            assert "default" not in schema, "generators of TypeScript demand what has one"
        for parameter in operation.get("parameters", ()):
            assert not ("default" in parameter["schema"] and parameter["required"])


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_answered_has_no_default_because_what_is_absent_is_absent(service: str) -> None:
    document = DOCUMENTS[service]
    for _, _, operation in operations_of(document):
        for schema in reached(document, operation["responses"]):
            assert "default" not in schema


def reached(document: dict[str, Any], node: Any) -> Iterator[dict[str, Any]]:
    """Yield every schema that a part of the document holds or refers to."""
    waiting, seen = [node], set[str]()
    while waiting:
        for found in schemas_in(waiting.pop()):
            yield found
            name = str(found.get("$ref", "")).rpartition("/")[2]
            if name and name not in seen:
                seen.add(name)
                waiting.append(document["components"]["schemas"][name])


@pytest.mark.parametrize("service", SERVICES)
def test_every_refusal_is_described_at_its_status_with_an_example(service: str) -> None:
    described_at = {(method, path): each for method, path, each in operations_of(DOCUMENTS[service])}
    for route in every_route(service):
        responses = described_at[route.method, route.template]["responses"]
        for kind in problems_of(route):
            content = responses[str(kind.status)]["content"]["application/problem+json"]
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert content["examples"][kind.slug]["value"]["type"] == f"urn:credentify:problem:{kind.slug}"


@pytest.mark.parametrize("service", ["gateway", "ledger"])
def test_a_database_that_is_away_is_described_wherever_it_is_asked(service: str) -> None:
    for _, path, operation in operations_of(DOCUMENTS[service]):
        if "operations" not in operation["tags"]:
            examples = operation["responses"]["503"]["content"]["application/problem+json"]["examples"]
            assert "database-unavailable" in examples, path


def test_a_rule_of_the_log_is_described_with_each_status_that_it_may_have() -> None:
    issue = DOCUMENTS["gateway"]["paths"]["/v1/credentials"]["post"]["responses"]
    assert "out-of-scope" in issue["403"]["content"]["application/problem+json"]["examples"]


def test_the_verifier_says_that_an_api_key_may_be_sent_and_is_not_needed() -> None:
    document = DOCUMENTS["verifier"]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    verify = document["paths"]["/v1/verifications"]["post"]
    assert verify["security"] == [{}, {"bearer": []}]
    assert "quota-used-up" in verify["responses"]["429"]["content"]["application/problem+json"]["examples"]


def test_what_may_be_verified_and_imported_is_described() -> None:
    verify = DOCUMENTS["verifier"]["paths"]["/v1/verifications"]["post"]["requestBody"]
    shapes = verify["content"]["application/json"]["schema"]["anyOf"]
    assert [each.get("$ref", each.get("type")) for each in shapes] == [
        "#/components/schemas/CredentialDocument",
        "#/components/schemas/PresentationDocument",
        "#/components/schemas/DocumentWithStatusLists",
        "array",
    ]
    assert verify["content"]["application/pdf"]["schema"] == {"type": "string", "format": "binary"}
    assert "`application/vc`" in verify["description"]
    for name, count in (("open-badges", 2), ("elm", 4), ("microhe", 2)):  # elm: also in a wrapper, or in a seal
        body = DOCUMENTS["gateway"]["paths"][f"/v1/imports/{name}"]["post"]["requestBody"]
        assert len(body["content"]["application/json"]["schema"]["anyOf"]) == count


@pytest.mark.parametrize("service", SERVICES)
def test_every_example_is_one_that_the_route_takes(service: str) -> None:
    for route in every_route(service):
        for example in route.examples.values():
            if route.request is not bytes:
                msgspec.convert(example, route.request)


async def nothing(request: Any) -> None:
    """Answer nothing."""


def test_two_operations_of_one_name_are_refused_before_a_service_starts() -> None:
    routes = [Route("GET", path, nothing, summary="x") for path in ("/a", "/b")]
    with pytest.raises(TypeError, match="GET /b and GET /a are both the operation nothing"):
        openapi_document(title="x", version="1", description="x", routes=routes)
