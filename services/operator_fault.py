"""What an operator reads in a terminal where a command or a service cannot go on. Never sent over HTTP."""

from typing import ClassVar


class OperatorFault(Exception):  # noqa: N818 - a fault of settings, files or servers, not of this program
    """A command or service ends with these words; `detail` says what is wrong and what to do, and holds no secret."""

    title: ClassVar[str] = "It cannot start"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
