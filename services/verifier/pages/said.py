"""In which language a page is, and in which language of its own each text of a document is shown. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec
from markupsafe import Markup, escape

from proto.wire.content import Content, Texts
from proto.wire.verifier import StackNode
from services.verifier.languages import DEFAULT, LANGUAGES, Language, quoted
from services.verifier.pages.stack_drawing import name_of_achievement


class PageLanguage(msgspec.Struct, frozen=True, kw_only=True):
    """In which language a page is, and whether that was asked for by name, so that its forms ask so again."""

    language: Language
    is_named: bool = False
    is_linkable: bool = True
    asked: Mapping[str, str] = {}
    """What else the page was asked for, which it is asked for again in another language."""
    preferred: tuple[str, ...] = ()
    """Languages that the reader likes, best first, whether our own words are in them or not: for texts of documents."""
    root: Literal[".", ".."] = "."
    """The way from the page to the first one: under a proxy's path, no link may begin with a slash."""

    def line(self, text: str, **values: object) -> "Picked":
        """Return a sentence of ours in the page's language; one that is not in its file stays English, and says so."""
        code = self.language.code if text in self.language.words else DEFAULT
        return Picked(text=self.language.word(text, **values), lang=code)

    def phrase(self, text: str, **values: object) -> Markup:
        """Return a sentence of ours in the page's language with values that may be elements; texts are escaped."""
        return escape(self.language.word(text)).format(**{name: quoted(value) for name, value in values.items()})

    def of_texts(self, content: Content | None) -> tuple[str, ...]:
        """Return in which languages a document's texts are looked for: the reader's, the page's, the document's own."""
        own = (content.language,) if content else ()
        return (*self.preferred, self.language.code, *own, DEFAULT)

    def globals(self) -> dict[str, Any]:
        """Return what every template uses."""
        return {
            "language": self.language,
            "root": self.root,
            "t": self.language.word,
            "phrase": self.phrase,
            "again": f"?lang={self.language.code}" if self.is_named else "",
            "choices": [
                (item.code, item.name, urlencode({**self.asked, "lang": item.code})) for item in LANGUAGES.values()
            ]
            if self.is_linkable
            else [],
        }


class Picked(msgspec.Struct, frozen=True):
    """A text in the language that suits its reader best, and which that is."""

    text: str
    lang: str


def pick(texts: Mapping[str, str], *, preferred: Sequence[str]) -> Picked:
    """Return the text in the first of these languages that there is, else the first text."""
    by_language = {tag.partition("-")[0].lower(): (tag, text) for tag, text in reversed(list(texts.items()))}
    for tag in preferred:
        if found := by_language.get(tag.partition("-")[0].lower()):
            return Picked(text=found[1], lang=found[0])
    tag, text = next(iter(texts.items()), ("und", ""))
    return Picked(text=text, lang=tag)


def called(uri: str, *, titles: Mapping[str, Texts], preferred: Sequence[str]) -> Picked:
    """Return what an achievement is called: by its catalogue, else the end of its address."""
    if texts := titles.get(uri):
        return pick(texts, preferred=preferred)
    return Picked(text=name_of_achievement(uri), lang="")


def called_part(part: StackNode, *, preferred: Sequence[str]) -> Picked:
    """Return what a part of a stack is called: by the catalogue of who awarded it, else the end of its address."""
    return called(part.achievement, titles={part.achievement: part.title}, preferred=preferred)


def has_titles(stack: StackNode) -> bool:
    """Tell whether a catalogue says what one of a stack's parts is called."""
    return any(part.title or has_titles(part) for part in stack.parts)
