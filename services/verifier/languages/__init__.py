"""Findings in the reader's language: the sentence of each code, with its values. Pure but for its files.

Verdicts, codes and everything else that a machine reads are the same in every language; what was found is put into
words here alone, in English as in any other. What stems from elsewhere (a fault that a library names, an institution's
own words) stays as it is.

A language is one file here: `[sentences]` by the codes of `english.SENTENCES`, `[words]` by the English words. A test
holds each of them to the whole list and the same values.
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from proto.documents.agreement import Field
from proto.moment import Moment
from proto.stacking import ects_text
from proto.visible_text import within_sentence
from proto.wire.verifier import Answer, Check, Today
from services.edge.accepted_languages import accepted_languages
from services.verifier.languages.english import DURATIONS, FIELDS, OTHER_PURPOSE, PURPOSES, REASONS, SENTENCES, when
from services.verifier.verdict.findings import CheckFinding, JudgedToday, Judgement

DEFAULT = "en"
_FAULT = "fault"
_UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60))
_TIME_FROM = 10  # a moment has its T there; a day that a document writes ends before


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
        return found.format(**{name: quoted(value) for name, value in values.items()}) if values else found

    def answer(self, judgement: Judgement) -> Answer:
        """Return a judgement as the body of an answer, with its checks in words."""
        return Answer(
            today=self.today(judgement.today) if judgement.today else None,
            verdict=judgement.verdict,
            checks=tuple(map(self.check, judgement.checks)),
            question=judgement.question,
            as_of=judgement.as_of,
            credential=judgement.credential,
            status=judgement.status,
            issuer=judgement.issuer,
            stack=judgement.stack,
            recognitions=judgement.recognitions,
            endorsements=judgement.endorsements,
            standing_decisions=judgement.standing_decisions,
            content=judgement.content,
        )

    def today(self, judged: JudgedToday) -> Today:
        """Return how a credential stands today, with its checks in words."""
        return Today(
            verdict=judged.verdict,
            at=judged.at,
            state=judged.state,
            since=judged.since,
            reason=judged.reason,
            replaced_by=judged.replaced_by,
            checks=tuple(map(self.check, judged.checks)),
        )

    def check(self, found: CheckFinding) -> Check:
        """Return what a check found, with the sentence of its code; what is only there in English is its cause."""
        values = {name: self._value(name, value) for name, value in found.values.items() if name != _FAULT}
        return Check(
            check=found.check,
            result=found.result,
            code=found.code,
            detail=self.sentences[found.code].format(**values),
            cause=_cause(found),
        )

    def _value(self, name: str, value: Any) -> str:
        form = _FORMS.get(name)
        return form(self, value) if form else within_sentence(str(value))

    def duration(self, seconds: float) -> str:
        """Return a duration as people say it: `12 seconds`, `3 minutes`, `2 days`; a unit begins with two of it."""
        unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= 2 * size), ("second", 1))
        count = f"{seconds // size if size > 1 else seconds:.0f}"
        one, many = self.durations[unit]
        return f"{count} {one if count == '1' else many}"


def quoted(value: object) -> object:
    """Return a value that is to stand in a sentence: what others wrote turns nothing of ours."""
    return within_sentence(value) if type(value) is str else value  # an element of a page has its own bounds


def _moment(_: Language, value: str) -> str:
    """Return a moment as people read it; a day as the document writes it."""
    return when(Moment(value)) if value[_TIME_FROM:] else value


def _credits(_: Language, hundredths: int) -> str:
    return ects_text(hundredths)


def _cause(found: CheckFinding) -> str:
    """Return what exactly was found, in English, as are the words of libraries; "" where the sentence says it all."""
    fault = found.values.get(_FAULT, "")
    if not isinstance(fault, CheckFinding):
        return within_sentence(str(fault))
    inner = ENGLISH.check(fault)
    return f"{inner.detail} {inner.cause}".rstrip()


def _fields(language: Language, names: Sequence[Field]) -> str:
    return ", ".join(language.word(FIELDS[name]) for name in names)


def _reason(language: Language, code: str) -> str:
    return language.word(REASONS.get(code, code))


def _purpose(language: Language, code: str) -> str:
    return language.word(PURPOSES.get(code, OTHER_PURPOSE))


_FORMS: Mapping[str, Callable[[Language, Any], str]] = {
    "since": _moment,
    "until": _moment,
    "at": _moment,
    "time": _moment,
    "remaining": _credits,
    "declared": _credits,
    "age": Language.duration,
    "fields": _fields,
    "reason": _reason,
    "purpose": _purpose,
}
"""How a value of a sentence is said, by its name; any other is text or a number."""


def _read(path: Path) -> Language:
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")) | {"code": path.stem}, Language)


ENGLISH = Language(code=DEFAULT, name="English", durations=DURATIONS, sentences=SENTENCES)
LANGUAGES: Mapping[str, Language] = {
    DEFAULT: ENGLISH,
    **{path.stem: _read(path) for path in sorted(Path(__file__).parent.glob("*.toml"))},
}


@lru_cache(maxsize=256)
def negotiated(accepted: str | None) -> Language:
    """Return the language that an `Accept-Language` header likes best of those there are (RFC 9110 section 12.5.4)."""
    best, best_weight = LANGUAGES[DEFAULT], 0.0
    for tag, weight in accepted_languages(accepted):
        found = LANGUAGES[DEFAULT] if tag == "*" else LANGUAGES.get(tag.partition("-")[0].lower())
        if found is not None and weight > best_weight:
            best, best_weight = found, weight
    return best


def preferred(accepted: str | None) -> tuple[str, ...]:
    """Return the languages that an `Accept-Language` header names, best liked first, whether we have them or not."""
    ranges = sorted(accepted_languages(accepted), key=lambda item: -item[1])
    return tuple(tag for tag, weight in ranges if weight > 0 and tag != "*")


__all__ = ["DEFAULT", "ENGLISH", "LANGUAGES", "Language", "negotiated", "preferred"]
