"""A receiver of OpenTelemetry traces on a real socket: decodes what comes by the library's own protobuf package."""

import contextlib
from collections.abc import AsyncIterator

import msgspec
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.support.ledgers import until
from tests.support.loopback import on_loopback


class ReceivedSpan(msgspec.Struct, frozen=True):
    """One span, as it came."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    links: tuple[str, ...]
    attributes: dict[str, str]
    is_error: bool


class OtlpReceiver:
    """Keeps the spans that came, and all bytes that were sent."""

    def __init__(self) -> None:
        self.spans: list[ReceivedSpan] = []
        self.raw = b""
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = next(
                each.value.string_value for each in resource.resource.attributes if each.key == "service.name"
            )
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        ReceivedSpan(
                            service=service,
                            name=span.name,
                            trace_id=span.trace_id.hex(),
                            span_id=span.span_id.hex(),
                            parent_id=span.parent_span_id.hex(),
                            links=tuple(link.trace_id.hex() for link in span.links),
                            attributes={each.key: _text(each.value) for each in span.attributes},
                            is_error=span.status.code == span.status.STATUS_CODE_ERROR,
                        )
                    )
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf"
        )

    def named(self, name: str, service: str = "") -> list[ReceivedSpan]:
        """Return the spans of that name."""
        return [span for span in self.spans if span.name == name and service in {"", span.service}]

    async def first(self, name: str, **attributes: str) -> ReceivedSpan:
        """Return a span of that name once it has come."""

        async def look() -> ReceivedSpan | None:
            return next((s for s in self.named(name) if attributes.items() <= s.attributes.items()), None)

        return await until(look, f"the span {name} is received")


def _text(value: object) -> str:
    return str(getattr(value, str(value.WhichOneof("value"))))  # type: ignore[attr-defined]  # made at run time


@contextlib.asynccontextmanager
async def otlp_receiver() -> AsyncIterator[OtlpReceiver]:
    """Run a receiver on a free port while the block runs."""
    receiver, app = OtlpReceiver(), web.Application()
    app.router.add_post("/v1/traces", receiver.take)
    async with on_loopback(app) as url:
        receiver.url = f"{url}/v1/traces"
        yield receiver
