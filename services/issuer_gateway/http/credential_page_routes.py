"""Pages and files behind the secret links of learners: what they hold, what they share. For people; no account."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from proto.ids import CredentialId, HolderLinkId
from proto.moment import from_datetime
from proto.problem import BusyProblem, InvalidProblem, Problem
from proto.wire.documents import CredentialDocument
from proto.wire.holder_links import SHARE_DAYS_MAX, ShownPart
from proto.wire.stacks import StackAdvice
from services.edge import ForbiddenProblem, Form, Media, Reply, Route
from services.issuer_gateway.credentials.change_credential import UnknownCredentialProblem
from services.issuer_gateway.credentials.credential_reader import ErasedProblem
from services.issuer_gateway.http.caller import GATEWAY
from services.issuer_gateway.http.holder_link_routes import (
    HELD_PAGES,
    HolderSecretPath,
    LinkedCredentialPath,
    LinkedPicturePath,
    LinkedSharePath,
    check_owner,
)
from services.issuer_gateway.http.once import id_of_form
from services.issuer_gateway.http.paper_routes import (
    NAME_DIGITS,
    PICTURE_MEDIA,
    PaperQuery,
    file_headers,
    language_named,
)
from services.issuer_gateway.http.people import (
    ONCE,
    for_people,
    form_route,
    page_route,
    path_of,
    query_of,
    reader_of,
    root_of,
    see_other,
)
from services.issuer_gateway.http.request_routes import SecretPath
from services.issuer_gateway.http.stack_routes import FIRST_STACK
from services.issuer_gateway.links.chosen_parts import AUDIENCE_CHARACTERS_MAX, EVERY_PART, ShareTerms
from services.issuer_gateway.links.link_commands import (
    HolderLinkEndedProblem,
    UnknownHolderLinkProblem,
)
from services.issuer_gateway.links.shown_credentials import FoundLink, sum_of_credits
from services.issuer_gateway.log.log_state import LogNotFollowedProblem
from services.issuer_gateway.pages.credential_pages import HeldRow, PageOf, ShareRow
from services.issuer_gateway.papers.papers import PaperProblem
from services.issuer_gateway.requests.learner_requests import UnknownRequestProblem
from services.issuer_gateway.store import logos, tenants

_FORM_BYTES_MAX = 16_384
_STACKS_MAX = 100
LINK_PROBLEMS: tuple[type[Problem], ...] = (
    UnknownHolderLinkProblem,
    HolderLinkEndedProblem,
    UnknownCredentialProblem,
    ErasedProblem,
)


class ShareNotUnderstoodProblem(InvalidProblem):
    """A form that shares something does not say for whom, or for how long, as it may be said."""

    slug = "share-not-understood"
    title = "The link was not made"


async def _page_of(request: web.Request, link: FoundLink, secret: str) -> PageOf:
    gateway = request.app[GATEWAY]
    return PageOf(
        reader=reader_of(request),
        tenant=link.tenant,
        has_logo=await logos.exists(gateway.pool, link.tenant.institution_id),
        until=from_datetime(link.stored.expires_at)[:10],
        secret=secret,
        root=root_of(request),
    )


@for_people
async def show_linked(request: web.Request) -> web.Response:
    """Show what a secret link leads to: a credential as a sheet, or all that a learner holds."""
    secret = path_of(request, HolderSecretPath).secret
    shown = request.app[GATEWAY].shown_by_links
    link = await shown.link(secret, is_view=request.method == "GET")
    if link.stored.credential_id is not None:
        return await _sheet(request, link, secret)
    held, page, stacks = await asyncio.gather(
        shown.all_read(link), _page_of(request, link, secret), _stacks(request, link)
    )
    rows = [HeldRow(content=each.content, facts=each.facts) for each in held]
    return request.app[HELD_PAGES].holdings(page, rows, sum_hundredths=sum_of_credits(held), stacks=stacks)


async def _stacks(request: web.Request, link: FoundLink) -> Sequence[StackAdvice] | None:
    """Return what the learner can make of what is held here, nearest first; None where that cannot be said now.

    Whom something was shared with is shown nothing of it.
    """
    if link.is_share:
        return []
    advise = request.app[GATEWAY].advise_stacks
    try:
        advised = await advise.for_learner_id(
            link.tenant, link.stored.learner_id, others=(), after=FIRST_STACK, limit=_STACKS_MAX
        )
    except LogNotFollowedProblem:
        return None
    found = [each for each in advised.stacks if each.preview.counted_hundredths > 0]
    return sorted(found, key=lambda each: not each.preview.can_be_stacked)


@for_people
async def show_linked_credential(request: web.Request) -> web.Response:
    """Show one of the credentials that a secret link leads to."""
    path = path_of(request, LinkedCredentialPath)
    link = await request.app[GATEWAY].shown_by_links.link(path.secret, is_view=request.method == "GET")
    return await _sheet(request, link, path.secret, path.credential_id)


async def _sheet(request: web.Request, link: FoundLink, secret: str, credential_id: Any = None) -> web.Response:
    gateway = request.app[GATEWAY]
    opened = await gateway.shown_by_links.opened(link, credential_id)
    shares = []
    if not link.is_share:
        shares = [
            ShareRow(
                link_id=stored.link_id,
                link=gateway.holder_links.address_of(gateway.holder_links.secret_of(stored.link_id, is_share=True)),
                audience=terms.audience,
                until=from_datetime(stored.expires_at)[:10],
                views=stored.view_count,
                is_whole=terms.is_whole,
                has_result="result" in terms.parts,
            )
            for stored, terms in await gateway.holder_links.shares_of(link.stored)
            if stored.credential_id == opened.facts.credential_id
        ]
    return request.app[HELD_PAGES].sheet(
        await _page_of(request, link, secret),
        opened,
        is_share=link.is_share,
        is_one_of_many=link.stored.credential_id is None,
        shares=shares,
    )


async def save_linked_document(request: web.Request, *, path: LinkedCredentialPath) -> Reply:
    """Return the signed document that a secret link leads to, as a file."""
    shown = request.app[GATEWAY].shown_by_links
    opened = await shown.opened(await shown.link(path.secret), path.credential_id)
    if not opened.facts.is_whole:
        raise UnknownCredentialProblem("This link shows parts of the credential, and not its document")
    return Reply(opened.encoded, headers=file_headers(f"credential-{path.credential_id[:NAME_DIGITS]}.json"))


async def save_linked_pdf(request: web.Request, *, path: LinkedCredentialPath, query: PaperQuery) -> Reply:
    """Return the supplement of what a secret link shows, as a PDF."""
    gateway = request.app[GATEWAY]
    opened = await gateway.shown_by_links.opened(await gateway.shown_by_links.link(path.secret), path.credential_id)
    pdf = await gateway.credential_papers.supplement(opened, language_named(query.lang))
    return Reply(pdf, headers=file_headers(f"credential-{path.credential_id[:NAME_DIGITS]}.pdf"))


async def save_linked_picture(request: web.Request, *, path: LinkedPicturePath, query: PaperQuery) -> web.Response:
    """Return the picture of what a secret link leads to, with the document inside."""
    gateway = request.app[GATEWAY]
    opened = await gateway.shown_by_links.opened(await gateway.shown_by_links.link(path.secret), path.credential_id)
    if not opened.facts.is_whole:
        raise UnknownCredentialProblem("This link shows parts of the credential, and no picture, which holds all of it")
    content = await gateway.credential_papers.picture(opened, path.form, language_named(query.lang))
    headers = file_headers(f"credential-{path.credential_id[:NAME_DIGITS]}.{path.form}")
    return web.Response(body=content, headers=headers, content_type=PICTURE_MEDIA[path.form])


async def save_export(request: web.Request, *, path: HolderSecretPath) -> Reply:
    """Return all that is kept of a learner, as one ZIP."""
    gateway = request.app[GATEWAY]
    link = await gateway.shown_by_links.link(path.secret)
    now = gateway.log_state.now()
    packed = await gateway.export_holdings.packed(link, now=now)
    return Reply(packed, headers=file_headers(f"credentials-{link.tenant.slug}-{now[:10]}.zip"))


@for_people
async def share_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Make a share from the page of a learner's own link, and go back to the page, which shows it."""
    path = path_of(request, LinkedCredentialPath)
    gateway = request.app[GATEWAY]
    link = check_owner(await gateway.shown_by_links.link(path.secret))
    opened = await gateway.shown_by_links.opened(link, path.credential_id)
    terms, days = share_terms(body)
    about = f"{link.stored.link_id}\n{opened.facts.credential_id}"
    said = id_of_form(request, link.tenant.institution_id, body, about)
    await gateway.holder_links.share(
        link.stored,
        link.tenant,
        opened.facts.credential_id,
        terms,
        days=days,
        link_id=HolderLinkId(said) if said else None,
    )
    return _back(request, path.secret, path.credential_id)


