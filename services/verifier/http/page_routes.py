"""The pages for people: a form, the verdict on a document, the public status of a credential. Nothing sent is kept."""

import re
from typing import Annotated
from urllib.parse import urlencode

import msgspec
from aiohttp import web
from msgspec import Meta
from msgspec.structs import replace

from proto.documents.open_badge_claims import NotAnOpenBadgeProblem
from proto.ids import CredentialId, parse_credential_id
from proto.problem import BusyProblem, InvalidProblem, MalformedProblem
from proto.wire.verifier import LanguageQuery, TimeQuery
from services.edge import Form, Media, Route, annotate
from services.verifier.answers.questions import Moments, UnknownCredentialProblem
from services.verifier.config import Config
from services.verifier.documents import reader
from services.verifier.documents.other_formats import OtherFormatProblem
from services.verifier.documents.pdf import PdfProblem
from services.verifier.documents.reader import PresentationProblem
from services.verifier.http.app_keys import ANSWERS, PAGES, PDF, address_of
from services.verifier.http.query import moments_of, said_of
from services.verifier.languages import Language
from services.verifier.languages.english import PRESENTATION_NOTE, when
from services.verifier.pages.words import (
    ADVICE,
    ASKED,
    DOCUMENT_HEADING,
    NO_ID,
    NOTHING_SENT,
    RECORD_HEADING,
)
from services.verifier.projection.troubles import ProjectionProblem


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
        return request.app[PAGES].home(said, fault=said.line(NO_ID), status=422, typed=query.id.strip())
    raise web.HTTPSeeOther(f"c/{named}" + (f"?{urlencode({'lang': query.lang})}" if query.lang else ""))


def credential_named_in(text: str) -> CredentialId | None:
    """Return the credential id in what somebody typed or pasted: itself in any case, or a link that ends in it."""
    path = text.strip().partition("?")[0].partition("#")[0].rstrip("/")
    found = re.sub(r"[\s\u200b\u00ad-]", "", path.rpartition("/")[2]).lower()
    try:
        return parse_credential_id(found)
    except InvalidProblem:
        return None


async def check_form(request: web.Request, *, body: Form, query: LanguageQuery) -> web.Response:
    """Show the verdict on the document that was chosen or pasted."""
    pages, said, address = request.app[PAGES], said_of(request, query), address_of(request)
    data = body.fields.get("file", b"").strip() or body.fields.get("document", b"").strip()
    if not data:
        return pages.home(said, fault=said.line(NOTHING_SENT), status=422)
    try:
        if reader.is_pdf(data):
            data = await request.app[PDF].credential_in(data, address=address)
        sent, is_presented = reader.alone(data)
        judgement = await request.app[ANSWERS].document(sent, Moments(), address=address)
    except (
        MalformedProblem,
        NotAnOpenBadgeProblem,
        BusyProblem,
        PdfProblem,
        PresentationProblem,
    ) as problem:
        annotate(request, problem=problem.slug)
        pasted = "" if body.fields.get("file", b"").strip() else data.decode(errors="replace")
        advice = "" if isinstance(problem, BusyProblem | OtherFormatProblem | PresentationProblem) else ADVICE
        return pages.home(said, fault=said.line(problem.detail), advice=advice, status=problem.status, pasted=pasted)
    annotate(request, verdict=judgement.verdict)
    note = PRESENTATION_NOTE if is_presented else ""
    return pages.answer(judgement, replace(said, is_linkable=False), heading=DOCUMENT_HEADING, note=note)


async def status_page(request: web.Request, *, query: TimeQuery) -> web.Response:
    """Show the public status of a credential."""
    pages, said = request.app[PAGES], replace(said_of(request, query), root="..")
    try:
        moments = moments_of(query)
        asked = request.match_info["credential_id"]
        judgement = await request.app[ANSWERS].credential(
            credential_named_in(asked) or parse_credential_id(asked), moments
        )
    except (UnknownCredentialProblem, InvalidProblem, ProjectionProblem) as problem:
        annotate(request, problem=problem.slug)
        return pages.home(said, fault=said.line(problem.detail), status=problem.status)
    annotate(request, verdict=judgement.verdict)
    return pages.answer(judgement, said, heading=RECORD_HEADING, asked=_asked(moments, said.language))


def _asked(moments: Moments, language: Language) -> str:
    """Return for which moments was asked, in words."""
    values = {name: when(moment) for name, moment in msgspec.structs.asdict(moments).items() if moment}
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
