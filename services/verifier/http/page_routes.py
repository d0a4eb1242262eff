"""The pages for people: a form, the verdict on a document, the public status of a credential. Nothing sent is kept."""

import re
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlencode

import msgspec
from aiohttp import web
from msgspec import Meta
from msgspec.structs import replace

from proto.canonical import DOCUMENT_BYTES_MAX
from proto.documents.baked_picture import BakedPictureProblem, credential_in, kind_of
from proto.documents.open_badge_claims import NotAnOpenBadgeProblem
from proto.ids import CredentialId, parse_credential_id
from proto.problem import BusyProblem, InvalidProblem, MalformedProblem, Problem
from proto.wire.content import Texts
from proto.wire.verifier import LanguageQuery, TimeQuery
from services.edge import Form, Media, Route, annotate
from services.edge.body import off_loop
from services.verifier.answers.questions import Moments, UnknownCredentialProblem
from services.verifier.config import Config
from services.verifier.documents import reader
from services.verifier.documents.other_formats import OtherFormatProblem
from services.verifier.documents.pdf import PdfProblem
from services.verifier.documents.reader import PresentationProblem
from services.verifier.http.app_keys import ANSWERS, LISTS, PAGES, PDF, SETTINGS, address_of
from services.verifier.http.query import address_asked, moments_of, said_of
from services.verifier.languages import Language
from services.verifier.languages.english import PRESENTATION_NOTE, when
from services.verifier.pages import PageLanguage, Picked, Shown, TypedIn
from services.verifier.pages.days import days_of
from services.verifier.pages.words import (
    ADVICE,
    ASKED,
    DOCUMENT_HEADING,
    MAYBE_NOT_ON_RECORD,
    NO_DAY,
    NO_ID,
    NOT_ON_RECORD,
    NOT_YET_ON_RECORD,
    NOTHING_SENT,
    RECORD_HEADING,
    REFUSALS,
    UNREADABLE,
)
from services.verifier.projection.troubles import ProjectionProblem
from services.verifier.verdict.findings import Judgement

_DAY_LENGTH_MAX = 64
_ID_PASTED_MAX = 2_000
_IDS = re.compile(r"(?<![0-9a-z])[0-9a-f]{64}(?![0-9a-z])")


class HomeQuery(LanguageQuery, frozen=True, kw_only=True):
    """A credential id typed into the page's second form."""

    id: Annotated[str, Meta(max_length=2_000, description="A credential id, or a link that ends in one")] = ""


async def home(request: web.Request, *, query: HomeQuery) -> web.Response:
    """Show the forms, or go to the page of the id that was typed in."""
    said = said_of(request, LanguageQuery(lang=query.lang))
    if not query.id.strip():
        return request.app[PAGES].home(said)
    named = credential_named_in(query.id)
    if named is None:
        return request.app[PAGES].home(said, TypedIn(typed=query.id.strip()), fault=said.line(NO_ID), status=422)
    raise _record_of(named, lang=query.lang)


def _record_of(named: CredentialId, **asked: str | None) -> web.HTTPSeeOther:
    """Return what leads to the page of a credential, with what else was asked for."""
    query = urlencode({name: value for name, value in asked.items() if value})
    return web.HTTPSeeOther(f"c/{named}" + (f"?{query}" if query else ""))


def _id_alone(pasted: bytes) -> CredentialId | None:
    """Return the id where somebody pasted one, or a link that ends in it, in place of a document."""
    if len(pasted) > _ID_PASTED_MAX or pasted[:1] in {b"{", b"[", b"<"}:
        return None
    return credential_named_in(pasted.decode(errors="replace"))


def credential_named_in(text: str) -> CredentialId | None:
    """Return the credential id in what somebody typed or pasted: itself in any case, or a link that ends in it.

    A sentence, or brackets, around the one id that there is are passed over.
    """
    path = text.strip().partition("?")[0].partition("#")[0].rstrip("/")
    ending = re.sub(r"[\s\u200b\u00ad-]", "", path.rpartition("/")[2]).lower()
    try:
        return parse_credential_id(ending)
    except InvalidProblem:
        found = set(_IDS.findall(text.lower()))
    return parse_credential_id(found.pop()) if len(found) == 1 else None


async def check_form(request: web.Request, *, body: Form, query: LanguageQuery) -> web.Response:
    """Show the verdict on the document that was chosen or pasted, as of the day that was named, if one was."""
    pages, said, address = request.app[PAGES], said_of(request, query), address_of(request)
    chosen, pasted = body.fields.get("file", b"").strip(), body.fields.get("document", b"").strip()
    day = body.fields.get("at", b"").decode("ascii", "replace").strip()[:_DAY_LENGTH_MAX]
    data = chosen or pasted
    kept = TypedIn(pasted=pasted[:DOCUMENT_BYTES_MAX].decode(errors="replace"), day=day)
    if not data:
        return pages.home(said, kept, fault=said.line(NOTHING_SENT), status=422)
    try:
        asked = TimeQuery(at=day or None)
        moments = moments_of(request, asked)
    except InvalidProblem:
        return pages.home(said, kept, fault=said.line(NO_DAY), status=422)
    if not chosen and (named := _id_alone(pasted)) is not None:
        raise _record_of(named, at=day, lang=query.lang)
    try:
        if kind_of(data) is not None:
            data = await off_loop(request, len(data), credential_in, data)
        elif reader.is_pdf(data):
            data = await request.app[PDF].credential_in(data, address=address)
        sent, is_presented = await off_loop(request, len(data), reader.alone, data)
        judgement = await request.app[ANSWERS].document(sent, moments, address=address)
    except ProjectionProblem as problem:
        annotate(request, problem=problem.slug)
        return pages.home(said, kept, fault=said.line(UNREADABLE), status=problem.status)
    except (
        MalformedProblem,
        NotAnOpenBadgeProblem,
        BusyProblem,
        PdfProblem,
        BakedPictureProblem,
        PresentationProblem,
    ) as problem:
        annotate(request, problem=problem.slug)
        says_what_to_do = BakedPictureProblem | BusyProblem | OtherFormatProblem | PresentationProblem
        advice = "" if isinstance(problem, says_what_to_do) else ADVICE
        fault, cause = _refusal(said, problem)
        return pages.home(said, kept, fault=fault, cause=cause, advice=advice, status=problem.status)
    annotate(request, verdict=judgement.verdict)
    shown = Shown(
        heading=DOCUMENT_HEADING,
        address=_public_address(request),
        asked=_asked(moments, asked, said.language),
        days=days_of(moments.at, None),
        note=PRESENTATION_NOTE if is_presented else "",
        titles=await _titles(request, judgement),
    )
    return pages.answer(judgement, replace(said, is_linkable=False), shown)


