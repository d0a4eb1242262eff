"""Routes of the secret links of learners: made and ended by staff; what a link shows, as JSON."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta

from proto.documents.fields import LearnerRef
from proto.event_fields import CredentialIdField
from proto.wire.holder_links import HolderLink, HolderLinkList, HolderLinkRequest, ShownCredentials
from proto.wire.id_fields import HolderLinkIdField
from services.edge import ForbiddenProblem, Reply, Route
from services.issuer_gateway.credentials.change_credential import UnknownCredentialProblem
from services.issuer_gateway.credentials.credential_reader import ErasedProblem
from services.issuer_gateway.http.caller import GATEWAY, WORK_PROBLEMS, Caller, keyed_from
from services.issuer_gateway.links import link_commands
from services.issuer_gateway.links.shown_credentials import FoundLink
from services.issuer_gateway.pages.credential_pages import CredentialPages
from services.issuer_gateway.papers.papers import PictureForm

HELD_PAGES: web.AppKey[CredentialPages] = web.AppKey("gateway_credential_pages", CredentialPages)
HolderSecret = Annotated[str, Meta(pattern=r"^cf[hs]_[A-Za-z0-9_-]{43}\Z", max_length=47)]
_NO_STORE = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, noarchive"}


class HolderSecretPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last part of a learner's secret link."""

    secret: HolderSecret


class LinkedCredentialPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A credential behind a secret link."""

    secret: HolderSecret
    credential_id: CredentialIdField


class LinkedPicturePath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The picture of a credential behind a secret link."""

    secret: HolderSecret
    credential_id: CredentialIdField
    form: PictureForm


class LinkedSharePath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A share of a credential behind a secret link."""

    secret: HolderSecret
    credential_id: CredentialIdField
    link_id: HolderLinkIdField


class HolderLinkPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A learner's link by its id."""

    link_id: HolderLinkIdField


class HolderLinkQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose links."""

    learner: Annotated[LearnerRef, Meta(description="The institution's own name for a learner")]


class NotOwnLinkProblem(ForbiddenProblem):
    """The link was made to show something to others."""

    slug = "not-your-own-link"
    title = "This link only shows"


def check_owner(link: FoundLink) -> FoundLink:
    """Return a learner's own link; raises `NotOwnLinkProblem` for one that was made to show something to others."""
    if link.is_share:
        raise NotOwnLinkProblem("This link shows a credential; only the learner's own link may share or end anything")
    return link


async def make_holder_link(
    request: web.Request, *, body: HolderLinkRequest, raw: bytes, principal: Caller, idempotency_key: str | None
) -> Reply:
    """Make a secret link for a learner."""
    made = await request.app[GATEWAY].holder_links.make(
        principal.own,
        learner=None if body.learner is UNSET else body.learner,
        credential_id=None if body.credential_id is UNSET else body.credential_id,
        days=None if body.days_valid is UNSET else body.days_valid,
        keyed=keyed_from(request, principal, idempotency_key, raw),
    )
    return Reply(made, status=201, headers={"Location": f"/v1/holder-links/{made.link_id}", **_NO_STORE})


async def list_holder_links(request: web.Request, *, query: HolderLinkQuery, principal: Caller) -> HolderLinkList:
    """Return a learner's links."""
    return HolderLinkList(links=tuple(await request.app[GATEWAY].holder_links.of_learner(principal.own, query.learner)))


async def end_holder_link(request: web.Request, *, path: HolderLinkPath, principal: Caller) -> HolderLink:
    """End a link, and what was shared from it."""
    return await request.app[GATEWAY].holder_links.end(principal.own, path.link_id)


async def see_linked(request: web.Request, *, path: HolderSecretPath) -> Reply:
    """Return what a secret link leads to."""
    shown = request.app[GATEWAY].shown_by_links
    link = await shown.link(path.secret, is_view=request.method == "GET")
    return Reply(await shown.described(link), headers=_NO_STORE)


ROUTES = [
    Route(
        "POST",
        "/v1/holder-links",
        make_holder_link,
        summary="Make a secret link by which a learner sees all that the institution issued, or one credential",
        description="The link is shown this once. It works until its end, until it is ended here or by the learner, or "
        "until the learner is erased.",
        request=HolderLinkRequest,
        response={201: HolderLink},
        problems=(
            link_commands.NoLearnerProblem,
            UnknownCredentialProblem,
            ErasedProblem,
            link_commands.TooManyLinksProblem,
            *WORK_PROBLEMS,
        ),
        auth="bearer",
        scope="credentials:read",
        idempotency="optional",
        unique_keys=True,
        tag="links",
    ),
    Route(
        "GET",
        "/v1/holder-links",
        list_holder_links,
        summary="List the secret links of a learner",
        query=HolderLinkQuery,
        response={200: HolderLinkList},
        problems=(link_commands.NoLearnerProblem,),
        auth="bearer",
        scope="credentials:read",
        tag="links",
    ),
    Route(
        "DELETE",
        "/v1/holder-links/{link_id}",
        end_holder_link,
        summary="End a secret link, and what was shared from it",
        again="nothing changes, and the answer is how it stands",
        path_parameters=HolderLinkPath,
        response={200: HolderLink},
        problems=(link_commands.UnknownHolderLinkProblem,),
        auth="bearer",
        scope="credentials:read",
        tag="links",
    ),
    Route(
        "GET",
        "/v1/credential-links/{secret}",
        see_linked,
        summary="Read what a secret link leads to",
        description="The parts that it shows, and how each credential stands by the public record.",
        path_parameters=HolderSecretPath,
        response={200: ShownCredentials},
        problems=(
            link_commands.UnknownHolderLinkProblem,
            link_commands.HolderLinkEndedProblem,
            ErasedProblem,
        ),
        tag="links",
    ),
]
