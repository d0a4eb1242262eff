"""Answers: values with status, headers and ETag, pages for people, streams of lines. Knows no route."""

import base64
import hashlib
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import web

from services.edge.problems import PreconditionProblem

_ENCODE = msgspec.json.Encoder().encode
SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Server": "credentify",
}
"""On every answer, where the handler set no other value."""
UNBUFFERED: Mapping[str, str] = {"X-Accel-Buffering": "no"}
"""On an answer that is sent as it is made: nginx, and what follows it, would otherwise hold it back."""


class Reply(msgspec.Struct, frozen=True):
    """What a handler returns when a bare value does not say it all.

    `value` is encoded as JSON (bytes and str are sent as they are); `status` must be one that the route describes. With
    an `etag` the answer carries it, and a GET whose `If-None-Match` names it is answered 304 without body.
    """

    value: Any = None
    status: int = 200
    headers: Mapping[str, str] = {}
    etag: str | None = None


def etag_of(content: bytes) -> str:
    """Return a strong ETag for these bytes: 128 bits of their SHA-256, quoted (RFC 9110 section 8.8.3)."""
    return f'"{base64.urlsafe_b64encode(hashlib.sha256(content).digest()[:16]).rstrip(b"=").decode()}"'


def matches_etag(header: str | None, etag: str) -> bool:
    """Return whether an `If-None-Match` header names `etag` (weak comparison, RFC 9110 section 13.1.2) or is `*`."""
    if header is None:
        return False
    opaque = etag.removeprefix("W/")
    return any(tag.strip().removeprefix("W/") in {opaque, "*"} for tag in header.split(","))


def require_match(request: web.Request, etag: str) -> None:
    """Raise `PreconditionProblem` where `If-Match` was sent and names another than `etag` (RFC 9110 section 13.1.1)."""
    lines = request.headers.getall("If-Match", [])
    header = ",".join(lines)  # several lines are one list (RFC 9110 section 5.3)
    if not lines or header.strip() == "*":
        return
    if etag.startswith("W/") or etag not in [tag.strip() for tag in header.split(",")]:
        raise PreconditionProblem("Read it again and decide on what it says now")


def html_page(html: str, *, style: str = "", status: int = 200) -> web.Response:
    """Return a page that may load nothing from anywhere and run no script.

    `style` is the exact text between its `<style>` tags, which the policy then allows by its hash; forms may be sent to
    this service only.
    """
    policy = (
        f"default-src 'none'; style-src '{_source(style)}'; img-src 'self' data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {"Content-Security-Policy": policy}
    return web.Response(text=html, content_type="text/html", status=status, headers=headers)


def seal_of(*, style: str, script: str) -> str:
    """Return the policy of a page that runs this one script, shows this one style, and reaches nothing (CSP 3).

    Without what only a header may say, so that it can also stand in the page, where somebody keeps it as a file.
    """
    return (
        f"default-src 'none'; script-src '{_source(script)}'; style-src '{_source(style)}'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def sealed_page(html: str, *, seal: str, file_name: str | None = None) -> web.Response:
    """Return a page with a script under its policy of content (`seal_of`); with a name, as a file to keep."""
    headers = {"Content-Security-Policy": f"{seal}; frame-ancestors 'none'", "Cache-Control": "no-cache"}
    if file_name is not None:
        headers["Content-Disposition"] = f'attachment; filename="{file_name}"'
    response = web.Response(text=html, content_type="text/html", headers=headers)
    response.enable_compression()
    return response


def _source(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


class LineWriter:
    """An NDJSON answer, sent as it is made: `async with LineWriter(request) as lines: await lines.write(value)`.

    Nothing is sent before the first line or the end, so a problem raised before then is still answered as one; after
    that an error cuts the connection, and the missing end of the chunks tells the client that lines are missing.
    """

    def __init__(self, request: web.Request, *, headers: Mapping[str, str] | None = None, status: int = 200) -> None:
        self.response = web.StreamResponse(status=status, headers={**SECURITY_HEADERS, **UNBUFFERED, **(headers or {})})
        self.response.content_type = "application/x-ndjson"
        self._request = request

    async def write(self, value: Any) -> None:
        """Send one line: `value` as JSON, or bytes that are one line of JSON already. Waits for a slow client."""
        await self.write_raw((value if isinstance(value, bytes) else _ENCODE(value)) + b"\n")

    async def write_raw(self, lines: bytes) -> None:
        """Send whole lines, each with its line end."""
        if not self.response.prepared:
            await self.response.prepare(self._request)
        await self.response.write(lines)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            if not self.response.prepared:
                await self.response.prepare(self._request)
            await self.response.write_eof()
