"""What names in a document mean: contexts of the package or inline, and what would change a meaning. Fetches nothing.

A proof over RDF covers meanings, not names. Whoever holds a document could say the same under other names, which the
proof still fits and no reader looks for: `validUntil` under an alias, and the credential never ends. So under such a
proof every name has the one meaning that the published contexts, or an inline one of ours, give it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from proto.canonical import canonical_json
from proto.documents.open_badge_context import (
    ISSUED_CONTEXT_DIGESTS,
    OPEN_BADGES_CONTEXT,
    OPEN_BADGES_EXTENSIONS,
    VC_CONTEXT,
)
from proto.documents.open_badge_names import NAMES
from proto.documents.vc_terms import KnownContexts
from proto.problem import InvalidProblem, MalformedProblem
from services.crypto.rdf_blank_nodes import UnsupportedJsonLdProblem

_FOLDER = Path(__file__).parents[1] / "contexts"
CONTEXT_COUNT_MAX = 1_000
VOCABULARY_COUNT_MAX = 8
UNDEFINED = "urn:credentify:undefined-term:"


class UnknownContextProblem(InvalidProblem):
    """A JSON-LD context that is not in the package: what the document means cannot be known here."""

    slug = "unknown-context"
    title = "The document uses a context that is not known here"


class UndefinedTermsProblem(InvalidProblem):
    """Terms or references that mean nothing in RDF, so that a signature over RDF does not cover them."""

    slug = "undefined-terms"
    title = "A signature does not cover all that the document says"


class RenamedTermsProblem(InvalidProblem):
    """The document says something under another name or at another place than those where readers look for it."""

    slug = "renamed-terms"
    title = "The document says something where readers do not look for it"


@cache
def pinned_contexts() -> Mapping[str, Any]:
    """Return the contexts of the package by their address: VC 2.0, Open Badges 3.0.3 and the extensions of it."""
    return MappingProxyType(
        {
            VC_CONTEXT: _read("credentials-v2.json"),
            OPEN_BADGES_CONTEXT: _read("open-badges-3.0.3.json"),
            OPEN_BADGES_EXTENSIONS: _read("open-badges-extensions.json"),
        }
    )


@cache
def known_contexts() -> KnownContexts:
    """Return the same contexts with what follows from them (`proto.documents.vc.check_credential`)."""
    return KnownContexts(pinned_contexts())


def _read(name: str) -> Any:
    return json.loads((_FOLDER / name).read_text(encoding="utf-8"))["@context"]


def refuse_other_meanings(document: Mapping[str, Any]) -> None:
    """Return if JSON and RDF of a document say the same, as far as names go; else raise.

    `UnknownContextProblem` for a context that is neither pinned nor an inline one that we ever issued, and
    `RenamedTermsProblem` for a name that is written as an address, but for those that readers of ours look for (no
    context gives them another), and for a second object that is the credential.
    """
    for node, is_root in _objects(document):
        if "@context" in node:
            _refuse_foreign(node["@context"])
        for key in node:
            if ":" in key and key not in NAMES:
                raise RenamedTermsProblem(f"{key[:60]!r} is an address: write the name that the contexts give it")
        if not is_root and len(node) > 1 and isinstance(node.get("id"), str) and node["id"] == document.get("id"):
            raise RenamedTermsProblem("Two objects have the credential's own id: what is said of it stands in one")


def _objects(document: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Yield the document and every object in it, those inside of contexts left out."""
    waiting: list[Any] = [document]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Mapping):
            yield found, found is document
            waiting.extend(value for key, value in found.items() if key != "@context")
        elif isinstance(found, list):
            waiting.extend(found)


def _refuse_foreign(context: Any) -> None:
    for item in context if isinstance(context, list) else [context]:
        if isinstance(item, str) and item not in pinned_contexts():
            raise UnknownContextProblem(f"The context {item[:200]!r} is not known here, and none is fetched")
        if isinstance(item, Mapping) and not _is_issued(item):
            raise UnknownContextProblem(
                "The document brings a context of its own, under which names could mean something else than they say: "
                "a proof over RDF is read under published contexts only",
                pointer="/@context",
            )


def _is_issued(context: Mapping[str, Any]) -> bool:
    try:
        return hashlib.sha256(canonical_json(dict(context))).hexdigest() in ISSUED_CONTEXT_DIGESTS
    except MalformedProblem:
        return False


