"""JSON-LD to canonical N-Quads (RDFC-1.0) with pinned contexts. Knows nothing of signatures and opens no connection.

pyoxigraph parses and canonicalises. Around it stand what a verifier of strangers' documents needs: contexts only from
the package or inline, terms that no context defines found rather than dropped, and limits on graphs whose
canonicalisation would take for ever.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import pyoxigraph as ox

from proto.documents.open_badge_context import OPEN_BADGES_CONTEXT, VC_CONTEXT
from proto.problem import InvalidProblem

BLANK_NODE_COUNT_MAX = 2_000
AMBIGUOUS_NODE_COUNT_MAX = 48
AMBIGUOUS_NEIGHBOUR_COUNT_MAX = 5
CONTEXT_COUNT_MAX = 1_000
_UNDEFINED = "urn:credentify:undefined-term:"
_RELATIVE = "https://relative-reference.invalid/"
_NO_IRI = re.compile(r"[\s<>\"{}|\\^`]")
_Quads = list[ox.Quad]


class UnknownContextProblem(InvalidProblem):
    """A JSON-LD context that is not in the package: what the document means cannot be known here."""

    slug = "unknown-context"
    title = "The document uses a context that is not known here"


class UnsupportedJsonLdProblem(InvalidProblem):
    """JSON-LD that cannot be read, or whose canonical form would cost too much."""

    slug = "unsupported-json-ld"
    title = "The document's JSON-LD is not supported"


class UndefinedTermsProblem(InvalidProblem):
    """Terms or references that mean nothing in RDF, so that a signature over RDF does not cover them."""

    slug = "undefined-terms"
    title = "A signature does not cover all that the document says"


@cache
def pinned_contexts() -> Mapping[str, Any]:
    """Return the contexts of the package by their address: VC 2.0 and Open Badges 3.0.3."""
    return MappingProxyType(
        {
            VC_CONTEXT: _read("credentials-v2.json"),
            OPEN_BADGES_CONTEXT: _read("open-badges-3.0.3.json"),
        }
    )


def canonical_quads(document: Mapping[str, Any], contexts: Mapping[str, Any] | None = None) -> bytes:
    """Return the canonical N-Quads (RDFC-1.0, UTF-8) of a JSON-LD document; what is undefined in it is left out.

    `contexts` maps addresses to contexts in place of the pinned ones. Raises `UnknownContextProblem` and
    `UnsupportedJsonLdProblem`.
    """
    inlined = _inline(document, _Resolver(contexts, marks_undefined=False))
    return _canonicalise(_parse(inlined, base=None))


def covered_quads(document: Mapping[str, Any], contexts: Mapping[str, Any] | None = None) -> bytes:
    """Return the same bytes, if they say all that the document says, else raise `UndefinedTermsProblem` (safe mode).

    Undefined terms are made visible by a vocabulary that nobody uses, relative references by a base that nobody uses;
    then every text of the document must be found again in its RDF, since JSON-LD drops silently what it cannot express.
    """
    resolver = _Resolver(contexts, marks_undefined=True)
    quads = _parse(_inline(document, resolver), base=_RELATIVE)
    found = {value for quad in quads for value in _values(quad)}
    undefined = {_plain(value) for value in found if value.startswith((_UNDEFINED, _RELATIVE))}
    undefined.update(_lost(document, found, resolver))
    if undefined:
        named = sorted(undefined)
        raise UndefinedTermsProblem(
            f"Not covered: {', '.join(name[:60] for name in named[:5])}. Define terms, make references absolute",
            members={"undefined": [name[:200] for name in named[:50]]},
        )
    return _canonicalise(quads)


def _lost(node: Any, found: set[str], resolver: "_Resolver") -> Iterator[str]:
    """Yield the keys and texts of a document that its RDF cannot hold or does not hold."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "@context":
                continue
            if key.startswith("@") or _NO_IRI.search(key):
                yield key
            else:
                yield from _lost(value, found, resolver)
    elif isinstance(node, list):
        for item in node:
            yield from _lost(item, found, resolver)
    elif isinstance(node, str) and node not in found and not resolver.may_expand(node, found):
        yield node


def _read(name: str) -> Any:
    return json.loads(files("services").joinpath("contexts", name).read_text(encoding="utf-8"))["@context"]


def _plain(iri: str) -> str:
    return iri.removeprefix(_UNDEFINED).removeprefix(_RELATIVE)


