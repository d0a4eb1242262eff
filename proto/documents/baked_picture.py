"""Credentials inside of pictures, by Open Badges 3.0 section 5.3: put into a PNG or an SVG, and taken out again. Pure.

A PNG has it in an uncompressed text chunk (`iTXt`, PNG section 11.3.3.4) of the name `openbadgecredential`; an SVG in
an element `credential` of the namespace of Open Badges, directly inside of its root, as CDATA. What a stranger's
picture holds besides is passed over: no chunk is unpacked, no picture drawn, no entity of XML resolved.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from typing import Final, Literal
from xml.parsers import expat

from proto.problem import InvalidProblem

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
SVG_NAMESPACE: Final = "https://purl.imsglobal.org/ob/v3p0"
CREDENTIAL_BYTES_MAX = 1_048_576
_KEYWORDS = (b"openbadgecredential", b"openbadges")
"""Of version 3, and of version 2, whose badges are told apart by what they hold."""
_NAMESPACES = (SVG_NAMESPACE, "https://purl.imsglobal.org/ob/v3p0/", "http://openbadges.org")
_CHUNKS_MAX = 20_000
_ELEMENTS_MAX = 200_000
_HEAD, _CRC_BYTES = struct.Struct(">I4s"), 4
_SVG_START = re.compile(rb"<svg\b[^<>]*>")
_SVG_BEGIN = re.compile(
    rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*\?>\s*)?((?><!--.*?-->)\s*|<!DOCTYPE[^>\[]*>\s*)*(<svg\b|<!DOCTYPE\s+svg\b)",
    re.DOTALL | re.IGNORECASE,
)
"""A comment ends where it first can, whatever follows: else hundreds of them are read in as many ways as there are."""
_LOOKED_AT = 4_096
_ROOT_DEPTH = 1
PictureKind = Literal["PNG", "SVG"]
PICTURE_MEDIA: Final = ("image/png", "image/svg+xml")


class BakedPictureProblem(InvalidProblem):
    """The picture holds no credential, several, or cannot be read."""

    slug = "picture"
    title = "No credential can be taken out of the picture"


_LOST = (
    "No credential is inside of this picture ({kind}). A screenshot has none, and messengers and editors take it out: "
    "ask for the file as the institution gave it out, or for the JSON"
)
_BROKEN = "The picture ({kind}) is damaged: {why}. Ask for the file again, or for the credential's JSON"
_SEVERAL = "Several credentials are inside of this picture ({kind}); take them out and send each alone"
_LARGE = "What is inside of this picture ({kind}) is larger than a credential may be; ask for the credential's JSON"


def kind_of(data: bytes) -> PictureKind | None:
    """Return whether this is a PNG or an SVG, by how it begins."""
    if data.startswith(PNG_SIGNATURE):
        return "PNG"
    return "SVG" if _SVG_BEGIN.match(data[:_LOOKED_AT]) else None


def credential_in(data: bytes) -> bytes:
    """Return the credential inside of a PNG or an SVG, JSON or a token; raises `BakedPictureProblem`."""
    kind = kind_of(data) or "PNG"
    found = list(_in_png(data) if kind == "PNG" else _in_svg(data))
    if not found:
        raise BakedPictureProblem(_LOST.format(kind=kind))
    if len(found) > 1:
        raise BakedPictureProblem(_SEVERAL.format(kind=kind))
    return found[0]


def with_credential(picture: bytes, credential: bytes) -> bytes:
    """Return a PNG or an SVG with a credential (JSON) inside; raises `BakedPictureProblem` for another picture."""
    if picture.startswith(PNG_SIGNATURE):
        return _baked_png(picture, credential)
    if (tag := _SVG_START.search(picture)) is None:
        raise BakedPictureProblem("This is neither a PNG nor an SVG")
    start = tag[0][:-1] + b' xmlns:openbadges="' + SVG_NAMESPACE.encode() + b'">'
    said = credential.replace(b"]]>", b"]]\\u003e")  # inside of a JSON text, where alone it can stand, it is the same
    inside = b"<openbadges:credential><![CDATA[" + said + b"]]></openbadges:credential>"
    return picture[: tag.start()] + start + inside + picture[tag.end() :]


def _baked_png(picture: bytes, credential: bytes) -> bytes:
    length, _ = _HEAD.unpack_from(picture, len(PNG_SIGNATURE))
    place = len(PNG_SIGNATURE) + _HEAD.size + length + _CRC_BYTES  # behind IHDR, which comes first
    content = _KEYWORDS[0] + b"\0\0\0\0\0" + credential  # not compressed, no language, no translated keyword
    kind = b"iTXt"
    chunk = _HEAD.pack(len(content), kind) + content + struct.pack(">I", zlib.crc32(kind + content))
    return picture[:place] + chunk + picture[place:]


def _in_png(data: bytes) -> Iterator[bytes]:
    place = len(PNG_SIGNATURE)
    for _ in range(_CHUNKS_MAX):
        if place + _HEAD.size > len(data):
            raise BakedPictureProblem(_BROKEN.format(kind="PNG", why="its end is missing"))
        length, kind = _HEAD.unpack_from(data, place)
        begins, ends = place + _HEAD.size, place + _HEAD.size + length
        if ends + _CRC_BYTES > len(data):
            raise BakedPictureProblem(_BROKEN.format(kind="PNG", why="its end is missing"))
        content = _text_of(data, begins, ends) if kind == b"iTXt" else None
        if content is not None:
            if zlib.crc32(data[place + 4 : ends]) != int.from_bytes(data[ends : ends + _CRC_BYTES]):
                raise BakedPictureProblem(_BROKEN.format(kind="PNG", why="a part of it was altered"))
            yield content
        if kind == b"IEND":
            return
        place = ends + _CRC_BYTES
    raise BakedPictureProblem(_BROKEN.format(kind="PNG", why="it has more parts than a picture has"))


def _text_of(data: bytes, begins: int, ends: int) -> bytes | None:
    """Return the text of a chunk that is named for a credential, None for any other."""
    keyword, is_ended, rest = data[begins : min(ends, begins + 64)].partition(b"\0")
    if not is_ended or keyword not in _KEYWORDS:
        return None
    if rest[:1] != b"\0":
        raise BakedPictureProblem(
            "The credential inside of this picture (PNG) is compressed, which Open Badges forbids: ask for the JSON"
        )
    if ends - begins > CREDENTIAL_BYTES_MAX:
        raise BakedPictureProblem(_LARGE.format(kind="PNG"))
    _language, _, rest = data[begins + len(keyword) + 3 : ends].partition(b"\0")
    _translated_keyword, is_ended, text = rest.partition(b"\0")
    if not is_ended:
        raise BakedPictureProblem(_BROKEN.format(kind="PNG", why="its text cannot be read"))
    return text


class _SvgReader:
    """Hears the elements of one SVG and keeps what stands in those of Open Badges."""

    def __init__(self) -> None:
        self._found: list[list[str]] = []
        self._depth = 0
        self._elements_left = _ELEMENTS_MAX
        self._bytes_left = CREDENTIAL_BYTES_MAX
        self._taking: int | None = None

    @property
    def found(self) -> list[str]:
        """The texts of the elements, each whole."""
        return ["".join(pieces) for pieces in self._found]

    def read(self, data: bytes) -> None:
        """Read the whole; raises `BakedPictureProblem`, and `expat.ExpatError` for what is no XML."""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.Parse(data, True)

    @staticmethod
    def _doctype(_name: str, _system: str | None, _public: str | None, has_internal_subset: int) -> None:
        if has_internal_subset:
            raise BakedPictureProblem(
                _BROKEN.format(kind="SVG", why="it declares entities, as some drawing programs do")
            )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements_left -= 1
        if self._elements_left < 0:
            raise BakedPictureProblem(_BROKEN.format(kind="SVG", why="it has more parts than a picture has"))
        space, _, local = name.rpartition(" ")
        if self._depth == _ROOT_DEPTH and space in _NAMESPACES and local in {"credential", "assertion"}:
            self._taking = self._depth
            self._found.append([])
            self._text(attributes.get("verify", ""))
        self._depth += 1

    def _end(self, _name: str) -> None:
        self._depth -= 1
        if self._taking == self._depth:
            self._taking = None

    def _text(self, text: str) -> None:
        if self._taking is None:
            return
        self._bytes_left -= len(text.encode())
        if self._bytes_left < 0:
            raise BakedPictureProblem(_LARGE.format(kind="SVG"))
        self._found[-1].append(text)  # a text that elements cut into thousands of pieces is put together once


def _in_svg(data: bytes) -> Iterator[bytes]:
    reader = _SvgReader()
    try:
        reader.read(data)
    except (expat.ExpatError, UnicodeError) as error:
        raise BakedPictureProblem(_BROKEN.format(kind="SVG", why="it is not well-formed XML")) from error
    yield from (text.strip().encode() for text in reader.found if text.strip())
