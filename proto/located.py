"""Where a decoder found something wrong, and what. The only place that knows how msgspec writes its messages."""

import re
from typing import NamedTuple

_AT, _KEY_IN = " - at `", "key` in `"
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
    text = str(message)
    detail, _, place = text.rpartition(_AT)
    path = place.removeprefix(_KEY_IN)
    if not (detail and path.startswith("$") and path.endswith("`")):
        return Located(text, "", is_exact=True)
    pointer = ""
    for step in _STEP.finditer(path[:-1], 1):
        if step["unnamed"]:
            return Located(detail, pointer, is_exact=False)
        pointer += "/" + (step["index"] or step["name"].replace("~", "~0").replace("/", "~1"))
    return Located(detail, pointer, is_exact=True)
