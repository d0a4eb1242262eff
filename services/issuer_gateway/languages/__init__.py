"""The words of pages and papers for learners in other languages. Pure but for its files.

A language is one file here: `[words]` by the English words. A test holds each of them to the whole list and the same
values. What an institution wrote stays as it is.
"""

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import msgspec

from proto.sentence import Sentence
from proto.visible_text import within_sentence
from services.edge.accepted_languages import accepted_languages
from services.issuer_gateway.languages.english_on_pages import ENGLISH_ON_PAGES

DEFAULT = "en"


class LearnerLanguage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One language."""

    code: str
    name: str
    words: Mapping[str, str] = {}

    def word(self, text: str, **values: object) -> str:
        """Return an English text of ours in this language, with its values filled in."""
        found = self.words.get(text, text)
        return found.format(**{name: quoted(value) for name, value in values.items()}) if values else found

    def said(self, sentence: Sentence) -> str | None:
        """Return a sentence in this language, in English too; None where it, or one within it, is not there."""
        words = self.words.get(sentence.words, sentence.words if self.code == DEFAULT else None)
        values = {name: self._value(value) for name, value in sentence.values.items()}
        if words is None or None in values.values():
            return None
        return words.format(**values) if values else words

    def _value(self, value: object) -> str | None:
        return self.said(value) if isinstance(value, Sentence) else within_sentence(str(value))


def quoted(value: object) -> object:
    """Return a value that is to stand in a sentence: what others wrote turns nothing of ours."""
    return within_sentence(value) if type(value) is str else value


def _read(path: Path) -> LearnerLanguage:
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")) | {"code": path.stem}, LearnerLanguage)


LANGUAGES: Mapping[str, LearnerLanguage] = {
    DEFAULT: LearnerLanguage(code=DEFAULT, name="English", words=ENGLISH_ON_PAGES),
    **{path.stem: _read(path) for path in sorted(Path(__file__).parent.glob("*.toml"))},
}


@lru_cache(maxsize=256)
def negotiated(accepted: str | None) -> LearnerLanguage:
    """Return the language that an `Accept-Language` header likes best of those there are."""
    best, best_weight = LANGUAGES[DEFAULT], 0.0
    for tag, weight in accepted_languages(accepted):
        found = LANGUAGES[DEFAULT] if tag == "*" else LANGUAGES.get(primary(tag))
        if found is not None and weight > best_weight:
            best, best_weight = found, weight
    return best


def primary(tag: str) -> str:
    """Return the language of a tag without script and country: `de` of `de-AT`."""
    return tag.partition("-")[0].lower()


__all__ = ["DEFAULT", "LANGUAGES", "LearnerLanguage", "negotiated", "primary"]
