"""How many rooms a service has, in how many layers, and what a room says of itself first; from the code itself."""

import ast
from functools import cache
from pathlib import Path

import grimp
import pytest


@pytest.mark.parametrize(
    ("service", "rooms_max", "layers_max"), [("ledger", 16, 9), ("issuer_gateway", 26, 12), ("verifier", 16, 8)]
)
def test_a_service_has_few_rooms_in_few_layers_and_no_circle(service: str, rooms_max: int, layers_max: int) -> None:
    graph = grimp.build_graph("services", cache_dir=None)
    rooms = graph.find_children(f"services.{service}")
    below = {
        room: {
            other
            for other in rooms - {room}
            if graph.direct_import_exists(importer=room, imported=other, as_packages=True)
        }
        for room in rooms
    }

    @cache
    def layer(room: str) -> int:  # a circle would have no end
        return 1 + max(map(layer, below[room]), default=0)

    assert len(rooms) <= rooms_max, sorted(rooms)
    assert max(map(layer, rooms)) <= layers_max, {room: layer(room) for room in rooms}


def test_every_room_says_first_what_holds_after_a_crash_in_it_or_that_it_is_pure() -> None:
    root = Path(__file__).resolve().parents[2]
    rooms = [path for folder in ("proto", "services") for path in (root / folder).rglob("__init__.py")]
    said = {
        path.parent: (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").lower() for path in rooms
    }
    silent = [
        str(room.relative_to(root)) for room, text in said.items() if not {"pure", "crash", "commit"} & words(text)
    ]
    assert silent == []


def words(text: str) -> set[str]:
    """Return the words of a text, without what stands around them."""
    return {word.strip(".,:;()`") for word in text.split()}
