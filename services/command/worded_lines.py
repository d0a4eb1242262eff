"""Lines of a terminal in a reader's language: headings that say whose word follows, labels, and what stems from others.

What stems from others is printed on its line as it is, but for signs that would steer a terminal.
"""

from rich.console import Console

from services.command.terminal import clean
from services.verifier.languages import Language

OF_DOCUMENT = "The institution says this, in the document."
OF_LOG = "The public log says this."


class WordedLines:
    """Prints to one console in one language."""

    def __init__(self, console: Console, language: Language) -> None:
        self.console, self.word, self.language = console, language.word, language

    def heading(self, text: str, source: str = "") -> None:
        """Print a heading of ours, and whose word follows."""
        said = f" ({self.word(source)})" if source else ""
        self.console.print(f"\n{self.word(text)}{said}", markup=False)

    def line(self, label: str, text: str | None) -> None:
        """Print a label of ours and a text; nothing where there is none."""
        if text:
            self.console.print(f"  {self.word(label)}: {clean(text)}", markup=False)

    def plain(self, text: str, *, style: str | None = None) -> None:
        """Print a text that may hold words of others."""
        self.console.print(clean(text), markup=False, style=style)
