"""HTML forms, read into memory within their route's bounds: files in them never touch a disk (DESIGN 8).

Everything is counted before it is taken apart, and a large form is taken apart in a thread.
"""

import binascii
import re
from collections.abc import Iterable, Iterator

import msgspec
from aiohttp import web

from proto.problem import MalformedProblem
from proto.sentence import sentence
from services.edge.body import BodyLimits, off_loop, read_body
from services.edge.media_type import media_type_of

FORM_MEDIA_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
FORM_FIELDS_MAX = 64
PART_HEAD_BYTES_MAX = 4_096
BOUNDARY_CHARACTERS_MAX = 70  # RFC 2046 section 5.1.1
_NAME = re.compile(
    rb"content-disposition:[ \t]*form-data[ \t]*;[ \t]*"
    rb'(?:filename="[^"]*"[ \t]*;[ \t]*)?name=(?:"([^"]*)"|([^";\s]+))'
)
_WRONG_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_PIECE_BYTES = 262_144
_LINE_END, _HEAD_END = b"\r\n", b"\r\n\r\n"


class Form(msgspec.Struct, frozen=True):
    """The fields of an HTML form: the bytes of each by name, of the last where one came twice; files are fields too.

    `every` has all that came of each name, in their order: a field for several files sends each by the same name.
    """

    fields: dict[str, bytes]
    every: dict[str, list[bytes]] = {}

    def text(self, name: str) -> str:
        """Return a field as text, "" where it is absent; raises `MalformedProblem` for what no text field holds."""
        content = self.fields.get(name, b"")
        if b"\0" in content:  # nothing that is kept can hold it
            raise MalformedProblem(sentence("The field `{name}` holds the null character: write it anew", name=name))
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise MalformedProblem(sentence("The field `{name}` is no UTF-8 text: write it anew", name=name)) from error


async def read_form(request: web.Request, limits: BodyLimits) -> Form:
    """Return the form that the body is; raises what `read_body` raises, and `MalformedProblem` where it is no form."""
    boundary = _boundary(request) if media_type_of(request) == "multipart/form-data" else None
    body = await read_body(request, limits)
    if boundary is None:
        return await off_loop(request, len(body), urlencoded, body)
    return await off_loop(request, len(body), multipart, body, boundary)


def urlencoded(body: bytes) -> Form:
    """Return the form in `application/x-www-form-urlencoded` bytes; raises `MalformedProblem`."""
    if body.count(b"&") >= FORM_FIELDS_MAX:
        raise _too_many()
    if not body.isascii():  # what is not ASCII comes percent-encoded
        raise _no_form()
    pairs = [pair.partition(b"=")[::2] for pair in body.split(b"&") if pair]
    return _form((_text(_unquoted(name)), _utf8(_unquoted(value))) for name, value in pairs)


def multipart(body: bytes, boundary: bytes) -> Form:
    """Return the form in `multipart/form-data` bytes (RFC 7578); raises `MalformedProblem`.

    Its parts begin at once: what stands before the first or behind the last is refused.
    """
    mark = b"--" + boundary
    if body.count(_LINE_END + mark) > FORM_FIELDS_MAX + 1:
        raise _too_many()
    first, *parts = (_LINE_END + body).split(_LINE_END + mark)
    if first or not parts or parts.pop().strip(b" \t\r\n") != b"--":
        raise _no_form()
    return _form(map(_part, parts))


def _form(pairs: Iterable[tuple[str, bytes]]) -> Form:
    every: dict[str, list[bytes]] = {}
    for name, value in pairs:
        every.setdefault(name, []).append(value)
    return Form({name: values[-1] for name, values in every.items()}, every)


def _part(part: bytes) -> tuple[str, bytes]:
    """Return name and content of one part, which begins behind its boundary."""
    head, is_headed, content = part.lstrip(b" \t").partition(_HEAD_END)
    if not is_headed or not head.startswith(_LINE_END) or len(head) > PART_HEAD_BYTES_MAX:
        raise _no_form()
    lines = head.removeprefix(_LINE_END).split(_LINE_END)
    names = [found[1] or found[2] or b"" for line in lines if (found := _NAME.match(_lower_name(line)))]
    if len(names) != 1:
        raise MalformedProblem("Each part of a form has one name: Content-Disposition: form-data; name=…")
    return _text(names[0]), content


def _lower_name(line: bytes) -> bytes:
    """Return a header line with its name and its type in small letters."""
    name, colon, value = line.partition(b":")
    kind, semicolon, rest = value.partition(b";")
    return name.lower() + colon + kind.lower() + semicolon + rest


def _boundary(request: web.Request) -> bytes:
    """Return the boundary that the Content-Type names."""
    parameters = request.headers.get("Content-Type", "").split(";")[1:]
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        text = value.strip().strip('"')
        if name.strip().lower() == "boundary" and text.isascii() and 0 < len(text) <= BOUNDARY_CHARACTERS_MAX:
            return text.encode()
    raise _no_form()


def _unquoted(text: bytes) -> bytes:
    """Return what percent-encoded bytes stand for; raises `MalformedProblem` where they are not well formed."""
    return b"".join(map(_unquoted_piece, _pieces(text)))


def _pieces(text: bytes) -> Iterator[bytes]:
    """Yield a text in pieces that cut no escape; between them other threads have their turn."""
    start = 0
    while start < len(text):
        end = start + _PIECE_BYTES
        begun = text.rfind(b"%", end - 2, end) if end < len(text) else -1
        end = begun if begun >= 0 else end
        yield text[start:end]
        start = end


def _unquoted_piece(text: bytes) -> bytes:
    """Percent-encoding is quoted-printable with another sign, and the standard library reads that in C."""
    if b"%" not in text:
        return text.replace(b"+", b" ")
    if _WRONG_ESCAPE.search(text):
        raise _no_form()
    return binascii.a2b_qp(text.replace(b"=", b"%3D").replace(b"+", b"%20").replace(b"%", b"="))


def _text(name: bytes) -> str:
    return _utf8(name).decode()


def _utf8(value: bytes) -> bytes:
    try:
        value.decode()
    except UnicodeDecodeError as error:
        raise _no_form() from error
    return value


def _too_many() -> MalformedProblem:
    return MalformedProblem(f"A form has at most {FORM_FIELDS_MAX} fields, each with a name")


def _no_form() -> MalformedProblem:
    return MalformedProblem("The body is not the form that its Content-Type says")
