"""Which names in a JSON-LD document no context defines. Expands nothing, fetches nothing, knows no credential.

A name that no context defines means nothing: RDF drops it, and two readers may take it for two things. JCS signs it all
the same, which is why documents are asked before they are signed, and after a JCS proof was found good. The scopes of
JSON-LD 1.1 are followed (contexts of types and of properties, protected terms); values are not looked at.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from proto.problem import InvalidProblem

NODE_DEPTH_MAX: Final = 64
_IRI = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+(?!\n)$")
_KEYWORDS = frozenset({"@id", "@type", "@value", "@language", "@direction"})
_Terms = Mapping[str, Any]
Fault = tuple[str, str]


class ContextNotGivenProblem(InvalidProblem):
    """The document names a context that is not at hand: what its names mean cannot be known."""

    slug = "context-not-given"
    title = "The document uses a context that is not known here"


def undefined_names(document: Mapping[str, Any], contexts: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield JSON pointer and sentence for every key and type that has no meaning, and for meanings that were changed.

    `contexts` maps the addresses that a document may name to their contexts. Raises `ContextNotGivenProblem`.
    """
    yield from _Walk(contexts).node(document, {}, "", 0)


class _Walk:
    """Goes through a document with the terms that are in force at each place."""

    def __init__(self, contexts: Mapping[str, Any]) -> None:
        self._contexts = contexts

    def node(self, node: Mapping[str, Any], terms: _Terms, pointer: str, depth: int) -> Iterator[Fault]:
        """Yield the faults of one object and of all below it; `terms` are those that come from above."""
        if depth > NODE_DEPTH_MAX:
            yield pointer, "nested too deep"
            return
        if "@context" in node:
            yield from self._changed_meanings(node["@context"], terms, pointer)
            terms = self._extended(terms, node["@context"])
        scoped = terms
        for name in _types(node, terms):
            if not _is_defined(name, terms):
                yield f"{pointer}/type", f"{name[:60]!r} is a type that no context defines"
            scoped = self._extended(scoped, _scope(terms.get(name)))
        for key, value in node.items():
            place = f"{pointer}/{_escaped(key)}"
            if key == "@context" or key in _KEYWORDS:
                continue
            if not _is_defined(key, scoped):
                yield place, f"{key[:60]!r} is a name that no context defines"
            elif value is None:
                yield place, "null says nothing: leave the member out"
            elif not _is_closed(scoped.get(key)):
                yield from self._below(value, self._extended(terms, _scope(scoped.get(key))), place, depth)

    def _below(self, value: Any, terms: _Terms, pointer: str, depth: int) -> Iterator[Fault]:
        for place, item in _items(value, pointer):
            if isinstance(item, Mapping):
                yield from self.node(item, terms, place, depth + 1)
            elif isinstance(item, list):
                yield place, "a list inside a list is flattened by some readers"

    def _extended(self, terms: _Terms, context: Any) -> _Terms:
        """Return the terms with a context (an address, an object, a list of them) on top."""
        for item in context if isinstance(context, list) else [context]:
            if isinstance(item, str):
                terms = self._extended(terms, self._known(item))
            elif isinstance(item, Mapping) and item:
                own = {name: value for name, value in item.items() if not name.startswith("@") or name == "@vocab"}
                is_protected = item.get("@protected") is True
                terms = {**terms, **({n: _protected(v) for n, v in own.items()} if is_protected else own)}
        return terms

    def _known(self, address: str) -> Any:
        if address not in self._contexts:
            raise ContextNotGivenProblem(f"The context {address[:200]!r} is not known here", pointer="/@context")
        context = self._contexts[address]
        return context.get("@context", context) if isinstance(context, Mapping) else context

    def _changed_meanings(self, context: Any, terms: _Terms, pointer: str) -> Iterator[Fault]:
        """Yield the protected terms to which an inline context of the document gives another meaning."""
        for item in context if isinstance(context, list) else [context]:
            if isinstance(item, Mapping):
                for name, value in item.items():
                    if name in terms and _is_protected(terms[name]) and _protected(value) != terms[name]:
                        yield f"{pointer}/@context", f"{name[:60]!r} is a protected term and cannot mean something else"
            terms = self._extended(terms, item)


def _types(node: Mapping[str, Any], terms: _Terms) -> list[str]:
    """Return the types of a node in the order in which their contexts apply (JSON-LD 1.1 section 4.1.3)."""
    named = [node[key] for key in node if key == "@type" or _iri_of(terms.get(key)) == "@type"]
    flat = [item for value in named for item in (value if isinstance(value, list) else [value])]
    return sorted(item for item in flat if isinstance(item, str))


def _iri_of(definition: Any) -> Any:
    return definition.get("@id") if isinstance(definition, Mapping) else definition


def _scope(definition: Any) -> Any:
    return definition.get("@context", {}) if isinstance(definition, Mapping) else {}


def _protected(definition: Any) -> Any:
    own = definition if isinstance(definition, Mapping) else {"@id": definition}
    return {"@protected": True, **own}


def _is_protected(definition: Any) -> bool:
    return isinstance(definition, Mapping) and definition.get("@protected") is True


def _is_defined(name: str, terms: _Terms) -> bool:
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
    if not isinstance(definition, Mapping):
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
