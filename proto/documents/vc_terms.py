"""Which names in a JSON-LD document no context defines. Expands nothing, fetches nothing, knows no credential.

A name that no context defines means nothing: RDF drops it, and two readers may take it for two things. JCS signs it all
the same, which is why documents are asked before they are signed, and after a JCS proof was found good. The scopes of
JSON-LD 1.1 are followed (contexts of types and of properties, protected terms); values are not looked at.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from proto.problem import InvalidProblem

NODE_DEPTH_MAX: Final = 64
TERMS_REMEMBERED_MAX: Final = 256
INLINE_BYTES_MAX: Final = 8_192
"""An inline context of more bytes is worked out again for each document."""
_IRI = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+\Z")
_KEYWORDS = frozenset({"@context", "@id", "@type", "@value", "@language", "@direction"})
_ENCODE = msgspec.json.Encoder().encode
Fault = tuple[str, str]


class ContextNotGivenProblem(InvalidProblem):
    """The document names a context that is not at hand: what its names mean cannot be known."""

    slug = "context-not-given"
    title = "The document uses a context that is not known here"


class _Terms:
    """The terms in force at a place, and those in force once further contexts lie on top, as far as asked before."""

    __slots__ = ("_are_defined", "_are_plain", "_type_names", "changed", "definitions", "extended")

    def __init__(self, definitions: Mapping[str, Any], changed: tuple[str, ...] = ()) -> None:
        self.definitions = definitions
        self.changed = changed
        self._are_defined: dict[str, bool] = {}
        self._are_plain: dict[str, bool] = {}
        self._type_names: frozenset[str] | None = None
        self.extended: dict[str | bytes | int, tuple[Any, _Terms]] = {}

    def get(self, name: str) -> Any:
        """Return the definition of a term, or None."""
        return self.definitions.get(name)

    @property
    def type_names(self) -> frozenset[str]:
        """The keys under which a node says its types."""
        if self._type_names is None:
            aliases = (name for name, definition in self.definitions.items() if _iri_of(definition) == "@type")
            self._type_names = frozenset(("@type", *aliases))
        return self._type_names

    def is_plain(self, name: str) -> bool:
        """Tell whether a text under this key has nothing to be asked: a defined term without a context of its own."""
        found = self._are_plain.get(name)
        if found is None:
            definition = self.definitions.get(name)
            found = definition is not None and self.defines(name) and not _scope(definition)
            if definition is not None:
                self._are_plain[name] = found
        return found

    def defines(self, name: str) -> bool:
        """Tell whether a key or type means something; remembered for terms, of which there are not more and more."""
        found = self._are_defined.get(name)
        if found is None:
            found = _is_defined(name, self.definitions)
            if name in self.definitions:
                self._are_defined[name] = found
        return found


class KnownContexts:
    """The contexts that documents may name, by their addresses, and what follows from them; they never change.

    What was worked out for one document is remembered for the next; used by one thread at a time or by several, which
    then may work out the same twice.
    """

    def __init__(self, contexts: Mapping[str, Any]) -> None:
        self.contexts: Mapping[str, Any] = MappingProxyType(dict(contexts))
        self._none = _Terms({})
        self._remembered_count = 0

    @functools.cached_property
    def type_names(self) -> frozenset[str]:
        """Every name that says a type somewhere in these contexts."""
        return frozenset(("@type", *_aliases_of_type(self.contexts)))

    def undefined_names(
        self, document: Mapping[str, Any], *, passed: frozenset[tuple[str, ...]] = frozenset()
    ) -> Iterator[Fault]:
        """Yield pointer and sentence for every key and type that has no meaning, and for meanings that were changed.

        Raises `ContextNotGivenProblem` where the document names a context that is not among these. `passed` are places
        (names from the document on) in which nothing was found before, under the same contexts and types.
        """
        pointers = frozenset("".join(f"/{_escaped(name)}" for name in place) for place in passed)
        yield from self._node(document, self._begin(), "", 0, pointers)

    def _begin(self) -> _Terms:
        """Return the terms before any context; forgets what is remembered once it is as much as is kept."""
        if self._remembered_count >= TERMS_REMEMBERED_MAX:
            self._none, self._remembered_count = _Terms({}), 0
        return self._none

    def _node(
        self, node: Mapping[str, Any], terms: _Terms, pointer: str, depth: int, passed: frozenset[str]
    ) -> Iterator[Fault]:
        """Yield the faults of one object and of all below it but `passed`; `terms` are those that come from above."""
        if "@context" in node:
            terms, changed = self._opened(terms, node["@context"])
            yield from ((f"{pointer}/@context", said) for said in changed)
        scoped = terms
        for name in _types(node, terms):
            if not terms.defines(name):
                yield f"{pointer}/type", f"{name[:60]!r} is a type that no context defines"
            scoped = self._extended(scoped, _scope(terms.get(name)))
        for key, value in node.items():
            if key in _KEYWORDS or (type(value) is str and scoped.is_plain(key)):
                continue
            place = f"{pointer}/{_escaped(key)}"
            if not scoped.defines(key):
                yield place, f"{key[:60]!r} is a name that no context defines"
            elif value is None:
                yield place, "null says nothing: leave the member out"
            elif not _is_closed(definition := scoped.get(key)):
                below = self._extended(terms, scope) if (scope := _scope(definition)) else terms
                if not isinstance(value, str):
                    yield from self._below(value, below, place, depth, passed)

    def _below(self, value: Any, terms: _Terms, pointer: str, depth: int, passed: frozenset[str]) -> Iterator[Fault]:
        if pointer in passed:
            return
        for place, item in _items(value, pointer):
            is_node = type(item) is dict or isinstance(item, Mapping)  # the first is asked much faster
            if is_node and depth >= NODE_DEPTH_MAX:
                yield place, "nested too deep"
            elif is_node:
                yield from self._node(item, terms, place, depth + 1, passed)
            elif isinstance(item, list):
                yield place, "a list inside a list is flattened by some readers"

    def _extended(self, terms: _Terms, context: Any, *, is_inline: bool = False) -> _Terms:
        """Return the terms with a context (an address, an object, a list of them) on top.

        An inline context is known again by its bytes, any other by being the same object, which is kept for that.
        """
        for item in context if isinstance(context, list) else [context]:
            if not isinstance(item, str | Mapping) or not item:
                continue
            key = item if isinstance(item, str) else _bytes_of(item) if is_inline else id(item)
            found = terms.extended.get(key) if key is not None else None
            if found is not None:
                terms = found[1]
                continue
            above = self._extended(terms, self._known(item)) if isinstance(item, str) else _with(terms, item)
            if key is not None and self._remembered_count < TERMS_REMEMBERED_MAX:
                terms.extended[key] = (item, above)
                self._remembered_count += 1
            terms = above
        return terms

    def _known(self, address: str) -> Any:
        if address not in self.contexts:
            raise ContextNotGivenProblem(f"The context {address[:200]!r} is not known here", pointer="/@context")
        context = self.contexts[address]
        return context.get("@context", context) if isinstance(context, Mapping) else context

    def _opened(self, terms: _Terms, context: Any) -> tuple[_Terms, list[str]]:
        """Return the terms under a document's own context, and the protected ones to which it gives another meaning."""
        changed: list[str] = []
        for item in context if isinstance(context, list) else [context]:
            above = self._extended(terms, item, is_inline=True)
            if above is not terms and isinstance(item, Mapping):
                said = "is a protected term and cannot mean something else"
                changed += (f"{name[:60]!r} {said}" for name in above.changed)
            terms = above
        return terms, changed


