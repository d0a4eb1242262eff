"""What a European Digital Credential may come in: the wrapper of its upload, or a JAdES signature. Judges no signature.

The wrapper is `{"credential": …}`; JAdES (ETSI TS 119 182-1) in JSON is a JWS (RFC 7515 section 7.2), whose payload is
the credential in base64url, or as it is where its header says so.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from proto.base64_strict import decode_base64
from proto.canonical import decode_json
from proto.imports.elm_reader import NotAnElmCredentialProblem
from proto.imports.json_reader import escape
from proto.problem import InvalidProblem, MalformedProblem

_LAYERS_MAX = 3
_STANDARD_ALPHABET = str.maketrans("-_", "+/")
_SIGNATURE_MEMBERS = frozenset({"signatures", "signature", "protected", "header"})


class Unwrapped(msgspec.Struct, frozen=True, kw_only=True):
    """A credential, the JSON pointer to it, pointers to what stands beside it, and whether it came signed."""

    document: Any
    pointer: str = ""
    beside: tuple[str, ...] = ()
    is_sealed: bool = False


def unwrapped(document: Any) -> Unwrapped:
    """Return the credential in a document, which may be the credential itself.

    Raises `NotAnElmCredentialProblem` for a payload that is no JSON.
    """
    found = Unwrapped(document=document)
    for _ in range(_LAYERS_MAX):
        name = _layer(found.document)
        if name is None:
            return found
        pointer = f"{found.pointer}/{name}"
        is_seal = name == "payload"
        found = Unwrapped(
            document=_payload(found.document[name], pointer) if is_seal else found.document[name],
            pointer=pointer,
            beside=(*found.beside, *_beside(found, name)),
            is_sealed=found.is_sealed or is_seal,
        )
    return found


def _layer(document: Any) -> str | None:
    """Return under which name the credential stands, or None where this is none of the known wrappers."""
    if not isinstance(document, Mapping) or "type" in document:
        return None
    if isinstance(document.get("payload"), str | Mapping) and _SIGNATURE_MEMBERS & document.keys():
        return "payload"
    return "credential" if isinstance(document.get("credential"), str | Mapping) else None


def _beside(found: Unwrapped, name: str) -> Iterator[str]:
    for member in found.document:
        if member != name:
            yield f"{found.pointer}/{escape(str(member))}"


def _payload(payload: Any, pointer: str) -> Any:
    if not isinstance(payload, str):
        return payload
    try:
        is_plain = payload.lstrip().startswith("{")
        return decode_json(payload.encode() if is_plain else _from_base64url(payload))
    except (MalformedProblem, InvalidProblem, UnicodeError, ValueError) as error:
        raise NotAnElmCredentialProblem(
            "The payload of the signature is no JSON document: it is the credential in base64url", pointer=pointer
        ) from error


def _from_base64url(text: str) -> bytes:
    plain = text.strip().rstrip("=").translate(_STANDARD_ALPHABET)
    return decode_base64(plain + "=" * (-len(plain) % 4))
