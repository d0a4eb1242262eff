"""The pages of lists: the register, an institution, the log; and its feed. Every value escaped; decides nothing."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode

from aiohttp import web

from proto.moment import Moment
from proto.stacking import ects_text
from proto.wire.register import AchievementFacts, AchievementPage, IssuerAnswer, IssuerPage, LogAnswer, ProfileFacts
from services.edge import Templates
from services.verifier.languages import DEFAULT
from services.verifier.languages.english import when
from services.verifier.pages.facets import differences, facet_words
from services.verifier.pages.growth import growth_of
from services.verifier.pages.list_words import (
    ASSESSMENTS,
    COMPARED_WORDS,
    FACET_HEADINGS,
    HISTORY,
    INSTITUTION_STATES,
    KEY_STATES,
    PURPOSES,
    SCOPE_WORDS,
    STATE_WORDS,
)
from services.verifier.pages.said import PageLanguage, Picked, pick
from services.verifier.pages.words import STANDINGS

_FOLDER = Path(__file__).parent
_GROUP = "\u202f"
"""Between thousands: a narrow space that breaks no line, which every language reads."""


class Said(NamedTuple):
    """One thing that the registrar said of an institution, in words."""

    received_at: Moment
    words: str
    profile: ProfileFacts | None = None
    is_void: bool = False


class ListPages:
    """Renders the pages of lists; made once, used by every request."""

    def __init__(self) -> None:
        self._templates = Templates(_FOLDER)
        environment = self._templates.environment
        environment.filters.update(ects=ects_text, when=when, segment=segment, grouped=grouped)
        environment.globals.update(
            institution_states=INSTITUTION_STATES,
            state_words=STATE_WORDS,
            scope_words=SCOPE_WORDS,
            purposes=PURPOSES,
            key_states=KEY_STATES,
            standings=STANDINGS,
            compared_words=COMPARED_WORDS,
            facet_headings=FACET_HEADINGS,
            assessments=ASSESSMENTS,
        )
        for shared in ("base.html.jinja", "line.html.jinja", "lists.html.jinja"):
            environment.get_template(shared)  # compiled now, not for the first who asks
        self._issuers = environment.get_template("issuers.html.jinja")
        self._issuer = environment.get_template("issuer.html.jinja")
        self._log = environment.get_template("log.html.jinja")
        self._achievements = environment.get_template("achievements.html.jinja")
        self._achievement = environment.get_template("achievement.html.jinja")
        self._fault = environment.get_template("fault.html.jinja")
        self._feed = environment.get_template("log.atom.jinja")

    def issuers(
        self,
        found: IssuerPage,
        said: PageLanguage,
        *,
        query: Mapping[str, str],
        countries: Sequence[str],
    ) -> web.Response:
        """Return the page of the register: the form that searches it, and what was found."""
        asked = {name: query[name] for name in ("q", "country", "state") if query.get(name)}
        page = self._issuers.render(
            found=found,
            fault=None,
            query=query,
            countries=countries,
            link=urlencode(asked),
            link_back=urlencode(asked | _lang(said)) or "q=" if query.get("cursor") else "",
            next=urlencode({**asked, **_lang(said), "cursor": found.next_cursor}) if found.next_cursor else "",
            **said.globals(),
        )
        return self._templates.page(page)

    def issuers_fault(
        self, said: PageLanguage, *, query: Mapping[str, str], fault: Picked, status: int
    ) -> web.Response:
        """Return the page that says what was wrong, above the form that searches the register."""
        page = self._issuers.render(found=None, fault=fault, query=query, countries=(), next="", **said.globals())
        return self._templates.page(page, status=status)

    def achievements(
        self,
        page: AchievementPage | None,
        said: PageLanguage,
        *,
        query: Mapping[str, str],
        fault: Picked | None,
        status: int,
    ) -> web.Response:
        """Return the page of the catalogue: the form with its facets, and what was found; or what was wrong."""
        asked = {name: value for name, value in query.items() if value and name not in {"cursor", "lang"}}
        cursor = page.next_cursor if page else None
        html = self._achievements.render(
            page=page,
            fault=fault,
            query=query,
            facet=partial(facet_words, language=said.language),
            pick=partial(pick, preferred=said.of_texts(None)),
            original=lambda title, tag: pick(title, preferred=(tag,)),
            link=urlencode(asked),
            link_back=urlencode(asked | _lang(said)),
            next=urlencode({**asked, **_lang(said), "cursor": cursor}) if cursor else "",
            **said.globals(),
        )
        return self._templates.page(html, status=status)

    def achievement(self, answer: AchievementFacts, said: PageLanguage) -> web.Response:
        """Return the page of an achievement: what its institution says, and what the log says, told apart."""
        known = answer.description.achievement if answer.description else None
        own = (known.language, DEFAULT) if known else ()
        html = self._achievement.render(
            answer=answer,
            known=known,
            differences=[said.language.word(words, **values) for words, values in differences(answer)],
            facet=partial(facet_words, language=said.language),
            pick=partial(pick, preferred=(*said.preferred, said.language.code, *own)),
            own_page=answer.achievement if answer.achievement.startswith(("https://", "http://")) else None,
            link=urlencode({"achievement": answer.achievement}),
            **said.globals(),
        )
        return self._templates.page(html)

    def fault(self, said: PageLanguage, *, heading: str, fault: Picked, status: int) -> web.Response:
        """Return a page that says why there is nothing to show."""
        page = self._fault.render(heading=said.language.word(heading), fault=fault, **said.globals())
        return self._templates.page(page, status=status)

    def issuer(self, answer: IssuerAnswer, said: PageLanguage) -> web.Response:
        """Return the page of an institution."""
        page = self._issuer.render(
            answer=answer,
            history=_history(answer),
            compromised=any(key.state == "compromised" for key in answer.keys),
            pick=partial(pick, preferred=said.of_texts(None)),
            links={name: urlencode({name: answer.issuer.did}) for name in ("issuer", "recogniser")},
            **said.globals(),
        )
        return self._templates.page(page)

    def log(self, answer: LogAnswer, said: PageLanguage, *, here: str, log_url: str | None) -> web.Response:
        """Return the page of the log; `here` is this verifier's own address, for whoever wants to ask it."""
        page = self._log.render(
            answer=answer,
            growth=growth_of(answer.days),
            duration=said.language.duration,
            pick=partial(pick, preferred=said.of_texts(None)),
            here=here,
            log_url=log_url,
            **said.globals(),
        )
        return self._templates.page(page)

    def feed(self, answer: LogAnswer, said: PageLanguage) -> str:
        """Return the newest entries as an Atom feed (RFC 4287); its links are relative to its own address."""
        updated = answer.newest[0].received_at if answer.newest else answer.opened_at
        return self._feed.render(answer=answer, updated=updated, **said.globals())


def segment(text: str) -> str:
    """Return a text as one segment of a path."""
    return quote(text, safe="")


def grouped(number: int) -> str:
    """Return a number with its thousands set apart."""
    return f"{number:,}".replace(",", _GROUP)


def _lang(said: PageLanguage) -> dict[str, str]:
    return {"lang": said.language.code} if said.is_named else {}


def _history(answer: IssuerAnswer) -> list[Said]:
    """Return all that the registrar said of an institution, the last first."""
    items = [Said(each.received_at, HISTORY[each.kind], each, each.is_void) for each in answer.profiles]
    items += [Said(each.received_at, HISTORY[each.kind]) for each in answer.issuer.history]
    return sorted(items, key=lambda item: item.received_at, reverse=True)
