"""What several routes take from a request: the reader's language and the moments that are asked about."""

import msgspec
from aiohttp import web

from proto.moment import Moment, normalise
from proto.problem import InvalidProblem
from proto.wire.verifier import LanguageQuery, TimeQuery
from services.edge import parameter_problem
from services.edge.dispatch import add_headers
from services.verifier.answers.questions import Moments
from services.verifier.languages import DEFAULT, LANGUAGES, Language, negotiated, preferred
from services.verifier.pages import PageLanguage


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
        preferred=preferred(lang or request.headers.get("Accept-Language")),
    )


def moments_of(query: TimeQuery) -> Moments:
    """Return the asked moments; raises `InvalidProblem` that names the parameter which is no time."""
    return Moments(at=_moment("at", query.at), known_at=_moment("known_at", query.known_at))


def _moment(name: str, text: str | None) -> Moment | None:
    if text is None:
        return None
    try:
        return normalise(text.replace(" ", "+"))  # a plus sign that was not percent-encoded arrives as a space
    except InvalidProblem as problem:
        raise parameter_problem(name, problem.detail) from problem