async def status_page(request: web.Request, *, query: TimeQuery) -> web.Response:
    """Show the public status of a credential; what cannot be read of the days that were asked for is said there."""
    pages, said = request.app[PAGES], replace(said_of(request, query), root="..")
    query = replace(query, at=query.at or None, known_at=query.known_at or None)  # a form sends what is left empty
    fault, status = None, 200
    try:
        moments = moments_of(request, query)
    except InvalidProblem:
        moments, fault, status = Moments(), said.line(NO_DAY), 422
    asked = request.match_info["credential_id"]
    try:
        named = credential_named_in(asked) or parse_credential_id(asked)
        judgement = await request.app[ANSWERS].credential(named, moments)
    except (UnknownCredentialProblem, InvalidProblem, ProjectionProblem) as problem:
        annotate(request, problem=problem.slug)
        return pages.home(said, TypedIn(typed=asked), fault=_fault(said, problem, query), status=problem.status)
    annotate(request, verdict=judgement.verdict)
    shown = Shown(
        heading=RECORD_HEADING,
        address=_public_address(request),
        asked=_asked(moments, query, said.language),
        days=days_of(query.at if not fault else None, query.known_at if not fault else None),
        titles=await _titles(request, judgement),
        fault=fault,
        status=status,
    )
    return pages.answer(judgement, said, shown)


def _refusal(said: PageLanguage, problem: Problem) -> tuple[Picked, str]:
    """Return in the reader's words why nothing was checked; where they say less, also what exactly, in English."""
    line = said.line(problem.detail)
    if line.lang == said.language.code:
        return line, ""
    return said.line(REFUSALS[problem.slug]), problem.detail


def _fault(said: PageLanguage, problem: Problem, query: TimeQuery) -> Picked:
    """Return in the reader's words why no record can be shown."""
    if isinstance(problem, ProjectionProblem):
        return said.line(UNREADABLE)
    if isinstance(problem, InvalidProblem):
        return said.line(NO_ID)
    if "today" in problem.members:
        return said.line(NOT_YET_ON_RECORD, known_at=query.known_at)
    return said.line(NOT_ON_RECORD if problem.members.get("fresh") else MAYBE_NOT_ON_RECORD)


async def _titles(request: web.Request, judgement: Judgement) -> Mapping[str, Texts]:
    """Return how a catalogue calls what the page is about; nothing where that cannot be read."""
    try:
        return await request.app[LISTS].titles({judgement.credential.achievement} if judgement.credential else ())
    except ProjectionProblem:
        return {}


def _public_address(request: web.Request) -> str:
    """Return the address at which people reach this verifier: as its operator says, else as the page was asked for.

    "" where the page was asked for under no name of a host, which no code to be photographed may lead to.
    """
    return (request.app[SETTINGS].public_url or address_asked(request)).rstrip("/")


def _asked(moments: Moments, query: TimeQuery, language: Language) -> str:
    """Return for which moments was asked, in words: a day as it was named."""
    named = {"at": query.at, "known_at": query.known_at}
    values = {
        name: named[name] if named[name] and len(named[name] or "") == len("2026-11-23") else when(moment)
        for name, moment in msgspec.structs.asdict(moments).items()
        if moment
    }
    return language.word(ASKED[frozenset(values)], **values) if values else ""


def page_routes(config: Config) -> list[Route]:
    """Return the routes of the pages about documents and credentials."""
    page = Media("text/html")
    return [
        Route(
            "GET",
            "/",
            home,
            operation="show_home",
            summary="The page for people",
            tag="pages",
            query=HomeQuery,
            response={200: page, 303: None},
        ),
        Route(
            "POST",
            "/",
            check_form,
            operation="show_verdict",
            summary="The page with the verdict on a document",
            again="nothing is kept",
            tag="pages",
            request=Form,
            query=LanguageQuery,
            response=dict.fromkeys((200, 400, 422, 503), page),
            body_bytes_max=config.verification_bytes_max,
        ),
        Route(
            "GET",
            "/c/{credential_id}",
            status_page,
            operation="show_status",
            summary="The page with the public status of a credential",
            tag="pages",
            query=TimeQuery,
            response=dict.fromkeys((200, 404, 422, 503), page),
        ),
    ]
