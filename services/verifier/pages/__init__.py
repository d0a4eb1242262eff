"""Pages for people: no script, nothing loaded from anywhere, every value escaped. Decides and stores nothing."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from proto.stacking import ects_text
from proto.wire.content import Content
from proto.wire.verifier import (
    Answer,
    CheckName,
    Dimension,
    Result,
    StatisticsAnswer,
    StatisticsRow,
    Today,
    Verdict,
)
from services.edge import Templates
from services.verifier.languages import DEFAULT, LANGUAGES, Language
from services.verifier.languages.english import REASONS, STATES, when
from services.verifier.projection.statistics import DIMENSIONS
from services.verifier.verdict.findings import Judgement
from services.verifier.verdict.today import decisive

_FOLDER = Path(__file__).parent
BARS_MAX = 60
"""More groups are in the table only."""
WORDS: Mapping[Verdict, str] = {"valid": "Valid", "invalid": "Not valid", "indeterminate": "Cannot be confirmed"}
NAMES: Mapping[CheckName, str] = {
    "document": "The document is as it was issued",
    "proof": "The document's own signature holds",
    "signature": "Signed by the institution",
    "inclusion": "Part of the public log",
    "issuer": "The institution may award it",
    "status": "Neither revoked nor suspended",
    "period": "Within its period of validity",
    "components": "All of its parts hold",
    "freshness": "The records are recent",
}
RESULTS: Mapping[Result, str] = {
    "valid": "yes",
    "invalid": "no",
    "unknown": "not known",
    "not_applicable": "does not apply",
}
SIGNS: Mapping[Verdict, Result] = {"valid": "valid", "invalid": "invalid", "indeterminate": "unknown"}
"""Whose mark stands beside a verdict's word, so that colour alone says nothing."""
LEVELS: Mapping[int, str] = {
    1: "basic knowledge and skills",
    2: "routine tasks under supervision",
    3: "skilled tasks, some autonomy",
    4: "as at the end of upper secondary education",
    5: "as a short cycle of higher education",
    6: "as a bachelor's degree",
    7: "as a master's degree",
    8: "as a doctorate",
}
MARKS: Mapping[Result, str] = {"valid": "\u2713", "invalid": "\u2717", "unknown": "?", "not_applicable": "\u2013"}


class PageLanguage(msgspec.Struct, frozen=True, kw_only=True):
    """In which language a page is, and whether that was asked for by name, so that its forms ask so again."""

    language: Language
    is_named: bool = False
    is_linkable: bool = True
    preferred: tuple[str, ...] = ()
    """Languages that the reader likes, best first, whether our own words are in them or not: for texts of documents."""
    root: Literal[".", ".."] = "."
    """The way from the page to the first one: under a proxy's path, no link may begin with a slash."""

    def of_texts(self, content: Content | None) -> tuple[str, ...]:
        """Return in which languages a document's texts are looked for: the reader's, the page's, the document's own."""
        own = (content.language,) if content else ()
        return (*self.preferred, self.language.code, *own, DEFAULT)

    def globals(self, *, choices: bool = True) -> dict[str, Any]:
        """Return what every template uses."""
        return {
            "language": self.language,
            "root": self.root,
            "t": self.language.word,
            "again": f"?lang={self.language.code}" if self.is_named else "",
            "choices": [(item.code, item.name) for item in LANGUAGES.values()] if choices else [],
        }


