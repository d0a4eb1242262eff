"""HTML forms, read into memory within their route's bounds: files in them never touch a disk (DESIGN 8)."""

import asyncio
from urllib.parse import parse_qsl

import msgspec
from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from proto.problem import MalformedProblem
from services.edge.body import BodyLimits, read_body
from services.edge.problems import BodyTimeoutProblem, BodyTooLargeProblem

FORM_MEDIA_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
FORM_FIELDS_MAX = 64


class Form(msgspec.Struct, frozen=True):
    """The fields of an HTML form: the bytes of each by name, of the last where one came twice; files are fields too."""

    fields: dict[str, bytes]

    def text(self, name: str) -> str:
        """Return a field as text, "" where it is absent; raises `MalformedProblem` where it is not UTF-8."""
        try:
            return self.fields.get(name, b"").decode()
        except UnicodeDecodeError as error:
            raise MalformedProblem(f"The field `{name}` is not UTF-8 text") from error


async def read_form(request: web.Request, limits: BodyLimits) -> Form:
    """Return the form that the body is; raises what `read_body` raises, and `MalformedProblem` where it is no form."""
    try:
        if request.content_type == "multipart/form-data":
            return await _multipart(request, limits)
        text = (await read_body(request, limits)).decode("ascii")  # what is not ASCII comes percent-encoded
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX, errors="strict")
        return Form({name: value.encode() for name, value in pairs})
    except (ValueError, AssertionError, LookupError, web.RequestPayloadError, HttpProcessingError) as error:
        raise MalformedProblem("The body is not the form that its Content-Type says") from error


async def _multipart(request: web.Request, limits: BodyLimits) -> Form:
    fields: dict[str, bytes] = {}
    try:
        async with asyncio.timeout(limits.timeout_seconds):
            async for part in await request.multipart():
                if not isinstance(part, BodyPartReader) or part.name is None or len(fields) == FORM_FIELDS_MAX:
                    raise MalformedProblem(f"A form has at most {FORM_FIELDS_MAX} fields, each with a name")
                fields[part.name] = await _part(request, part, limits.bytes_max)
    except TimeoutError as error:
        raise BodyTimeoutProblem(f"The body must arrive within {limits.timeout_seconds:g} seconds") from error
    return Form(fields)


async def _part(request: web.Request, part: BodyPartReader, bytes_max: int) -> bytes:
    gathered = bytearray()
    while chunk := await part.read_chunk():
        gathered += chunk
        if request.content.total_bytes > bytes_max:
            raise BodyTooLargeProblem(bytes_max)
    return bytes(gathered)