def share_terms(body: Form) -> tuple[ShareTerms, int]:
    """Return what a form says of a share, and for how many days it works; raises `ShareNotUnderstoodProblem`.

    Where it does not say that all is shown, only what it names is.
    """
    audience = " ".join(body.text("audience").split())
    if len(audience) > AUDIENCE_CHARACTERS_MAX:
        raise ShareNotUnderstoodProblem(f"Say in at most {AUDIENCE_CHARACTERS_MAX} letters for whom the link is meant")
    days = body.text("days").strip() or "30"
    is_number = days.isascii() and days.isdecimal() and len(days) <= len(str(SHARE_DAYS_MAX))
    if not (is_number and 1 <= int(days) <= SHARE_DAYS_MAX):
        raise ShareNotUnderstoodProblem(f"Choose between 1 and {SHARE_DAYS_MAX} days for which the link works")
    chosen: tuple[ShownPart, ...] = tuple(part for part in EVERY_PART if part != "document" and body.text(part))
    parts = ("document",) if body.text("extent") == "whole" else chosen
    return ShareTerms(audience=audience, parts=parts), int(days)


@for_people
async def end_share_by_form(request: web.Request) -> web.Response:
    """End a share from the page of the link that it was made with."""
    path = path_of(request, LinkedSharePath)
    gateway = request.app[GATEWAY]
    link = check_owner(await gateway.shown_by_links.link(path.secret))
    await gateway.holder_links.end_share(link.stored, path.link_id)
    return _back(request, path.secret, path.credential_id)


