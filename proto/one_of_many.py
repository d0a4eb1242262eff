"""What breaks over one of many (a row, a line, a document) is that one's alone. Says nothing, and knows no words."""

from types import TracebackType
from typing import Self


class OneOfMany:
    """The block in which one of many is worked on: whatever is raised in it ends the block, and the next one follows.

    Bytes of strangers reach code there that is not ours (decoders, hooks, libraries) and may break it in ways that
    nobody has listed; what is beside them is somebody else's, and must not be refused for it. So nothing is let
    through but what `everybodys` names: what is raised for an outage says nothing of this one.
    """

    def __init__(self, *everybodys: type[Exception]) -> None:
        self._everybodys = everybodys
        self.broken: Exception | None = None
        """What was raised in the block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> bool:
        if not isinstance(error, Exception) or isinstance(error, self._everybodys):
            return False
        self.broken = error
        return True
