"""Graphs of nameless nodes: trees are canonicalised when that is cheap, everything else is refused at once."""

import copy
from typing import Any

import pytest

from services.crypto.rdf_canonical import UnsupportedJsonLdProblem, canonical_quads, covered_quads
from tests.support.blank_nodes import PREFIX, ring
from tests.support.documents import full_document

ANY = {"@vocab": "urn:v:"}


@pytest.mark.parametrize(
    "document",
    [
        ring(48, 1, 2),
        ring(48, 1),
        ring(6, 1, 2, 3),
        ring(3, 1),
        ring(2, 1),
        {"@context": [{"id": "@id"}, PREFIX], "id": "urn:s", "k": [{"id": "p:1", "k": "p:1"}]},
        {"@context": [{"id": "@id"}, PREFIX], "id": "p:1", "k": [{"id": "p:2", "k": {"id": "p:3", "k": "p:1"}}]},
        {"@context": [{"id": "@id"}, PREFIX], "id": "urn:s", "k": ["p:1", {"id": "urn:t", "k": "p:1"}]},
    ],
)
def test_a_nameless_node_that_stands_at_two_places_or_on_a_cycle_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedJsonLdProblem, match="ameless"):
        canonical_quads(document)


@pytest.mark.parametrize(("width", "depth"), [(12, 1), (8, 1), (5, 3), (3, 5), (2, 8)])
def test_a_tree_of_twins_that_would_take_long_is_refused(width: int, depth: int) -> None:
    node: dict[str, Any] = {"v": "x"}
    for _ in range(depth):
        node = {"c": [copy.deepcopy(node) for _ in range(width)]}
    with pytest.raises(UnsupportedJsonLdProblem, match="too often"):
        canonical_quads({"@context": ANY, "@id": "urn:s", "p": [node, copy.deepcopy(node)]})


@pytest.mark.parametrize("count", [10, 60, 400])
def test_many_equal_results_with_equal_parts_are_canonicalised(count: int) -> None:
    document = full_document()
    result = {"type": ["Result"], "value": "8", "alignment": [{"type": ["Alignment"], "targetName": "x"}]}
    document["credentialSubject"]["result"] = [result] * count
    assert canonical_quads(document)


def test_more_nameless_nodes_than_any_credential_has_are_refused() -> None:
    with pytest.raises(UnsupportedJsonLdProblem, match="nameless objects"):
        canonical_quads({"@context": ANY, "@id": "urn:s", "p": [{"v": str(number)} for number in range(2_100)]})


def test_many_vocabularies_are_refused_before_any_text_is_looked_for() -> None:
    contexts = [{"@vocab": f"urn:v{number}:"} for number in range(900)]
    with pytest.raises(UnsupportedJsonLdProblem, match="vocabularies"):
        covered_quads({"@context": contexts, "@id": "urn:s", "p": [f"x{number}" for number in range(60_000)]})
