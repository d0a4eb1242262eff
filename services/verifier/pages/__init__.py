"""Pages for people: no script, nothing loaded from anywhere, every value escaped. Decides and stores nothing.

It keeps nothing, so a crash in it costs the page.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlencode

import msgspec
from aiohttp import web

from proto.documents.vocabulary import RESULT_STATUS_LABELS
from proto.stacking import ects_text
from proto.wire.content import Texts
from proto.wire.verifier import StatisticsAnswer, Today
from services.edge import Templates
from services.edge.check_words import CHECK_NAMES
from services.edge.qr_code import qr_svg
from services.verifier.languages.english import REASONS, STATES, when
from services.verifier.pages.days import Days
from services.verifier.pages.said import PageLanguage, Picked, called, called_part, has_titles, pick
from services.verifier.pages.stack_drawing import (
    BOX_HEIGHT,
    BOX_WIDTH,
    PARTS_LISTED_MAX,
    bar_of,
    count_of,
    fallen_in,
    tree_of,
)
from services.verifier.pages.statistics import bars, cells_of, label_of
from services.verifier.pages.verdict import is_fresh, lead, next_step, result_words
from services.verifier.pages.words import (
    COLUMNS,
    ENDORSER_ROLES,
    GROUPINGS,
    LEVELS,
    MARKS,
    SIGNS,
    STANDINGS,
    TITLES_OF_PARTS,
    WORDS,
)
from services.verifier.verdict.findings import Judgement
from services.verifier.verdict.today import decisive

_FOLDER = Path(__file__).parent


class TypedIn(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody put into the forms, so that it stands there again after a fault; a file cannot."""

    pasted: str = ""
    day: str = ""
    typed: str = ""


NOTHING_TYPED = TypedIn()


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What stands around a verdict: what was asked, by which address this verifier is reached, and what was wrong.

    `asked` says for which other moment than now was asked, and `days` are the days of the form that asks so again.
    """

    heading: str
    address: str
    asked: str = ""
    days: Days = Days()
    note: str = ""
    titles: Mapping[str, Texts] = {}
    """How catalogues call the achievements of what is shown, by their addresses."""
    fault: Picked | None = None
    status: int = 200


class Pages:
    """Renders the pages; made once, used by every request."""

    def __init__(self) -> None:
        self._templates = Templates(_FOLDER)
        environment = self._templates.environment
        environment.filters["ects"] = ects_text
        environment.filters["when"] = when
        environment.filters["segment"] = partial(quote, safe="")
        environment.globals.update(
            names=CHECK_NAMES,
            result_words=result_words,
            marks=MARKS,
            signs=SIGNS,
            levels=LEVELS,
            states=STATES,
            standings=STANDINGS,
            reasons=REASONS,
            roles=ENDORSER_ROLES,
            result_statuses=RESULT_STATUS_LABELS,
            box_width=BOX_WIDTH,
            box_height=BOX_HEIGHT,
            titles_of_parts=TITLES_OF_PARTS,
            parts_listed_max=PARTS_LISTED_MAX,
        )
        self._home = environment.get_template("home.html.jinja")
        self._answer = environment.get_template("answer.html.jinja")
        self._statistics = environment.get_template("statistics.html.jinja")

    def home(
        self,
        said: PageLanguage,
        kept: TypedIn = NOTHING_TYPED,
        *,
        fault: Picked | None = None,
        cause: str = "",
        advice: str = "",
        status: int = 200,
    ) -> web.Response:
        """Return the page with the forms, saying above them what was wrong with the last one; what was put in stays.

        `cause` is what exactly was wrong, in English, where the fault's words say less.
        """
        page = self._home.render(
            fault=fault, cause=cause, advice=said.language.word(advice), kept=kept, **said.globals()
        )
        return self._templates.page(page, status=status)

    def statistics(self, answer: StatisticsAnswer, said: PageLanguage, *, query: Mapping[str, str]) -> web.Response:
        """Return the page of the counts: drawn, as a table, and the form that asks for others."""
        link = urlencode({name: value for name, value in query.items() if value and name != "lang"})
        page = self._statistics.render(
            answer=answer,
            fault=None,
            bars=bars(answer, said.language),
            label=partial(label_of, language=said.language),
            columns=COLUMNS,
            cells=cells_of,
            query=query,
            link=link,
            groupings=GROUPINGS,
            **said.globals(),
        )
        return self._templates.page(page)

    def statistics_fault(
        self, said: PageLanguage, *, query: Mapping[str, str], fault: Picked, status: int
    ) -> web.Response:
        """Return the page that says why nothing was counted, above the form with what was asked for."""
        page = self._statistics.render(answer=None, fault=fault, query=query, groupings=GROUPINGS, **said.globals())
        return self._templates.page(page, status=status)

    def answer(self, judgement: Judgement, said: PageLanguage, shown: Shown) -> web.Response:
        """Return the page of a verdict: whose it is and its word, what the document says, and folded, why.

        Where another moment than now was asked about, the word is today's all the same, and what was found for that
        moment comes after it.
        """
        word = said.language.word
        answer = said.language.answer(judgement)
        first = answer.today or answer
        credential = answer.credential
        address = f"{shown.address}/c/{credential.credential_id}" if credential else f"{shown.address}/"
        page = self._answer.render(
            answer=answer,
            heading=word(shown.heading),
            called=partial(called, titles=shown.titles, preferred=said.of_texts(answer.content)),
            called_part=partial(called_part, preferred=said.of_texts(answer.content)),
            has_titles=has_titles,
            verdict=first.verdict,
            word=word(WORDS[first.verdict]),
            lead=[word(text) for text in lead(first, answer)],
            asked=shown.asked,
            days=shown.days,
            fault=shown.fault,
            note=word(shown.note) if shown.note else "",
            then=word(WORDS[answer.verdict]),
            pick=partial(pick, preferred=said.of_texts(answer.content)),
            then_lead=[item.detail for item in decisive(answer.verdict, answer.checks)],
            next=word(next_step(first.verdict, answer)),
            replaced_by=first.replaced_by if isinstance(first, Today) else answer.status and answer.status.replaced_by,
            is_old=not is_fresh(answer),
            tree=tree_of(answer.stack) if answer.stack else None,
            bar=bar_of(answer.stack) if answer.stack else (),
            part_count=count_of(answer.stack) if answer.stack else 0,
            fallen=list(fallen_in(answer.stack)) if answer.stack else (),
            address=address,
            qr=qr_svg(address) if credential and shown.address else "",
            **said.globals(),
        )
        return self._templates.page(page, status=shown.status)


__all__ = ["PageLanguage", "Pages", "Picked", "Shown", "TypedIn"]
