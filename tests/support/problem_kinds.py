"""Every kind of refusal that the modules loaded so far know."""

from collections.abc import Iterator

from proto.problem import Problem


def problem_kinds(kind: type[Problem] = Problem) -> Iterator[type[Problem]]:
    """Yield a kind of refusal and all that descend from it."""
    yield kind
    for inner in kind.__subclasses__():
        yield from problem_kinds(inner)
