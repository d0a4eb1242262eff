"""JSON schemas that refer to each other, read from files when something refers to them."""

import functools
from collections.abc import Callable
from typing import Any

from referencing import Registry, Resource


def registry_of(read: Callable[[str], Resource[Any]]) -> Registry[Any]:
    """Return a registry that has each schema from `read`, once, by its address."""
    return Registry(retrieve=functools.cache(read))  # type: ignore[call-arg] # attrs' alias of the field `_retrieve`
