"""What several routes take from a request: the reader's language and the moments that are asked about."""

import re
from collections.abc import Callable

import msgspec
from aiohttp import web

from proto.moment import Moment, normalise
from proto.problem import InvalidProblem
from proto.wire.verifier import LanguageQuery, TimeQuery
from services.edge import parameter_problem
from services.edge.dispatch import add_headers
from services.verifier.answers.questions import Moments
from services.verifier.http.app_keys import ANSWERS
from services.verifier.languages import DEFAULT, LANGUAGES, Language, negotiated, preferred
from services.verifier.pages import PageLanguage

_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}\Z")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NOON, _DAY_END = "T12:00:00Z", "T23:59:59.999Z"


def address_asked(request: web.Request) -> str:
    """Return the address at which this service was asked, without a path; "" where the request names no host."""
    host = request.headers.get("Host", "")  # aiohttp's own word for one that is missing asks the network for a name
    return f"{request.scheme}://{host}" if _HOST.match(host) else ""


def language_of(request: web.Request, query: LanguageQuery) -> Language:
    """Return the language that is asked for by name, else by the header; and say so with the answer."""
    named = query.lang or request.headers.get("Accept-Language")
    language = negotiated(named) if named else LANGUAGES[DEFAULT]
    add_headers(request, {"Content-Language": language.code, "Vary": "Accept-Language"})
    return language


def said_of(request: web.Request, query: msgspec.Struct) -> PageLanguage:
    """Return in which language a page is, by its query and the headers."""
    values = ((field, getattr(query, field.name)) for field in msgspec.structs.fields(query))
    asked = {field.encode_name: value for field, value in values if value != field.default}
    lang: str | None = asked.pop("lang", None)
    return PageLanguage(
        language=language_of(request, LanguageQuery(lang=lang)),
        is_named=lang is not None,
        asked=asked,
        preferred=preferred(",".join(filter(None, (lang, request.headers.get("Accept-Language"))))),
    )


def moments_of(request: web.Request, query: TimeQuery) -> Moments:
    """Return the asked moments; raises `InvalidProblem` that names the parameter which is neither a day nor a time.

    A day stands for its noon in UTC where it is asked for (`at`), when that day has come or not yet gone nearly
    everywhere; and for its end where it is asked by what was known then (`known_at`). The day that is today is now.
    """
    now = request.app[ANSWERS].now
    return Moments(at=_moment("at", query.at, _NOON, now), known_at=_moment("known_at", query.known_at, _DAY_END, now))


def _moment(name: str, text: str | None, time_of_day: str, now: Callable[[], Moment]) -> Moment | None:
    if text is None:
        return None
    try:
        if not _DAY.fullmatch(text):
            return normalise(text.replace(" ", "+"))  # a plus sign that was not percent-encoded arrives as a space
        moment = normalise(text + time_of_day)
    except InvalidProblem as problem:
        raise parameter_problem(name, f"{problem.detail}; or a day, as in 2026-11-23") from problem
    return None if now().startswith(text) else moment
