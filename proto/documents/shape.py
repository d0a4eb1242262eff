"""The shape of JSON: all but what its texts and numbers say. What rests on names and types alone is asked of it once.

Pure; knows no credential.
"""

from collections.abc import Collection, Hashable, Mapping
from typing import Any

NODES_MAX = 256
"""Of more than so many objects and lists no shape is made: it would cost what it saves."""


def shape_of(
    node: Mapping[str, Any], *, kept: Collection[str], without: Collection[tuple[str, ...]] = ()
) -> Hashable | None:
    """Return the shape of an object: its names in their order, what kind of value each has, the texts under `kept`.

    Values at the places in `without` are left out. None for what has a context of its own inside, or is too large.
    """
    try:
        return _of_object(node, frozenset(kept), frozenset(without), (), [NODES_MAX])
    except _NoShapeError:
        return None


class _NoShapeError(Exception):
    """There is no shape to be made."""


def _of_object(
    node: Mapping[str, Any],
    kept: frozenset[str],
    without: frozenset[tuple[str, ...]],
    place: tuple[str, ...],
    left: list[int],
) -> Hashable:
    _one_more(left)
    found: list[Hashable] = []
    for name, value in node.items():
        below = (*place, name)
        if below in without:
            found.append((name,))
        elif name == "@context":
            raise _NoShapeError
        elif name in kept:
            found.append((name, _written(value)))
        else:
            found.append((name, _of_value(value, kept, without, below, left)))
    return tuple(found)


def _of_value(
    value: Any, kept: frozenset[str], without: frozenset[tuple[str, ...]], place: tuple[str, ...], left: list[int]
) -> Hashable:
    kind = type(value)
    if kind is str:
        return "str"
    if kind is dict or isinstance(value, Mapping):
        return _of_object(value, kept, without, place, left)
    if isinstance(value, list):
        _one_more(left)
        return ("[]", *(_of_value(item, kept, without, (*place, ""), left) for item in value))
    return kind.__name__


def _one_more(left: list[int]) -> None:
    left[0] -= 1
    if left[0] < 0:
        raise _NoShapeError


def _written(value: Any) -> Hashable:
    """Return what a kept member says; no shape where that is neither a text nor a list of texts."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ("[]", *value)
    raise _NoShapeError
