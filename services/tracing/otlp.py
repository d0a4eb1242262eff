"""Spans by OpenTelemetry's library, sent as OTLP over HTTP by a thread of its own. The only module that imports it.

Whoever makes a span waits for nobody: it is put into a queue of bounded length, and lost where that is full or the
receiver is away.
"""

import asyncio
import contextlib
import logging
import secrets
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import requests
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from yarl import URL

from services.call_context import CallContext, carrying, current
from services.clients.http_session import proxy_for
from services.settings import http_url
from services.tracing import Attributes, Say, SpanKind

QUEUE_SPANS_MAX = 4_096
BATCH_SPANS_MAX = 512
SEND_EVERY_MS = 1_000
SEND_SECONDS_MAX = 3.0
END_SECONDS_MAX = 1.0
LINKS_MAX = 32
_SAY_AGAIN_SECONDS = 60.0
_SERVER_FAULT = 500
_KINDS = {
    "internal": trace.SpanKind.INTERNAL,
    "server": trace.SpanKind.SERVER,
    "client": trace.SpanKind.CLIENT,
}
_PROPAGATOR = TraceContextTextMapPropagator()


class _Troubles(logging.Handler):
    """Makes what the library says of a receiver that is away one line of our log, at most one a minute."""

    def __init__(self, say: Say) -> None:
        super().__init__(logging.WARNING)
        self._say = say
        self._said_at = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's unfilled sentence: the values filled in may be addresses."""
        if time.monotonic() - self._said_at >= _SAY_AGAIN_SECONDS:
            self._said_at = time.monotonic()
            self._say("traces_not_sent", words=str(record.msg))


class OtlpTracing:
    """Traces one service; `share` of the traces that begin here are recorded, and of others' what they record."""

    def __init__(self, *, url: str, share: float, service: str, version: str, say: Say) -> None:
        address = http_url(url, "TRACES_URL")
        self._provider = TracerProvider(
            resource=Resource.create(
                {
                    "service.name": f"credentify-{service}",
                    "service.version": version,
                    "service.instance.id": secrets.token_hex(8),
                }
            ),
            sampler=ParentBased(TraceIdRatioBased(share)),
            span_limits=SpanLimits(max_links=LINKS_MAX),
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(endpoint=address, timeout=SEND_SECONDS_MAX, session=_session(address))
        self._provider.add_span_processor(
            BatchSpanProcessor(
                exporter,
                max_queue_size=QUEUE_SPANS_MAX,
                max_export_batch_size=BATCH_SPANS_MAX,
                schedule_delay_millis=SEND_EVERY_MS,
            )
        )
        self._tracer = self._provider.get_tracer("credentify", version)
        self._troubles = _Troubles(say)
        logger = logging.getLogger("opentelemetry")
        logger.addHandler(self._troubles)
        logger.propagate = False

    @contextlib.contextmanager
    def span(
        self,
        name: str,
        *,
        kind: SpanKind = "internal",
        parents: Sequence[CallContext] | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Iterator[Attributes]:
        """Make a span of the block; see `Tracing`."""
        span = self._start(name, kind, [current()] if parents is None else parents, None)
        found: Attributes = dict(attributes or {})
        try:
            with carrying(CallContext(current().request_id, _text_of(span))):
                yield found
        except GeneratorExit:  # whoever read had enough
            raise
        except BaseException as error:
            _note_error(span, error)
            raise
        finally:
            span.set_attributes(found)
            status = found.get("http.response.status_code")
            if isinstance(status, int) and status >= _SERVER_FAULT:
                span.set_status(trace.StatusCode.ERROR)
            span.end()

    def record(
        self,
        name: str,
        *,
        started_ns: int,
        parents: Sequence[CallContext] = (),
        attributes: Mapping[str, Any] | None = None,
        error: BaseException | None = None,
    ) -> CallContext:
        """Make a span of what has ended now; see `Tracing`."""
        span = self._start(name, "internal", parents, started_ns)
        span.set_attributes(dict(attributes or {}))
        if error is not None:
            _note_error(span, error)
        span.end()
        return CallContext(None, _text_of(span))

    def _start(self, name: str, kind: SpanKind, parents: Sequence[CallContext], started_ns: int | None) -> trace.Span:
        contexts = [_context_of(each.traceparent) for each in parents[: LINKS_MAX + 1] if each.traceparent is not None]
        links = [trace.Link(trace.get_current_span(each).get_span_context()) for each in contexts[1:]]
        return self._tracer.start_span(
            name,
            context=contexts[0] if contexts else Context(),
            kind=_KINDS[kind],
            links=[link for link in links if link.context.is_valid],
            start_time=started_ns,
            record_exception=False,
            set_status_on_exception=False,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send what is still here once the block is over; a receiver that is away holds nobody up longer than that."""
        try:
            yield
        finally:
            loop, ended = asyncio.get_running_loop(), asyncio.Event()

            def end() -> None:
                self._provider.shutdown()
                with contextlib.suppress(RuntimeError):  # the loop has ended before us
                    loop.call_soon_threadsafe(ended.set)

            threading.Thread(target=end, daemon=True, name="traces").start()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS_MAX):
                    await ended.wait()
            logging.getLogger("opentelemetry").removeHandler(self._troubles)


def _session(url: str) -> requests.Session:
    """Return what opens connections as all our clients do: by the proxy of the environment, and without `~/.netrc`."""
    session = requests.Session()
    session.trust_env = False
    if (proxy := proxy_for(URL(url))) is not None:
        session.proxies = {"http": str(proxy), "https": str(proxy)}
    return session


def _context_of(traceparent: str) -> Context:
    """Return the library's form of a span of somebody's; an empty one where the text is none."""
    return _PROPAGATOR.extract({"traceparent": traceparent}, context=Context())


def _text_of(span: trace.Span) -> str:
    found = span.get_span_context()
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{int(found.trace_flags):02x}"


def _note_error(span: trace.Span, error: BaseException) -> None:
    """Say that it failed by the error's class alone: its words may hold what somebody sent."""
    span.set_attribute("error.type", type(error).__qualname__)
    span.set_status(trace.StatusCode.ERROR)
