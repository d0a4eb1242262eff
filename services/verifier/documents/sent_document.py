"""One document as it was sent: decoded once, when somebody first asks for what it holds. Judges nothing."""

import hashlib
from collections.abc import Mapping
from typing import Any

from proto.canonical import decode_json
from proto.documents.document import document_digest, without_proof
from proto.plain_json import decode_plain, plain_bytes

_NOT_DECODED = object()


class SentDocument:
    """A document in bytes, or as it was found inside of another; used by one thread after the other, never by two."""

    __slots__ = ("_content", "_digest", "_encoded", "_is_plain", "_is_tried", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        """The bytes that were sent; empty for what was found inside of another document."""
        self._content: Any = _NOT_DECODED
        self._encoded = b""
        self._digest: bytes | None = None
        self._is_plain = self._is_tried = False

    @classmethod
    def found_inside(cls, content: Any) -> "SentDocument":
        """Return a document that was decoded with what held it (`proto.canonical.decode_json`)."""
        found = cls(b"")
        found._content, found._is_tried = content, True
        return found

    @property
    def plain(self) -> dict[str, Any] | None:
        """The content where the short way reads it (`proto.plain_json`), else None; raises nothing."""
        if not self._is_tried:
            self._is_tried = True
            if (found := decode_plain(self.data)) is not None:
                self._content, self._encoded = found
                self._is_plain = True
        return self._content if self._is_plain else None

    @property
    def content(self) -> Any:
        """The decoded JSON; raises `MalformedProblem` for what two readers could understand differently."""
        if self.plain is None and self._content is _NOT_DECODED:
            self._content = decode_json(self.data)
        return self._content

    def digest(self) -> bytes:
        """Return the 32 bytes of SHA-256 over the canonical JSON without its proof; the content is a JSON object."""
        if self._digest is None:
            content: Mapping[str, Any] = self.content
            if not self._is_plain:
                self._digest = document_digest(content)
            else:
                encoded = plain_bytes(without_proof(content)) if "proof" in content else self._encoded
                self._digest = hashlib.sha256(encoded).digest()
            self._encoded = b""
        return self._digest
