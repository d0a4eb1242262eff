"""The words of refusals as pages, in the languages of readers. Pure but for its files.

A language is one file in `languages`: the English words and its own. What is not in it stays English, and says so.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

from services.edge.accepted_languages import accepted_languages

ENGLISH = "en"
_FOLDER = Path(__file__).parent / "languages"


class PageWords(msgspec.Struct, frozen=True):
    """One language: its tag, and its words by the English ones."""

    code: str
    words: Mapping[str, str] = {}

    def said(self, text: str) -> "Worded":
        """Return an English text of ours in this language, or as it is, with the tag of the language that it is in."""
        found = self.words.get(text)
        return Worded(text, ENGLISH) if found is None else Worded(found, self.code)


class Worded(msgspec.Struct, frozen=True):
    """A text, and the tag of its language."""

    text: str
    lang: str


@cache
def page_languages() -> Mapping[str, PageWords]:
    """Return the languages that there are, by their tags."""
    read = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(_FOLDER.glob("*.toml"))}
    return {ENGLISH: PageWords(ENGLISH), **{code: PageWords(code, words) for code, words in read.items()}}


def page_words(*, named: str | None, accepted: str | None) -> PageWords:
    """Return the language that a page was asked for by name, else that which an `Accept-Language` header likes best."""
    languages = page_languages()
    if named is not None and named in languages:
        return languages[named]
    best, best_weight = languages[ENGLISH], 0.0
    for tag, weight in accepted_languages(accepted):
        found = languages.get(tag.partition("-")[0].lower())
        if found is not None and weight > best_weight:
            best, best_weight = found, weight
    return best
