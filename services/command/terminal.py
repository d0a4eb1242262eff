"""What reaches a terminal: texts of others, without signs that would steer it, hide or turn what stands beside them.

Names, titles and reasons come from documents, applications and answers of strangers; who reads them decides by them.
"""

from typing import Any

from rich.console import Console

_JOINERS = "\u200c\u200d"
_KEPT = f"{_JOINERS}\n"


def clean(text: str) -> str:
    """Return a text of others on one line, without signs that move a cursor or turn the direction of letters."""
    return "".join(sign if sign.isprintable() or sign in _JOINERS else " " for sign in text)


def visible(text: str) -> str:
    """Return lines of ours, which may quote others, without such signs; line ends stay.

    What is half a letter (a file's name that this terminal's encoding cannot read) is written as its number.
    """
    return "".join(sign if sign.isprintable() or sign in _KEPT else _hidden(sign) for sign in text)


def _hidden(sign: str) -> str:
    return f"\\u{ord(sign):04x}" if "\ud800" <= sign <= "\udfff" else " "


class Terminal(Console):
    """A console that takes no markup where none is asked for, and prints nothing that steers a terminal.

    What others wrote belongs on one line (`clean`): a line end inside it would look like a line of ours.
    """

    def __init__(self, **options: Any) -> None:
        """Take what a console takes."""
        super().__init__(**{"highlight": False, "soft_wrap": True, "emoji": False, "markup": False} | options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, as a console does."""
        super().print(*(visible(each) if isinstance(each, str) else each for each in objects), **options)
