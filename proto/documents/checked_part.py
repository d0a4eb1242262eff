"""What documents share that was found good within one of them, so that it is not looked through in each. Pure.

Nothing is known again by being the same object: a part is known by its bytes, and holds for a document that has these
bytes at these places, under the same types and contexts. Only `proto.documents.vc.check_shared` makes one.
"""

from collections.abc import Hashable, Mapping
from typing import Any, Final

import msgspec

from proto.documents.shape import shape_of
from proto.documents.vc_terms import KnownContexts

SHARED: Final = (("@context",), ("issuer",), ("credentialSchema",), ("credentialSubject", "achievement"))
"""Where documents of one achievement say the same."""
_DECIDING: Final = (("type",), ("credentialSubject", "type"))
"""What else decides on what the names in there mean."""
SHAPES_MAX = 64
_ENCODE = msgspec.json.Encoder().encode
_TOKEN = object()


class CheckedPart:
    """The bytes at each shared place of a document that had no fault, and under what they were checked.

    Besides, of documents that have this part, the shapes of the rest in which no name was at fault.
    """

    __slots__ = ("_bytes", "_contexts", "_shapes")
    _bytes: tuple[bytes, ...]
    _contexts: KnownContexts
    _shapes: set[Hashable]

    def __init__(self, document: Mapping[str, Any], contexts: KnownContexts, token: object) -> None:
        if token is not _TOKEN:
            raise TypeError("a part is checked by proto.documents.vc.check_shared, which alone makes one")
        object.__setattr__(self, "_bytes", tuple(_encoded_at(document, place) for place in (*SHARED, *_DECIDING)))
        object.__setattr__(self, "_contexts", contexts)
        object.__setattr__(self, "_shapes", set())

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a checked part is never changed")

    def is_in(self, document: Mapping[str, Any], contexts: KnownContexts | None) -> bool:
        """Tell whether the document says the same, byte for byte, at each of these places."""
        return contexts is self._contexts and all(
            _encoded_at(document, place) == known
            for place, known in zip((*SHARED, *_DECIDING), self._bytes, strict=True)
        )

    def rest_of(self, document: Mapping[str, Any]) -> Hashable | None:
        """Return the shape of what a document says besides this part, which it has; None where there is none."""
        return shape_of(document, kept=self._contexts.type_names, without=SHARED)

    def knows(self, rest: Hashable | None) -> bool:
        """Tell whether the names of a rest of this shape were looked through before."""
        return rest is not None and rest in self._shapes

    def remember(self, rest: Hashable | None) -> None:
        """Remember a shape of which no name is at fault."""
        if rest is not None and len(self._shapes) < SHAPES_MAX:
            self._shapes.add(rest)


def made_by_the_checker(document: Mapping[str, Any], contexts: KnownContexts) -> CheckedPart:
    """Return the part of a document in which `check_credential` found no fault; nobody else calls this."""
    return CheckedPart(document, contexts, _TOKEN)


def _encoded_at(document: Mapping[str, Any], place: tuple[str, ...]) -> bytes:
    found: Any = document
    for name in place:
        found = found.get(name) if isinstance(found, Mapping) else None
    return _ENCODE(found)
