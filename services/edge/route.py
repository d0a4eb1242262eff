"""How a service describes one route: the one description that dispatch and OpenAPI are both made from. Runs nothing."""

import dataclasses
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import msgspec

from proto.problem import Problem

Handler = Callable[..., Awaitable[Any]]
ARGUMENTS = frozenset({"body", "raw", "query", "path", "principal", "idempotency_key"})
_PLACEHOLDER = re.compile(r"\{(\w+)(?::[^{}]*(?:\{[^{}]*\}[^{}]*)*)?\}")


class Media(msgspec.Struct, frozen=True):
    """An answer that is not `application/json`: its media type and, where there is one, the type of what it holds.

    For NDJSON, `of` is the type of one line.
    """

    media_type: str
    of: Any = str


@dataclasses.dataclass(frozen=True)
class Route:
    """One method of one path.

    `handler(request, *, …)` is given, as keyword arguments, those of these that its signature names:

    - `body`: the decoded body, of type `request`; None when the body came as NDJSON
    - `raw`: the body's bytes as they were sent (b"" for NDJSON and multipart forms)
    - `query`: of type `query`      - `path`: of type `path_parameters`
    - `principal`: what the service's `authenticate` returned, on `auth="bearer"`
    - `idempotency_key`: the validated header, or None where it is optional and absent

    It returns a value (encoded as JSON with the first status of `response`), a `Reply`, or an aiohttp response; or it
    raises a `Problem`. Any other exception is a 500 that says nothing but the request id.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    """As aiohttp has it: `/v1/things/{thing_id}`, or `{rest:.+}` to take slashes."""
    handler: Handler
    _: dataclasses.KW_ONLY
    summary: str
    description: str = ""
    tag: str = "service"
    request: Any = None
    """Type of the JSON body; `bytes` for a body taken as it is (with `request_media`); `Form` for an HTML form."""
    request_media: tuple[str, ...] = ("application/json",)
    request_shapes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """For `request=bytes`: by media type, what the body holds (for NDJSON: a line), to be described, not decoded.

    A tuple where it may be of several types.
    """
    request_lines: Any = None
    """Type of one line, where the route (also) takes NDJSON; the handler reads it with `read_lines(request, …)`."""
    response: Mapping[int, Any] = dataclasses.field(default_factory=lambda: {204: None})
    """By status: the type of the JSON answer, a `Media`, or None for no body; a tuple where it has several forms."""
    has_etag: bool = False
    """The answer carries an ETag; asked for again with it, 304."""
    query: type[msgspec.Struct] | None = None
    path_parameters: type[msgspec.Struct] | None = None
    problems: tuple[type[Problem], ...] = ()
    """Refusals of the handler itself; those of the edge (401, 413, 415, 422, 429, …) are added where they apply."""
    auth: Literal["bearer"] | None = None
    takes_key: bool = False
    """An API key may be sent, and is not needed: it is only described here, and counted by the service (`admit`)."""
    scope: str | None = None
    idempotency: Literal["required", "optional"] | None = None
    again: str = ""
    """Of a route that writes and takes no Idempotency-Key: what the same request does when it is sent again."""
    unique_keys: bool = False
    """Refuse a JSON body in which any object has a key twice: for documents from outside (DESIGN 3.2)."""
    open_request: bool = False
    """Let the request's types ignore unknown fields; otherwise every Struct in it must forbid them."""
    body_bytes_max: int | None = None
    """None: the configured `body_bytes_max`."""
    lines_bytes_max: int | None = None
    """Bound of an NDJSON body, which is never held as a whole; None: that of any other body."""
    lines_seconds_max: float | None = None
    """Seconds that an NDJSON body may take, answers and all; None: the configured `body_timeout_seconds`."""
    body_timeout_seconds: float | None = None
    """None: the configured `body_timeout_seconds`."""
    streamed: bool = False
    """The handler itself reads the body as it comes, with `read_chunks` (`request=bytes`); it is not held."""
    operation: str = ""
    """What generated clients call it; "": the handler's name."""
    examples: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """JSON bodies that the route takes, by name, for its description."""
    any_origin: bool = False
    """Pages of any origin may read its answers, refusals too: nothing in them is for its caller only."""
    rate_limited: bool = True
    logged: bool = True
    """False: only answers of 400 and more get a request log line (probes come every second)."""

    @property
    def template(self) -> str:
        """The path without the patterns of its placeholders, as OpenAPI, logs and metrics have it."""
        return _PLACEHOLDER.sub(r"{\1}", self.path)

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Names of the path's placeholders, in order."""
        return tuple(_PLACEHOLDER.findall(self.path))

    @property
    def operation_id(self) -> str:
        """The operation's name, one of its own in its service; clients are generated from it, so it stays."""
        handler: Any = self.handler
        return self.operation or str(handler.__name__)

    @property
    def takes_body(self) -> bool:
        """Whether requests have a body."""
        return self.request is not None or self.request_lines is not None
