"""How many rooms the verifier has at its top, and how many layers their imports make; measured from the code itself."""

from functools import cache

import grimp

ROOMS_MAX, LAYERS_MAX = 16, 8


def test_the_verifier_has_few_rooms_in_few_layers_and_no_circle() -> None:
    graph = grimp.build_graph("services")
    rooms = graph.find_children("services.verifier")
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

    assert len(rooms) <= ROOMS_MAX, sorted(rooms)
    assert max(map(layer, rooms)) <= LAYERS_MAX, {room: layer(room) for room in rooms}
