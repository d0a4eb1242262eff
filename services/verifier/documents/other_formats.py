"""What a file or a document is that is no credential of the kind that is judged here: its name, and no verdict on it.

Who brings a picture, a token or a credential of another standard has forged nothing. So it is said what it is; whether
it is genuine is not.
"""

import re
from collections.abc import Mapping
from typing import Any

from proto.documents.baked_picture import kind_of
from proto.problem import MalformedProblem

_BOM = b"\xef\xbb\xbf"
_LOOKED_AT = 2_048
_TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*(~[A-Za-z0-9._~-]*)?\Z")
_PAGE = re.compile(rb"<(!doctype html|html|\?xml)\b", re.IGNORECASE)
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_JWT = (
    "This is a credential in a signed token (JWT). Tokens are not judged here: ask whoever issued it for the "
    "credential as JSON with a proof inside, or check it where it was issued"
)
_PICTURE_SAID = (
    "This is a picture. If it is a badge, the credential is inside of it: take it out with the program that "
    "showed you the badge, and send the JSON"
)
_ARCHIVE = "This is an archive (ZIP, or a document of an office program): send the credential that is inside of it"
_XML = "This is a page or XML: send the credential as JSON, as the institution gives it to its learner"
_VC_1 = "https://www.w3.org/2018/credentials/v1"
_NEWER = re.compile(
    r"https://(www\.w3\.org/ns/credentials/v([3-9]|[1-9]\d)"
    r"|purl\.imsglobal\.org/spec/ob/v(3p[1-9]|([4-9]|[1-9]\d)p\d)/context[-\d.]*\.json)\Z"
)
_EUROPASS_CONTEXTS = ("http://data.europa.eu/snb/model/context", "https://data.europa.eu/snb/model/context")
_EUROPASS_TYPES = frozenset({"EuropeanDigitalCredential", "EuropassCredential"})
_ENVELOPED = frozenset({"EnvelopedVerifiableCredential", "EnvelopedVerifiablePresentation"})


_UTF_16_SAID = "This text is in UTF-16; JSON is read in UTF-8: save it in UTF-8, and send it again"
SAID = (_JWT, _PICTURE_SAID, _ARCHIVE, _XML, _UTF_16_SAID)
"""All that is said of such files."""


class OtherFormatProblem(MalformedProblem):
    """What was sent is no JSON of a credential but something that has a name: a picture, a token, another encoding."""

    slug = "other-format"
    title = "This is not the JSON of a credential"


def json_in(data: bytes) -> bytes:
    """Return what was sent without the byte order mark that some editors put before it.

    Raises `OtherFormatProblem` for what is known not to be JSON in UTF-8, and says what it is.
    """
    data = data.removeprefix(_BOM)
    if data[:1] == b"{" or data[:1] == b"[":
        if data[1:2] == b"\0":
            raise OtherFormatProblem(_UTF_16_SAID)
        return data
    said = _other(data)
    if said:
        raise OtherFormatProblem(said)
    return data


def _other(data: bytes) -> str | None:
    start = data[:_LOOKED_AT].lstrip()
    said = (
        (_PICTURE_SAID, data.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8")) or kind_of(start) is not None),
        (_UTF_16_SAID, data.startswith(_UTF_16) or data[:2] in {b"\0{", b"\0["}),
        (_ARCHIVE, data.startswith(b"PK\x03\x04")),
        (_XML, _PAGE.match(start)),
        (_JWT, _TOKEN.match(data.strip().strip(b'"'))),
    )
    return next((text for text, is_it in said if is_it), None)


def token_in(content: Any) -> str | None:
    """Return what is to be said of a text that is a signed token; None for anything else."""
    is_token = isinstance(content, str) and content.isascii() and _TOKEN.match(content.encode())
    return _JWT if is_token else None


def format_of(content: Mapping[str, Any]) -> str | None:
    """Return the code of the check that names another standard than VC 2.0, by what a document says of itself."""
    inner = content.get("credential")
    if isinstance(inner, Mapping) and "credentialSubject" not in content:
        return format_of(inner)
    types, contexts = _texts(content.get("type")), _texts(content.get("@context"))
    said = (
        ("document-enveloped", _ENVELOPED & types),
        ("document-signed-outside", "payload" in content and {"signature", "signatures"} & content.keys()),
        ("document-europass", _EUROPASS_TYPES & types or any(map(_is_europass, contexts))),
        ("document-learner-record", "ClrCredential" in types or any("/spec/clr/" in name for name in contexts)),
        ("document-open-badges-2", "https://w3id.org/openbadges/v2" in contexts),
        ("document-older-model", _VC_1 in contexts),
        ("document-newer-model", any(map(_NEWER.match, contexts))),
    )
    return next((code for code, is_it in said if is_it), None)


def _is_europass(context: str) -> bool:
    return context.startswith(_EUROPASS_CONTEXTS)


def _texts(value: Any) -> frozenset[str]:
    return frozenset(item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str))
