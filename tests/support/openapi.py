"""The OpenAPI documents of all three services, made from their routes without starting them."""

import asyncio
import io
from collections.abc import Iterator, Sequence
from typing import Any

from services.edge import Log, Route
from services.edge.openapi import openapi_document
from services.edge.operations import Operations
from services.persistence.postgres_errors import EXPLAINED_PROBLEMS
from tests.support.reference_tables import routes_of

SERVICES = ("ledger", "gateway", "verifier")


def every_route(service: str) -> Sequence[Route]:
    """Return the routes of a service, those for its operator among them."""
    operations = Operations(
        service=service,
        version="1",
        log=Log(service, io.BytesIO()),
        metrics=lambda: b"",
        readiness={},
        timeout_seconds=1,
        stopping=asyncio.Event(),
    )
    return [*routes_of(service), *operations.routes()]


def described(service: str) -> dict[str, Any]:
    """Return the OpenAPI document of a service."""
    explained = () if service == "verifier" else EXPLAINED_PROBLEMS
    return openapi_document(
        title=service, version="1", description="…", routes=every_route(service), explained=explained
    )


def operations_of(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and description of each operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def schemas_in(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every JSON object inside of a document."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from schemas_in(item)
