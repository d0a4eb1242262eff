"""Where a decoder found something wrong, and what. The only place that knows how msgspec writes its messages."""

import re
from typing import NamedTuple

_LOCATED = re.compile(r"^(?P<detail>.*) - at `(?:key` in `)?(?P<path>\$.*)`$", re.DOTALL)
_STEP = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<index>\d+)\]|(?P<unnamed>\[\.\.\.\])")


class Located(NamedTuple):
    """What is wrong, and the RFC 6901 pointer to it; to its nearest named parent where that is not `is_exact`."""

    detail: str
    pointer: str
    is_exact: bool

    @property
    def steps(self) -> list[str]:
        """The names and places on the way to it."""
        return [step.replace("~1", "/").replace("~0", "~") for step in self.pointer.split("/")[1:]]

    @property
    def first_step(self) -> str:
        """The name of the field of the whole in which something is wrong, "" where the whole itself is."""
        return next(iter(self.steps), "")


def located(message: object) -> Located:
    """Return where and what a message of msgspec's, or its error, says is wrong: `… - at `$.a[0].b`` is at `/a/0/b`."""
    found = _LOCATED.match(str(message))
    if not found:
        return Located(str(message), "", is_exact=True)
    pointer = ""
    for step in _STEP.finditer(found["path"], 1):
        if step["unnamed"]:
            return Located(found["detail"], pointer, is_exact=False)
        pointer += "/" + (step["index"] or step["name"].replace("~", "~0").replace("/", "~1"))
    return Located(found["detail"], pointer, is_exact=True)
