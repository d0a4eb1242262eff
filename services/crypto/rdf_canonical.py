"""JSON-LD to canonical N-Quads (RDFC-1.0) with pinned contexts. Knows nothing of signatures and opens no connection.

pyoxigraph parses and canonicalises. Around it stand what a verifier of strangers' documents needs: contexts only from
the package or inline, terms that no context defines found rather than dropped, and limits on graphs whose
canonicalisation would take for ever.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pyoxigraph as ox

from services.crypto.json_ld_contexts import (
    UNDEFINED,
    Resolver,
    UndefinedTermsProblem,
    UnknownContextProblem,
    known_contexts,
    pinned_contexts,
    refuse_other_meanings,
)
from services.crypto.rdf_blank_nodes import UnsupportedJsonLdProblem, refuse_costly

_RELATIVE = "https://relative-reference.invalid/"
_NO_IRI = re.compile(r"[\s<>\"{}|\\^`]")
_Quads = list[ox.Quad]


class CanonicalForm(msgspec.Struct, frozen=True, kw_only=True):
    """SHA-256 of a document's canonical quads, and what of the document they do not say (None: they say it all)."""

    digest: bytes
    gap: UndefinedTermsProblem | None = None


def form_of(document: Mapping[str, Any], contexts: Mapping[str, Any] | None = None) -> CanonicalForm:
    """Return the form over which `eddsa-rdfc-2022` is made; raises as `canonical_quads`."""
    try:
        return CanonicalForm(digest=hashlib.sha256(covered_quads(document, contexts)).digest())
    except UndefinedTermsProblem as gap:
        return CanonicalForm(digest=hashlib.sha256(canonical_quads(document, contexts)).digest(), gap=gap)


def forms_of(documents: Sequence[Mapping[str, Any]], contexts: Mapping[str, Any] | None = None) -> list[CanonicalForm]:
    """Return the forms of several documents, in order; raises as `canonical_quads`."""
    return [form_of(document, contexts) for document in documents]


def canonical_quads(document: Mapping[str, Any], contexts: Mapping[str, Any] | None = None) -> bytes:
    """Return the canonical N-Quads (RDFC-1.0, UTF-8) of a JSON-LD document; what is undefined in it is left out.

    `contexts` maps addresses to contexts in place of the pinned ones. Raises `UnknownContextProblem` and
    `UnsupportedJsonLdProblem`.
    """
    inlined = _inline(document, Resolver(contexts, marks_undefined=False))
    return _canonicalise(_parse(inlined, base=None))


def covered_quads(document: Mapping[str, Any], contexts: Mapping[str, Any] | None = None) -> bytes:
    """Return the same bytes, if they say all that the document says, else raise `UndefinedTermsProblem` (safe mode).

    Undefined terms are made visible by a vocabulary that nobody uses, relative references by a base that nobody uses;
    then every text of the document must be found again in its RDF, since JSON-LD drops silently what it cannot express.
    """
    resolver = Resolver(contexts, marks_undefined=True)
    quads = _parse(_inline(document, resolver), base=_RELATIVE)
    found = {value for quad in quads for value in _values(quad)}
    undefined = {_plain(value) for value in found if value.startswith((UNDEFINED, _RELATIVE))}
    undefined.update(_lost(document, found, resolver))
    if undefined:
        named = sorted(undefined)
        raise UndefinedTermsProblem(
            f"Not covered: {', '.join(name[:60] for name in named[:5])}. Define terms, make references absolute",
            members={"undefined": [name[:200] for name in named[:50]]},
        )
    return _canonicalise(quads)


def _lost(node: Any, found: set[str], resolver: Resolver) -> Iterator[str]:
    """Yield the keys and texts of a document that its RDF cannot hold or does not hold."""
    if isinstance(node, Mapping) and node.keys() == {"@language", "@value"}:
        for part in node.values():
            yield from _lost(part, found, resolver)
    elif isinstance(node, Mapping):
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


def _plain(iri: str) -> str:
    return iri.removeprefix(UNDEFINED).removeprefix(_RELATIVE)


def _inline(document: Mapping[str, Any], resolver: Resolver) -> dict[str, Any]:
    """Return the document with every context inline, in nested objects too."""
    inlined = _inline_node(document, resolver)
    assert isinstance(inlined, dict)
    inlined["@context"] = [*resolver.outermost, *(inlined.get("@context") or [])]
    return inlined


def _inline_node(node: Any, resolver: Resolver) -> Any:
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
            if term.language:
                yield term.language


def _canonicalise(quads: _Quads) -> bytes:
    refuse_costly(quads)
    dataset = ox.Dataset(quads)
    dataset.canonicalize(ox.CanonicalizationAlgorithm.RDFC_1_0)
    return "".join(sorted(f"{quad} .\n" for quad in dataset)).encode()


__all__ = [
    "CanonicalForm",
    "UndefinedTermsProblem",
    "UnknownContextProblem",
    "UnsupportedJsonLdProblem",
    "canonical_quads",
    "covered_quads",
    "form_of",
    "forms_of",
    "known_contexts",
    "pinned_contexts",
    "refuse_other_meanings",
]