class _Resolver:
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
        return [{"@vocab": _UNDEFINED}] if self._marks_undefined else []

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
            return self.resolve(self._contexts[item])
        if not isinstance(item, Mapping):
            raise UnsupportedJsonLdProblem("A context is an address or an object", pointer="/@context")
        if "@import" in item:
            raise UnknownContextProblem("A context that imports another is not read here", pointer="/@context")
        if isinstance(item.get("@vocab"), str):
            self._vocabularies.add(item["@vocab"])
        return [{term: self._definition(term, value) for term, value in item.items()}]

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


def _inline(document: Mapping[str, Any], resolver: _Resolver) -> dict[str, Any]:
    """Return the document with every context inline, in nested objects too."""
    inlined = _inline_node(document, resolver)
    assert isinstance(inlined, dict)
    inlined["@context"] = [*resolver.outermost, *(inlined.get("@context") or [])]
    return inlined


def _inline_node(node: Any, resolver: _Resolver) -> Any:
    if isinstance(node, Mapping):
        for key in node:
            _refuse_blank_name(key)
        return {
            key: resolver.resolve(value) if key == "@context" else _inline_node(value, resolver)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_inline_node(item, resolver) for item in node]
    if isinstance(node, str):
        _refuse_blank_name(node)
    return node


def _refuse_blank_name(text: str) -> None:
    """Refuse names of blank nodes: with them a document can hold graphs whose canonicalisation never ends."""
    if text.startswith("_:") and not any(map(str.isspace, text)):
        raise UnsupportedJsonLdProblem(f"Names of blank nodes such as {text[:40]!r} are not read here")


def _parse(document: Mapping[str, Any], *, base: str | None) -> _Quads:
    try:
        quads = ox.parse(json.dumps(document, ensure_ascii=False), format=ox.RdfFormat.JSON_LD, base_iri=base)
        return [quad for quad in quads if isinstance(quad, ox.Quad)]
    except (SyntaxError, ValueError, OSError, UnicodeEncodeError) as error:
        raise UnsupportedJsonLdProblem(f"The document is not JSON-LD that can be read here: {error}"[:500]) from error


def _values(quad: ox.Quad) -> Iterator[str]:
    for term in (quad.subject, quad.predicate, quad.object, quad.graph_name):
        if isinstance(term, ox.NamedNode | ox.Literal):
            yield term.value
        if isinstance(term, ox.Literal):
            yield term.datatype.value


def _canonicalise(quads: _Quads) -> bytes:
    _refuse_costly(quads)
    dataset = ox.Dataset(quads)
    dataset.canonicalize(ox.CanonicalizationAlgorithm.RDFC_1_0)
    return "".join(sorted(f"{quad} .\n" for quad in dataset)).encode()


def _refuse_costly(quads: _Quads) -> None:
    """Refuse graphs with many indistinguishable blank nodes: RDFC-1.0 is exponential in them (its section 7.1)."""
    shapes = _shapes(quads)
    if len(shapes) > BLANK_NODE_COUNT_MAX:
        raise UnsupportedJsonLdProblem(f"The document has more than {BLANK_NODE_COUNT_MAX} nameless objects")
    counts = Counter(shapes.values())
    ambiguous = {node for node, shape in shapes.items() if counts[shape] > 1}
    twins = Counter(
        (end, shapes[other], quad.predicate.value)
        for quad in quads
        for end, other in _blank_ends(quad)
        if end in ambiguous and other in ambiguous
    )
    if twins and (len(ambiguous) > AMBIGUOUS_NODE_COUNT_MAX or max(twins.values()) > AMBIGUOUS_NEIGHBOUR_COUNT_MAX):
        raise UnsupportedJsonLdProblem("The document repeats identical nameless objects inside each other too often")


def _blank_ends(quad: ox.Quad) -> Iterator[tuple[str, str]]:
    subject, object_ = quad.subject, quad.object
    if isinstance(subject, ox.BlankNode) and isinstance(object_, ox.BlankNode):
        yield subject.value, object_.value
        yield object_.value, subject.value


def _shapes(quads: Iterable[ox.Quad]) -> dict[str, int]:
    """Return for each blank node a number that nodes with the same first-degree quads share (RDFC-1.0 section 4.6)."""
    lines: defaultdict[str, list[str]] = defaultdict(list)
    for quad in quads:
        terms = (quad.subject, quad.predicate, quad.object, quad.graph_name)
        for node in {term.value for term in terms if isinstance(term, ox.BlankNode)}:
            lines[node].append(" ".join(_seen_from(node, term) for term in terms))
    return {node: hash(tuple(sorted(seen))) for node, seen in lines.items()}


def _seen_from(node: str, term: Any) -> str:
    if isinstance(term, ox.BlankNode):
        return "_:a" if term.value == node else "_:z"
    return str(term)
