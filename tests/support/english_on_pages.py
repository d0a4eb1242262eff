"""What of our own English stands on a page in another language, where the page does not say that it is English."""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

from services import edge, issuer_gateway, verifier
from services.verifier.languages.english import SENTENCES

_FOLDERS = tuple(Path(str(each.__file__)).parent / "languages" for each in (issuer_gateway, verifier, edge))
_WORDS_MIN = 3
"""Fewer than these are names, or a language's own."""
_VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
_WITHOUT_WORDS = {"style", "script", "template", "textarea", "code", "pre", "svg"}
_VALUE = re.compile(r"\{\w+\}")


@cache
def _english(language: str) -> frozenset[str]:
    """Return the pieces of every English text of ours, between its values, that this language says otherwise."""
    found = set[str]()
    for folder in _FOLDERS:
        read = tomllib.loads((folder / f"{language}.toml").read_text(encoding="utf-8"))
        said = dict(read.get("words", read)) | {
            SENTENCES[code]: said for code, said in read.get("sentences", {}).items()
        }
        for english, translated in said.items():
            pieces = (" ".join(piece.split()) for piece in _VALUE.split(english))
            found.update(piece for piece in pieces if len(piece.split()) >= _WORDS_MIN and piece not in translated)
    return frozenset(found)


class _Texts(HTMLParser):
    """Gathers the texts of a page that are in its own language: nothing within what is marked as another."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.language = "en"
        self._within: list[tuple[str, bool]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "html":
            self.language = said.get("lang") or "en"
        self.texts += [said.get(name) or "" for name in ("alt", "title", "placeholder", "aria-label") if self._is_ours]
        if tag not in _VOID:
            other = tag in _WITHOUT_WORDS or said.get("lang", self.language) != self.language
            self._within.append((tag, other))

    def handle_endtag(self, tag: str) -> None:
        while self._within and self._within.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._is_ours:
            self.texts.append(data)

    @property
    def _is_ours(self) -> bool:
        return not any(other for _, other in self._within)


def english_on(html: str) -> Iterator[str]:
    """Yield what of our English stands on a page that is in another language; nothing for a page in English."""
    page = _Texts()
    page.feed(html)
    if page.language == "en":
        return
    texts = "\n".join(" ".join(text.split()) for text in page.texts)
    yield from (piece for piece in sorted(_english(page.language)) if piece in texts)
