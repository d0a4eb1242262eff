"""RDF of blank nodes."""

from typing import Any

PREFIX = {"p": {"@id": "_:b", "@prefix": True}, "k": {"@id": "https://x.example/k", "@type": "@id"}}


def ring(count: int, *steps: int, context: Any = PREFIX) -> dict[str, Any]:
    """Return nodes that each refer to the ones so many places further on, by names that only the context makes."""
    nodes = [{"id": f"p:{i}", "k": [f"p:{(i + step) % count}" for step in steps]} for i in range(count)]
    return {"@context": [{"id": "@id"}, context], "id": "urn:s", "k": nodes}
