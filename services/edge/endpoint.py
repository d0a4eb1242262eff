"""One route at work: headers, parameters and body become typed arguments, and what the handler returns an answer."""

import functools
import inspect
from typing import Any

import msgspec
from aiohttp import hdrs, web
from multidict import CIMultiDict

from services.edge.auth import Authenticate, authenticated, idempotency_key_of
from services.edge.body import LIMITS_KEY, LINE_MEDIA_TYPES, BodyLimits, check_declared, off_loop, read_body
from services.edge.config import EdgeConfig
from services.edge.decode import decode_json, decode_parameters
from services.edge.form import FORM_MEDIA_TYPES, Form, read_form
from services.edge.media_type import media_type_of
from services.edge.problems import parameter_problem
from services.edge.reply import SECURITY_HEADERS, Reply, matches_etag
from services.edge.route import ARGUMENTS, Media, Route

_ENCODE = msgspec.json.Encoder().encode
_JSON: CIMultiDict[str] = CIMultiDict({hdrs.CONTENT_TYPE: "application/json", **SECURITY_HEADERS})
_NOT_MODIFIED = 304


class Endpoint:
    """Decodes what one route's handler asks for (`arguments`), and encodes what it returns (`render`).

    Raises `TypeError` on construction where route and handler contradict each other, so that such a service
    does not start.
    """

    def __init__(self, route: Route, *, config: EdgeConfig, authenticate: Authenticate | None, realm: str) -> None:
        self.route = route
        self.wanted = _wanted(route)
        self.limits = BodyLimits(
            bytes_max=route.body_bytes_max or config.body_bytes_max,
            timeout_seconds=route.body_timeout_seconds or config.body_timeout_seconds,
        )
        self.line_limits = BodyLimits(
            bytes_max=route.lines_bytes_max or self.limits.bytes_max,
            timeout_seconds=route.lines_seconds_max or config.body_timeout_seconds,
        )
        self._takes_lines = route.request_lines is not None
        self._authenticate = authenticate
        self._realm = realm
        self.is_plain = not self.wanted and not (
            route.takes_body or route.auth or route.idempotency or route.query or route.path_parameters
        )
        self._status = next(iter(route.response))
        self._headers = {status: _headers(content) for status, content in route.response.items()}
        self._repeatable = _repeatable(route.query)
        self._no_query = _without_query(route.query)
        self._media = _media(route)
        is_json = route.request not in (None, bytes, Form)
        self._decoder = msgspec.json.Decoder(route.request) if is_json else None
        if route.auth and authenticate is None:
            raise TypeError(f"{route.method} {route.path} needs `authenticate`, which make_app was not given")
        if is_json and not route.open_request:
            _refuse_open_structs(route)

    async def expect(self, request: web.Request) -> None:
        """Let a client that waits for `100 Continue` send its body, unless it said that it is too large."""
        limits = self.line_limits if self._is_lines(request) else self.limits
        if (request.content_length or 0) <= limits.bytes_max and request.headers[hdrs.EXPECT] == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # the answer itself has not begun

    async def arguments(self, request: web.Request) -> dict[str, Any]:
        """Return the handler's keyword arguments: what is cheap and needs no trust is checked first, the body last.

        Raises the `Problem` that refuses the request.
        """
        route = self.route
        found: dict[str, Any] = {}
        if route.auth:
            assert self._authenticate is not None
            found["principal"] = await authenticated(request, self._authenticate, realm=self._realm, scope=route.scope)
        if route.idempotency:
            found["idempotency_key"] = idempotency_key_of(request, required=route.idempotency == "required")
        if route.path_parameters:
            found["path"] = decode_parameters(request.match_info, route.path_parameters)
        if route.query:
            found["query"] = self._query(request, route.query)
        if route.takes_body:
            found["body"], found["raw"] = await self._body(request)
        return found if found.keys() == self.wanted else {name: found[name] for name in self.wanted}

    async def _body(self, request: web.Request) -> tuple[Any, bytes]:
        limits = self.line_limits if self._takes_lines and self._is_lines(request) else self.limits
        check_declared(request, limits.bytes_max, self._media)
        if self.route.streamed or limits is self.line_limits:
            request[LIMITS_KEY] = limits
            return None, b""
        if self.route.request is Form:
            return await read_form(request, self.limits), b""
        raw = await read_body(request, self.limits)
        if self._decoder is None:
            return raw, raw
        unique_keys = self.route.unique_keys
        return await off_loop(request, len(raw), decode_json, raw, self._decoder, unique_keys=unique_keys), raw

    def _is_lines(self, request: web.Request) -> bool:
        return self._takes_lines and media_type_of(request) in LINE_MEDIA_TYPES

    def _query(self, request: web.Request, kind: type[msgspec.Struct]) -> Any:
        if self._no_query is not None and "?" not in request.raw_path:
            return self._no_query
        return decode_parameters(self._query_values(request), kind)

    def _query_values(self, request: web.Request) -> dict[str, Any]:
        query = request.query
        values: dict[str, Any] = {}
        for name in query:
            given = query.getall(name)
            if name not in self._repeatable and len(given) > 1:
                raise parameter_problem(name[:100], "This parameter may be given once")
            values[name] = given if name in self._repeatable else given[0]
        return values

    def render(self, request: web.Request, value: Any) -> web.StreamResponse:
        """Return the response that a handler's value stands for; what a caller may read alone is kept by no cache."""
        response = self._rendered(request, value)
        if self.route.auth and hdrs.CACHE_CONTROL not in response.headers and not response.prepared:
            response.headers[hdrs.CACHE_CONTROL] = "no-store"
        return response

    def _rendered(self, request: web.Request, value: Any) -> web.StreamResponse:
        kind = type(value)
        if kind is Reply:
            return self._reply(request, value)
        if web.StreamResponse in kind.__mro__:  # it is an abstract class, for which isinstance is slow
            response: web.StreamResponse = value
            return response
        return self._encoded(value, self._status)

    def _reply(self, request: web.Request, reply: Reply) -> web.Response:
        if (
            reply.etag is not None
            and request.method in {"GET", "HEAD"}
            and matches_etag(request.headers.get(hdrs.IF_NONE_MATCH), reply.etag)
        ):
            response = web.Response(status=_NOT_MODIFIED)
        else:
            response = self._encoded(reply.value, reply.status)
        if reply.etag is not None:
            response.headers[hdrs.ETAG] = reply.etag
        if reply.headers:
            response.headers.update(reply.headers)
        return response

    def _encoded(self, value: Any, status: int) -> web.Response:
        headers = self._headers.get(status, _JSON)
        if headers is None:
            return web.Response(status=status)
        if isinstance(value, str):
            value = value.encode()
        return web.Response(body=value if isinstance(value, bytes) else _ENCODE(value), status=status, headers=headers)


