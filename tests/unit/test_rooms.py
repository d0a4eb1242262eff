"""How many rooms a service has at its top, and how many layers their imports make; measured from the code itself."""

from functools import cache

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