class Resolver:
    """Replaces addresses of contexts by the contexts themselves; in marking mode, undefined terms get an IRI."""

    def __init__(self, contexts: Mapping[str, Any] | None, *, marks_undefined: bool) -> None:
        self._contexts = pinned_contexts() if contexts is None else contexts
        self._marks_undefined = marks_undefined
        self._count = 0
        self._terms: set[str] = set()
        self._vocabularies: set[str] = set()

    @property
    def outermost(self) -> list[Any]:
        """What stands before the document's own contexts."""
        return [{"@vocab": UNDEFINED}] if self._marks_undefined else []

    def may_expand(self, text: str, found: set[str]) -> bool:
        """Tell whether some context turns `text` into an IRI: as a term, by a prefix, or by a vocabulary of its own."""
        is_defined = not self._terms.isdisjoint({text, text.partition(":")[0]})
        return is_defined or any(vocabulary + text in found for vocabulary in self._vocabularies)

    def resolve(self, context: Any) -> list[Any]:
        """Return a `@context` value as a list of inline contexts, scoped ones inside it resolved as well."""
        items = context if isinstance(context, list) else [context]
        return [inline for item in items for inline in self._resolve_one(item)]

    def _resolve_one(self, item: Any) -> list[Any]:
        self._count += 1
        if self._count > CONTEXT_COUNT_MAX:
            raise UnsupportedJsonLdProblem(f"The document has more than {CONTEXT_COUNT_MAX} contexts")
        if item is None:
            return [None, *self.outermost]
        if isinstance(item, str):
            if item not in self._contexts:
                raise UnknownContextProblem(f"The context {item[:200]!r} is not known here, and none is fetched")
            return self._resolve_named(item)
        if not isinstance(item, Mapping):
            raise UnsupportedJsonLdProblem("A context is an address or an object", pointer="/@context")
        if "@import" in item:
            raise UnknownContextProblem("A context that imports another is not read here", pointer="/@context")
        if isinstance(item.get("@vocab"), str):
            self._vocabularies.add(item["@vocab"])
            if len(self._vocabularies) > VOCABULARY_COUNT_MAX:
                raise UnsupportedJsonLdProblem(f"The document has more than {VOCABULARY_COUNT_MAX} vocabularies")
        return [{term: self._definition(term, value) for term, value in item.items()}]

    def _resolve_named(self, address: str) -> list[Any]:
        """Return the context at an address; what follows from a pinned one is worked out once for all documents."""
        if self._contexts is not pinned_contexts():
            return self.resolve(self._contexts[address])
        found = _resolved(address, marks_undefined=self._marks_undefined)
        self._count += found.context_count
        self._terms |= found.terms
        return list(found.contexts)

    def resolved(self, context: Any) -> "_Resolved":
        """Return a context with what this resolver has learned of it, for others to share and leave as it is."""
        return _Resolved(tuple(self.resolve(context)), frozenset(self._terms), self._count)

    def _definition(self, term: str, value: Any) -> Any:
        if self._marks_undefined and not term.startswith("@"):
            self._refuse_hiding(term, value)
            self._terms.add(term)
        if not isinstance(value, Mapping) or "@context" not in value:
            return value
        return {**value, "@context": self.resolve(value["@context"])}

    @staticmethod
    def _refuse_hiding(term: str, value: Any) -> None:
        """Refuse definitions that make a term, or the keys under it, disappear on the way to RDF."""
        definition = value if isinstance(value, Mapping) else {"@id": value}
        containers = definition.get("@container")
        if definition.get("@id", "") is None or "@index" in (
            containers if isinstance(containers, list) else [containers]
        ):
            raise UndefinedTermsProblem(f"The document's context makes {term[:60]!r} disappear from what is signed")


class _Resolved(NamedTuple):
    """A pinned context, resolved: the contexts to put in its place, the terms in them, and how many it counts for."""

    contexts: tuple[Any, ...]
    terms: frozenset[str]
    context_count: int


@cache
def _resolved(address: str, *, marks_undefined: bool) -> _Resolved:
    # Another mapping than the pinned one, so that it is worked out indeed; it names the same contexts.
    return Resolver(dict(pinned_contexts()), marks_undefined=marks_undefined).resolved(pinned_contexts()[address])
