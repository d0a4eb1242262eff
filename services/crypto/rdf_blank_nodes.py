"""Which graphs of nameless nodes are canonicalised at all: trees whose canonical form is cheap. Changes no graph.

RDFC-1.0 tries orders of nodes that look alike, and is exponential in them (its section 7.1). A JSON document without
names of blank nodes is a tree of them, whatever it says; only a context can make something else of it, and nobody
honest needs that. Of a tree the work can be counted before it is done.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyoxigraph as ox

from proto.problem import InvalidProblem

BLANK_NODE_COUNT_MAX = 2_000
WORK_MAX = 20_000
"""Calls of RDFC-1.0's Hash N-Degree Quads (section 4.8) that one document may need; about a second."""
_Links = Mapping[str, Mapping[tuple[str, str, int], list[str]]]
_Visit = tuple[str, str | None]


class UnsupportedJsonLdProblem(InvalidProblem):
    """JSON-LD that cannot be read, or whose canonical form would cost too much."""

    slug = "unsupported-json-ld"
    title = "The document's JSON-LD is not supported"


def refuse_costly(quads: Iterable[ox.Quad]) -> None:
    """Raise `UnsupportedJsonLdProblem` where blank nodes are no trees, too many, or too much alike."""
    distinct = set(quads)
    shapes = _shapes(distinct)
    if len(shapes) > BLANK_NODE_COUNT_MAX:
        raise UnsupportedJsonLdProblem(f"The document has more than {BLANK_NODE_COUNT_MAX} nameless objects")
    _refuse_knots(distinct)
    counts = Counter(shapes.values())
    alike = {node: shape for node, shape in shapes.items() if counts[shape] > 1}
    links = _links(distinct, alike)
    _refuse_rings(links)
    work = 0
    for node in alike:
        work += _work(links, node, WORK_MAX - work)
        if work > WORK_MAX:
            raise UnsupportedJsonLdProblem(
                "The document repeats identical nameless objects inside each other too often"
            )


def _refuse_knots(quads: Iterable[ox.Quad]) -> None:
    """Refuse a blank node that is the object of more than one quad, or that lies on a cycle."""
    parents: dict[str, str | None] = {}
    for quad in quads:
        if isinstance(quad.object, ox.BlankNode):
            if quad.object.value in parents:
                raise UnsupportedJsonLdProblem("A nameless object stands at two places of the document: name it")
            parents[quad.object.value] = quad.subject.value if isinstance(quad.subject, ox.BlankNode) else None
    seen: set[str] = set()
    for node in parents:
        path: set[str] = set()
        above: str | None = node
        while above is not None and above not in seen:
            if above in path:
                raise UnsupportedJsonLdProblem("Nameless objects of the document contain each other: name one of them")
            path.add(above)
            above = parents.get(above)
        seen |= path


def _links(quads: Iterable[ox.Quad], alike: Mapping[str, int]) -> _Links:
    """Return for each node that is not alone in its shape its neighbours of that kind, as RDFC-1.0 groups them."""
    links: defaultdict[str, defaultdict[tuple[str, str, int], list[str]]] = defaultdict(lambda: defaultdict(list))
    for quad in quads:
        places = (("s", quad.subject), ("o", quad.object), ("g", quad.graph_name))
        ends = [(place, term.value) for place, term in places if isinstance(term, ox.BlankNode) and term.value in alike]
        for _, node in ends:
            for place, other in ends:
                if other != node:
                    links[node][place, quad.predicate.value, alike[other]].append(other)
    return links


def _refuse_rings(links: _Links) -> None:
    """Refuse what is still no forest, as where a graph has no name: each neighbour is then met more than once."""
    edges = sum(len(set(_neighbours(groups))) for groups in links.values()) // 2
    trees = 0
    seen: set[str] = set()
    for root in links:
        if root in seen:
            continue
        trees += 1
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                waiting.extend(_neighbours(links[node]))
    if edges != len(seen) - trees:
        raise UnsupportedJsonLdProblem("Nameless objects and graphs of the document refer to each other: name them")


def _neighbours(groups: Mapping[Any, list[str]]) -> Iterator[str]:
    for nodes in groups.values():
        yield from nodes


def _work(links: _Links, root: str, work_max: int) -> int:
    """Return how often nodes are hashed from `root` on: each group of n that look alike is tried in n! orders."""
    known: dict[_Visit, int] = {}
    waiting: list[_Visit] = [(root, None)]
    while waiting:
        node, before = waiting[-1]
        groups = [[other for other in group if other != before] for group in links.get(node, {}).values()]
        missing = [(other, node) for group in groups for other in group if (other, node) not in known]
        if missing:
            waiting.extend(missing)
            continue
        waiting.pop()
        known[node, before] = 1 + sum(
            math.factorial(min(len(group), 20)) * sum(known[other, node] for other in group) for group in groups
        )
        if known[node, before] > work_max:
            return known[node, before]
    return known[root, None]


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
