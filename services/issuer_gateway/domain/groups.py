"""Who goes out together: credentials of which an event says the same, a learner never twice in one event. Pure."""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

T = TypeVar("T")


def groups_of(
    items: Sequence[T],
    *,
    said: Callable[[T], Hashable],
    learner: Callable[[T], Hashable],
    count_max: int,
    shuffle: Callable[[list[T]], None],
) -> list[list[T]]:
    """Return items in groups of at most `count_max` that share what is said of them and no learner.

    In what order they stand, and who is with whom, is as `shuffle` has it: it tells nothing of their order in a list.
    """
    alike: dict[Hashable, list[T]] = {}
    for item in items:
        alike.setdefault(said(item), []).append(item)
    return [group for some in alike.values() for group in _divided(some, learner, count_max, shuffle)]


def _divided(
    alike: list[T], learner: Callable[[T], Hashable], count_max: int, shuffle: Callable[[list[T]], None]
) -> list[list[T]]:
    """Divide into layers, in each of which a learner stands once, and these into groups."""
    shuffle(alike)
    layers: list[list[T]] = []
    seen: dict[Hashable, int] = {}
    for item in alike:
        place = seen.get(learner(item), 0)
        seen[learner(item)] = place + 1
        if place == len(layers):
            layers.append([])
        layers[place].append(item)
    return [layer[start : start + count_max] for layer in layers for start in range(0, len(layer), count_max)]