def _with(terms: _Terms, context: Mapping[str, Any]) -> _Terms:
    own = {name: value for name, value in context.items() if not name.startswith("@") or name == "@vocab"}
    if context.get("@protected") is True:
        own = {name: _protected(value) for name, value in own.items()}
    changed = [name for name in context if _is_protected(terms.get(name))]
    differing = tuple(name for name in changed if _protected(context[name]) != terms.get(name))
    same = {name: terms.get(name) for name in changed if name not in differing}  # said again, it stays protected
    return _Terms({**terms.definitions, **own, **same}, differing)


def _bytes_of(context: Mapping[str, Any]) -> bytes | None:
    """Return what an inline context is known by, or None where it is too large to be kept."""
    try:
        data = _ENCODE(context)
    except (TypeError, ValueError, RecursionError):
        return None
    return data if len(data) <= INLINE_BYTES_MAX else None


def _aliases_of_type(definition: Any) -> Iterator[str]:
    """Yield the names that stand for `@type`, at any depth of a context."""
    if isinstance(definition, Mapping):
        for name, inside in definition.items():
            if _iri_of(inside) == "@type":
                yield name
            yield from _aliases_of_type(inside)
    elif isinstance(definition, list):
        for inside in definition:
            yield from _aliases_of_type(inside)


def _types(node: Mapping[str, Any], terms: _Terms) -> list[str]:
    """Return the types of a node in the order in which their contexts apply (JSON-LD 1.1 section 4.1.3)."""
    named = [value for key, value in node.items() if key in terms.type_names]
    flat = [item for value in named for item in (value if isinstance(value, list) else [value])]
    return sorted(item for item in flat if isinstance(item, str))


def _iri_of(definition: Any) -> Any:
    return definition.get("@id") if isinstance(definition, Mapping) else definition


def _scope(definition: Any) -> Any:
    if type(definition) is str:
        return {}
    return definition.get("@context", {}) if isinstance(definition, Mapping) else {}


def _protected(definition: Any) -> Any:
    own = definition if isinstance(definition, Mapping) else {"@id": definition}
    return {"@protected": True, **own}


def _is_protected(definition: Any) -> bool:
    return isinstance(definition, Mapping) and definition.get("@protected") is True


def _is_defined(name: str, terms: Mapping[str, Any]) -> bool:
    """Tell whether a key or type means something: a term that stands for an IRI, an IRI, or under a vocabulary."""
    definition = terms.get(name, {})
    if definition is None or (isinstance(definition, Mapping) and definition.get("@id", "") is None):
        return False
    iri = _iri_of(definition)
    if not isinstance(iri, str):
        return bool(_IRI.match(name)) or isinstance(terms.get("@vocab"), str)
    return iri.startswith("@") or bool(_IRI.match(iri)) or iri in terms


def _is_closed(definition: Any) -> bool:
    """Tell whether what stands under a term holds no names: JSON literals, and texts by language."""
    if type(definition) is not dict and not isinstance(definition, Mapping):
        return False
    container = definition.get("@container")
    in_containers = "@language" in (container if isinstance(container, list) else [container])
    return in_containers or definition.get("@type") == "@json"


def _items(value: Any, pointer: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        for place, item in enumerate(value):
            yield f"{pointer}/{place}", item
    else:
        yield pointer, value


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