def _headers(content: Any) -> CIMultiDict[str] | None:
    if isinstance(content, tuple):
        content = content[0]
    if content is None:
        return None
    if not isinstance(content, Media):
        return _JSON
    is_text = content.media_type.startswith("text/") and "charset" not in content.media_type
    media_type = content.media_type + ("; charset=utf-8" if is_text else "")
    return CIMultiDict({hdrs.CONTENT_TYPE: media_type, **SECURITY_HEADERS})


def _media(route: Route) -> tuple[str, ...]:
    """Return the media types that the route takes, all lower-case, as aiohttp gives them."""
    single = FORM_MEDIA_TYPES if route.request is Form else route.request_media if route.request is not None else ()
    return (*single, *(LINE_MEDIA_TYPES if route.request_lines is not None else ()))


def _repeatable(query: type[msgspec.Struct] | None) -> frozenset[str]:
    """Return the names of those query parameters that may be given more than once: the fields that hold a sequence."""
    if query is None:
        return frozenset()
    sequences = (msgspec.inspect.CollectionType, msgspec.inspect.VarTupleType)
    info = msgspec.inspect.type_info(query)
    assert isinstance(info, msgspec.inspect.StructType)
    return frozenset(field.encode_name for field in info.fields if isinstance(_bare(field.type), sequences))


def _bare(kind: msgspec.inspect.Type) -> msgspec.inspect.Type:
    """Return a type without its description."""
    return _bare(kind.type) if isinstance(kind, msgspec.inspect.Metadata) else kind


def _without_query(query: type[msgspec.Struct] | None) -> msgspec.Struct | None:
    """Return what a request without a query asks; None where it must have one, or its defaults could be changed."""
    if query is None or not query.__struct_config__.frozen or any(f.required for f in msgspec.structs.fields(query)):
        return None
    return query()


def _wanted(route: Route) -> frozenset[str]:
    """Return the arguments that the handler's signature names, after checking that the route can give each of them."""
    name = f"{route.method} {route.path}"
    parameters = list(inspect.signature(route.handler).parameters.values())[1:]
    wanted = frozenset(parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY)
    offered = {
        "body": route.takes_body,
        "raw": route.takes_body,
        "query": route.query,
        "path": route.path_parameters,
        "principal": route.auth,
        "idempotency_key": route.idempotency,
    }
    assert offered.keys() == ARGUMENTS
    if missing := sorted(argument for argument in wanted if not offered.get(argument)):
        raise TypeError(f"{name}: its handler asks for {', '.join(missing)}, which the route does not describe")
    if len(wanted) != len(parameters):
        raise TypeError(f"{name}: its handler takes the request, then keyword-only arguments")
    if route.scope and not route.auth:
        raise TypeError(f'{name}: a scope needs auth="bearer"')
    if route.path_parameters is not None:
        fields = {field.encode_name for field in msgspec.structs.fields(route.path_parameters)}
        if fields != set(route.placeholders):
            raise TypeError(f"{name}: path_parameters has the fields {sorted(fields)}")
    return wanted


def _refuse_open_structs(route: Route) -> None:
    """Raise `TypeError` where a Struct inside the request's type would silently drop unknown fields."""
    if (found := _open_struct(route.request)) is not None:
        raise TypeError(f"{route.method} {route.path}: {found.__name__} must forbid unknown fields")


@functools.cache
def _open_struct(request: Any) -> type | None:
    """Return a Struct inside the type that takes unknown fields; looked for once, however many apps a process makes."""
    waiting: list[Any] = [msgspec.inspect.type_info(request)]
    seen: set[type] = set()
    while waiting:
        info = waiting.pop()
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls in seen:
                continue
            seen.add(info.cls)
            if not info.forbid_unknown_fields:
                return info.cls
        if isinstance(info, (tuple, list)):
            waiting.extend(info)
        elif isinstance(info, (msgspec.inspect.Type, msgspec.inspect.Field)):
            waiting.extend(getattr(info, name) for name in info.__struct_fields__)
    return None
