"""Answers in the reader's language: the sentences of an English answer put into another one. Pure but for its files.

Verdicts, codes and everything else that a machine reads are the same in every language. An answer is made in English
once, and kept ready so; its sentences are put into another language at the edge, by their codes and the values that
they hold. What stems from elsewhere (a fault that a library names, an institution's own words) stays as it is.

A language is one file here: `[sentences]` by the codes of `services.verifier.verdict.sentences`, `[words]` by the
English words. A test holds each of them to the whole list and the same values.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from proto.wire.verifier import Answer, Check, StackAnswer
from services.verifier.verdict.sentences import SENTENCES

DEFAULT = "en"
_VALUE = re.compile(r"\{(\w+)\}")
_DURATION = re.compile(r"([0-9]+) (second|minute|hour|day)s?")
_RANGE = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)\s*(?:;\s*q=([01](?:\.[0-9]{0,3})?))?\s*")
_RANGES_MAX = 20
_Answered = TypeVar("_Answered", Answer, StackAnswer)


class Language(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One language; `durations` are singular and plural of each unit, as they stand in the sentences on age."""

    code: str
    name: str
    durations: Mapping[str, Annotated[tuple[str, str], Meta(description="singular, plural")]] = {}
    sentences: Mapping[str, str] = {}
    words: Mapping[str, str] = {}

    def word(self, text: str, **values: object) -> str:
        """Return an English text of ours in this language, with its values filled in."""
        found = self.words.get(text, text)
        return found.format(**values) if values else found

    def answer(self, answer: _Answered) -> _Answered:
        """Return an answer with the sentences of its checks in this language."""
        today = answer.today
        if today is not None:
            today = replace(today, checks=tuple(self.check(item) for item in today.checks))
        return replace(answer, today=today, checks=tuple(self.check(item) for item in answer.checks))

    def check(self, check: Check) -> Check:
        """Return what a check found, with its sentence in this language."""
        sentence = self.sentences.get(check.code)
        found = _pattern(check.code).fullmatch(check.detail) if sentence else None
        if sentence is None or found is None:
            return check
        values = {name: self._value(name, text) for name, text in found.groupdict().items()}
        return replace(check, detail=sentence.format(**values))

    def _value(self, name: str, text: str) -> str:
        if name == "age" and (found := _DURATION.fullmatch(text)):
            one, many = self.durations[found[2]]
            return f"{found[1]} {one if found[1] == '1' else many}"
        if name == "fields":
            return ", ".join(map(self.word, text.split(", ")))
        return self.word(text) if name == "reason" else text


@cache
def _pattern(code: str) -> re.Pattern[str]:
    """Return what matches the English sentence of a code, with a group for each value."""
    parts = _VALUE.split(SENTENCES[code])
    return re.compile(
        "".join(f"(?P<{part}>.*?)" if place % 2 else re.escape(part) for place, part in enumerate(parts)), re.DOTALL
    )


def _read(path: Path) -> Language:
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")) | {"code": path.stem}, Language)


LANGUAGES: Mapping[str, Language] = {
    DEFAULT: Language(code=DEFAULT, name="English"),
    **{path.stem: _read(path) for path in sorted(Path(__file__).parent.glob("*.toml"))},
}


@lru_cache(maxsize=256)
def negotiated(accepted: str | None) -> Language:
    """Return the language that an `Accept-Language` header likes best of those there are (RFC 9110 section 12.5.4)."""
    best, best_weight = LANGUAGES[DEFAULT], 0.0
    for tag, weight in _ranges(accepted or ""):
        found = LANGUAGES[DEFAULT] if tag == "*" else LANGUAGES.get(tag.partition("-")[0].lower())
        if found is not None and weight > best_weight:
            best, best_weight = found, weight
    return best


def preferred(accepted: str | None) -> tuple[str, ...]:
    """Return the languages that an `Accept-Language` header names, best liked first, whether we have them or not."""
    ranges = sorted(_ranges(accepted or ""), key=lambda item: -item[1])
    return tuple(tag for tag, weight in ranges if weight > 0 and tag != "*")


def _ranges(header: str) -> Iterable[tuple[str, float]]:
    for item in header.split(",")[:_RANGES_MAX]:
        if found := _RANGE.fullmatch(item):
            yield found[1], float(found[2] or 1)


__all__ = ["DEFAULT", "LANGUAGES", "Language", "negotiated", "preferred"]
