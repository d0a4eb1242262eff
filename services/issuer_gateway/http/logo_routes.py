"""Routes of institutions' logos, which pages and papers show."""

from aiohttp import web

from services.edge import Media, Reply, Route, etag_of
from services.issuer_gateway.domain.tenant import UnknownInstitutionProblem
from services.issuer_gateway.http.caller import GATEWAY, Caller
from services.issuer_gateway.http.institution_routes import SlugPath
from services.issuer_gateway.institutions import institution_commands
from services.issuer_gateway.institutions.logo import LOGO_BYTES_MAX, LogoProblem, NoLogoProblem, check_logo
from services.issuer_gateway.store import logos
from services.persistence.postgres import Connection

_PNG = "image/png"


async def change_logo(request: web.Request, *, raw: bytes, principal: Caller) -> Reply:
    """Keep the institution's logo."""
    check_logo(raw)

    async def work(connection: Connection) -> None:
        await logos.keep(connection, principal.own.institution_id, raw)

    await request.app[GATEWAY].unit_of_work.in_transaction(work)
    return Reply(status=204)


async def remove_logo(request: web.Request, *, principal: Caller) -> Reply:
    """Take the institution's logo away."""

    async def work(connection: Connection) -> None:
        await logos.forget(connection, principal.own.institution_id)

    await request.app[GATEWAY].unit_of_work.in_transaction(work)
    return Reply(status=204)


async def read_logo(request: web.Request, *, path: SlugPath) -> Reply:
    """Return an institution's logo."""
    pool = request.app[GATEWAY].pool
    tenant = await institution_commands.tenant_of(pool, path.slug)
    content = await logos.get(pool, tenant.institution_id)
    if content is None:
        raise NoLogoProblem("The institution has sent no logo")
    return Reply(content, etag=etag_of(content), headers={"Cache-Control": "public, max-age=300"})


ROUTES = [
    Route(
        "PUT",
        "/v1/institution/logo",
        change_logo,
        summary="Change the institution's logo",
        again="nothing changes, and the answer is how it stands",
        description="A PNG of at most 256 KiB and 2,000 by 2,000 pixels; pages and papers of credentials show it.",
        request=bytes,
        request_media=(_PNG,),
        problems=(LogoProblem,),
        auth="bearer",
        scope="achievements:write",
        body_bytes_max=LOGO_BYTES_MAX,
        tag="institutions",
    ),
    Route(
        "DELETE",
        "/v1/institution/logo",
        remove_logo,
        summary="Take the institution's logo away",
        again="nothing changes, and the answer is how it stands",
        auth="bearer",
        scope="achievements:write",
        tag="institutions",
    ),
    Route(
        "GET",
        "/issuers/{slug}/logo",
        read_logo,
        summary="Read an institution's logo",
        path_parameters=SlugPath,
        response={200: Media(_PNG, bytes)},
        has_etag=True,
        problems=(UnknownInstitutionProblem, NoLogoProblem),
        tag="institutions",
    ),
]