class Pages:
    """Renders the pages; made once, used by every request."""

    def __init__(self) -> None:
        self._templates = Templates(_FOLDER)
        environment = self._templates.environment
        environment.filters["ects"] = ects_text
        environment.filters["when"] = when
        environment.globals.update(
            names=NAMES, results=RESULTS, marks=MARKS, signs=SIGNS, levels=LEVELS, states=STATES, reasons=REASONS
        )
        self._home = environment.get_template("home.html.jinja")
        self._answer = environment.get_template("answer.html.jinja")
        self._statistics = environment.get_template("statistics.html.jinja")

    def home(
        self, said: PageLanguage, *, fault: str = "", status: int = 200, typed: str = "", pasted: str = ""
    ) -> web.Response:
        """Return the page with the forms, saying above them what was wrong with the last one; what was put in stays."""
        page = self._home.render(fault=said.language.word(fault), typed=typed, pasted=pasted, **said.globals())
        return self._templates.page(page, status=status)

    def statistics(self, answer: StatisticsAnswer, *, query: Mapping[str, str]) -> web.Response:
        """Return the page of the counts: drawn, as a table, and the form that asks for others."""
        link = urlencode({name: value for name, value in query.items() if value})
        page = self._statistics.render(
            answer=answer,
            bars=_bars(answer),
            label=label_of,
            query=query,
            link=link,
            dimensions=DIMENSIONS,
            **PageLanguage(language=LANGUAGES[DEFAULT]).globals(choices=False),
        )
        return self._templates.page(page)

    def answer(
        self, judgement: Judgement, said: PageLanguage, *, heading: str, asked: str = "", note: str = ""
    ) -> web.Response:
        """Return the page of a verdict: its word first and large, then what was checked and what is on record.

        `asked` says for which other moment than now was asked: then the word is today's all the same, and what was
        found for that moment comes after it. A page that was asked for by a form cannot be asked for in another
        language by a link.
        """
        word = said.language.word
        answer = said.language.answer(judgement)
        first = answer.today or answer
        page = self._answer.render(
            answer=answer,
            heading=word(heading),
            verdict=first.verdict,
            word=word(WORDS[first.verdict]),
            lead=[word(text) for text in _lead(first, answer)],
            asked=asked,
            note=word(note) if note else "",
            then=word(WORDS[answer.verdict]),
            pick=partial(_pick, preferred=said.of_texts(answer.content)),
            then_lead=[item.detail for item in decisive(answer.verdict, answer.checks)],
            **said.globals(choices=said.is_linkable),
        )
        return self._templates.page(page)


class Picked(msgspec.Struct, frozen=True):
    """A text in the language that suits its reader best, and which that is."""

    text: str
    lang: str


def _pick(texts: Mapping[str, str], *, preferred: Sequence[str]) -> Picked:
    """Return the text in the first of these languages that there is, else the first text."""
    by_language = {tag.partition("-")[0].lower(): (tag, text) for tag, text in reversed(list(texts.items()))}
    for tag in preferred:
        if found := by_language.get(tag.partition("-")[0].lower()):
            return Picked(text=found[1], lang=found[0])
    tag, text = next(iter(texts.items()), ("und", ""))
    return Picked(text=text, lang=tag)


def _bars(answer: StatisticsAnswer) -> list[dict[str, Any]]:
    """Return the rows as bars: a label, how many credentials, and the width in per cent of the longest."""
    shown = answer.rows[:BARS_MAX]
    longest = max((row.credential_count + row.stack_count for row in shown), default=0) or 1
    return [
        {
            "label": label_of(row, answer.by),
            "count": row.credential_count + row.stack_count,
            "width": round((row.credential_count + row.stack_count) / longest * 100, 2),
        }
        for row in shown
    ]


def label_of(row: StatisticsRow, by: Sequence[Dimension]) -> str:
    """Return a group in words: `NL, EQF 6, 2026-11`."""
    parts = [_WORDS_OF[name](row) for name in by]
    return ", ".join(parts) or "all"


_WORDS_OF: Mapping[Dimension, Callable[[StatisticsRow], str]] = {
    "issuer": lambda row: str(row.legal_name or row.issuer),
    "country": lambda row: str(row.country or "country not stated"),
    "eqf_level": lambda row: f"EQF {row.eqf_level}" if row.eqf_level else "EQF not stated",
    "month": lambda row: str(row.month),
}


def _lead(first: Answer | Today, answer: Answer) -> list[str]:
    """Return the sentences under the verdict's word: what decided it."""
    if first.verdict == "valid":
        codes = {check.check: check.code for check in answer.checks if check.check in {"document", "proof"}}
        if codes.get("document") != "document-matches":
            return ["The credential on record holds."]
        if codes.get("proof") == "proof-absent":
            return ["The document is authentic and the credential holds; this copy of it carries no signature."]
        return ["The document is authentic and the credential holds."]
    return [check.detail for check in decisive(first.verdict, first.checks)]