@for_people
async def end_linked_by_form(request: web.Request) -> web.Response:
    """End a learner's own link, with all that was shared from it."""
    secret = path_of(request, HolderSecretPath).secret
    gateway = request.app[GATEWAY]
    link = check_owner(await gateway.shown_by_links.link(secret))
    await gateway.holder_links.end_own(link.stored)
    return request.app[HELD_PAGES].ended(reader_of(request))


def _back(request: web.Request, secret: str, credential_id: CredentialId) -> web.Response:
    """Return to the page of a credential, in the language in which it was shown."""
    return see_other(f"{root_of(request)}/credentials/{secret}/{credential_id}{query_of(request)}")


@for_people
async def open_asked_page(request: web.Request) -> web.Response:
    """Go to the own page of the credential that a request led to; the same one as long as its link works."""
    secret = path_of(request, SecretPath).secret
    gateway = request.app[GATEWAY]
    stored = await gateway.learner_requests.by_secret(secret)
    if stored.credential_id is None:
        raise UnknownRequestProblem(f"There is no credential: the request is {stored.state}")
    tenant = await tenants.by_id(gateway.pool, stored.institution_id)
    held = await gateway.holder_links.for_source(tenant, f"request:{stored.request_id}", stored.credential_id)
    return see_other(f"../../credentials/{held}{query_of(request)}")


@for_people
async def end_asked_by_form(request: web.Request) -> web.Response:
    """End the link of a request that was decided."""
    secret = path_of(request, SecretPath).secret
    await request.app[GATEWAY].learner_requests.end_link(secret)
    return request.app[HELD_PAGES].ended(reader_of(request))


def _form_route(path: str, handler: Any, summary: str, **more: Any) -> Route:
    return form_route(path, handler, summary, body_bytes_max=_FORM_BYTES_MAX, **more)


_CREDENTIAL = "/credentials/{secret}/{credential_id:[^/]{16,}}"
ROUTES = [
    page_route("/credentials/{secret}", show_linked, "What a secret link leads to"),
    _form_route("/requests/{secret}/page", open_asked_page, "Go to the page of the credential that a request led to"),
    Route(
        "GET",
        "/credentials/{secret}/export",
        save_export,
        summary="Save all that is kept of a learner, as one ZIP",
        description="Signed documents, what proves them offline, their supplements, and a record of what else is kept.",
        path_parameters=HolderSecretPath,
        response={200: Media("application/zip", bytes)},
        problems=(*LINK_PROBLEMS, ForbiddenProblem, BusyProblem),
        tag="pages",
    ),
    _form_route("/requests/{secret}/end", end_asked_by_form, "End the link of a request that was decided"),
    _form_route("/credentials/{secret}/end", end_linked_by_form, "End a secret link on its page"),
    page_route(_CREDENTIAL, show_linked_credential, "The sheet of a credential behind a secret link"),
    Route(
        "GET",
        f"{_CREDENTIAL}/document",
        save_linked_document,
        summary="Save the document behind a secret link",
        path_parameters=LinkedCredentialPath,
        response={200: Media("application/vc", CredentialDocument)},
        problems=LINK_PROBLEMS,
        tag="pages",
    ),
    Route(
        "GET",
        f"{_CREDENTIAL}/pdf",
        save_linked_pdf,
        summary="Save the supplement behind a secret link",
        path_parameters=LinkedCredentialPath,
        query=PaperQuery,
        response={200: Media("application/pdf", bytes)},
        problems=(*LINK_PROBLEMS, PaperProblem, BusyProblem),
        tag="pages",
    ),
    Route(
        "GET",
        f"{_CREDENTIAL}/picture.{{form}}",
        save_linked_picture,
        summary="Save the picture behind a secret link, with the document inside",
        path_parameters=LinkedPicturePath,
        query=PaperQuery,
        response={200: tuple(Media(kind, bytes) for kind in PICTURE_MEDIA.values())},
        problems=(*LINK_PROBLEMS, PaperProblem, BusyProblem),
        tag="pages",
    ),
    _form_route(f"{_CREDENTIAL}/shares", share_by_form, "Share a credential on its page", again=ONCE),
    _form_route(
        f"{_CREDENTIAL}/shares/{{link_id}}/end", end_share_by_form, "End a share on the page of its credential"
    ),
]
