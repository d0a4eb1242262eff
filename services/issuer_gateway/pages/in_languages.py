"""Pages in the language of who reads them: named to no search engine and no other site. Stores nothing."""

import secrets
from collections.abc import Sequence
from datetime import timedelta, tzinfo
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web
from markupsafe import Markup, escape

from proto.documents.vocabulary import RESULT_STATUS_LABELS
from proto.moment import Moment, to_datetime
from proto.problem import Problem
from proto.sentence import Sentence
from proto.stacking import ects_text
from proto.wire.content import Texts
from services.edge import Templates, retry_after
from services.issuer_gateway.languages import DEFAULT, LANGUAGES, LearnerLanguage, quoted
from services.issuer_gateway.pages.fault_words import SaidFault, said_fault
from services.issuer_gateway.papers.supplement import picked

_FOLDER = Path(__file__).parent
_HEADERS = {"X-Robots-Tag": "noindex, noarchive", "Vary": "Accept-Language"}


class PageReader(msgspec.Struct, frozen=True, kw_only=True):
    """Who reads a page: in which language, whether that was asked for by name, and what else the page was asked for.

    `asked` is None where the page answers a form: at its address nothing can be asked for again.
    """

    language: LearnerLanguage = LANGUAGES[DEFAULT]
    is_named: bool = False
    asked: Sequence[tuple[str, str]] | None = ()

    @property
    def query(self) -> str:
        """What keeps a language that was asked for by name in links and forms of the page."""
        return f"?lang={self.language.code}" if self.is_named else ""

    @property
    def choices(self) -> list[tuple[str, str, str]]:
        """Each language: its tag, its name, and the query that asks for this page in it."""
        if self.asked is None:
            return []
        return [(each.code, each.name, urlencode([*self.asked, ("lang", each.code)])) for each in LANGUAGES.values()]

    def said(self, sentence: Sentence) -> tuple[str, str]:
        """Return a sentence in the reader's language, or in English, with the tag of the language that it is in."""
        found = self.language.said(sentence)
        return (found, self.language.code) if found is not None else (_english(sentence), DEFAULT)

    def picked(self, texts: Texts) -> tuple[str, str]:
        """Return a text that is there in some languages in the reader's, else in the first; with its language."""
        return picked(texts, self.language, next(iter(texts), "und"))

    def named(self, title: Texts | None) -> str | None:
        """Return a title as plain text, for a button's words; None where none is known."""
        return self.picked(title)[0] if title else None

    def phrase(self, text: str, **values: object) -> Markup:
        """Return a sentence of ours in the reader's language with values that may be elements; texts are escaped."""
        return escape(self.language.word(text)).format(**{name: quoted(value) for name, value in values.items()})


def _english(sentence: Sentence) -> str:
    found = LANGUAGES[DEFAULT].said(sentence)
    assert found is not None, "English has every sentence"
    return found


def when(moment: Moment) -> str:
    """Return a moment as pages write it: its day and minute in UTC."""
    return f"{moment[:10]} {moment[11:16]} UTC"


def last_day(until: Moment, zone: tzinfo) -> str:
    """Return the last day before a moment, as it is written where the institution is: the one that somebody typed."""
    last = to_datetime(until) - timedelta(milliseconds=1)
    return last.astimezone(zone).date().isoformat()


def _once() -> Markup:
    """Return the field by which a form whose button is pressed twice is known again (`http/once.py`)."""
    return Markup('<input type="hidden" name="once" value="{}">').format(secrets.token_urlsafe(16))


class PagesInLanguages:
    """Renders templates in which `t` says an English text in the reader's language; made once."""

    def __init__(self, **values: Any) -> None:
        self._templates = Templates(_FOLDER)
        self._templates.style += (_FOLDER / "sheet.css").read_text(encoding="utf-8")
        self._templates.environment.filters.update(ects=ects_text, when=when, last_day=last_day)
        self._templates.environment.globals.update(
            style=self._templates.style, result_statuses=RESULT_STATUS_LABELS, once=_once, **values
        )

    def rendered(self, template: str, reader: PageReader, /, *, status: int = 200, **values: Any) -> web.Response:
        """Return a page, with the choice of its language where it can be asked for again."""
        html = self._templates.environment.get_template(f"{template}.html.jinja").render(
            reader=reader,
            language=reader.language,
            t=reader.language.word,
            phrase=reader.phrase,
            query=reader.query,
            **values,
        )
        response = self._templates.page(html, status=status)
        response.headers.update({**_HEADERS, "Content-Language": reader.language.code})
        return response

    def refusal(self, template: str, problem: Problem, reader: PageReader, /, **values: Any) -> web.Response:
        """Return the page that says why something was refused, in words for people, and what to do next."""
        said: SaidFault = said_fault(problem)
        page = self.rendered(template, reader, status=problem.status, problem=said, **values)
        page.headers.update(retry_after(problem))
        return page
