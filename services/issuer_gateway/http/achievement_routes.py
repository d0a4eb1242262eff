"""Routes of achievements: the institution's own, the public one at its URI, and the catalogue of all."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.documents.credential import Achievement
from proto.documents.open_badge import achievement_document
from proto.wire.documents import AchievementDocument
from proto.wire.gateway import AchievementAnswer, AchievementPage, AchievementRequest, CatalogueEntry, CataloguePage
from proto.wire.id_fields import AchievementIdField, Slug
from services.edge import Media, PreconditionProblem, Reply, Route, decode_cursor, encode_cursor, etag_of, require_match
from services.edge.media_type import preferred
from services.issuer_gateway.achievements import achievement_commands
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.domain.awarding import ForeignUriProblem, words_of
from services.issuer_gateway.domain.tenant import UnknownInstitutionProblem
from services.issuer_gateway.http import examples
from services.issuer_gateway.http.caller import (
    GATEWAY,
    WORK_PROBLEMS,
    Caller,
    CursorText,
    PageLimit,
    PageQuery,
    keyed_from,
)
from services.issuer_gateway.institutions import institution_commands
from services.issuer_gateway.store import achievements
from services.persistence.postgres import Connection

_SEE_OTHER = 303
_JSON, _JSON_LD, _HTML = "application/json", "application/ld+json", "text/html"
_LIST, _CATALOGUE = "achievements", "catalogue"


class AchievementPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An achievement of the asking institution by its id."""

    achievement_id: AchievementIdField


class PublicPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An achievement by its institution and id."""

    slug: Slug
    achievement_id: AchievementIdField


class CatalogueQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look for: every word of `q` begins a word of the achievement or of the institution's name."""

    q: Annotated[str, Meta(max_length=LIMITS.search_characters_max, description="Words to look for")] = ""
    cursor: CursorText | None = None
    limit: PageLimit = LIMITS.page_rows_default


def _etag(answer: AchievementAnswer) -> str:
    return etag_of(msgspec.json.encode(answer.achievement))


async def create_achievement(
    request: web.Request, *, body: AchievementRequest, raw: bytes, principal: Caller, idempotency_key: str | None
) -> Reply:
    """Describe an achievement."""

    async def work(connection: Connection) -> AchievementAnswer:
        return await achievement_commands.create(connection, principal.own, body)

    keyed = keyed_from(request, principal, idempotency_key, raw)
    answer = await request.app[GATEWAY].idempotency.run_once(keyed, AchievementAnswer, work)
    return Reply(answer, status=201, headers={"Location": f"/v1/achievements/{answer.id}"}, etag=_etag(answer))


async def revise_achievement(
    request: web.Request,
    *,
    body: AchievementRequest,
    raw: bytes,
    path: AchievementPath,
    principal: Caller,
    idempotency_key: str | None,
) -> Reply:
    """Describe an achievement anew; `If-Match` guards against another's change in between."""
    tenant = principal.own

    async def work(connection: Connection) -> AchievementAnswer:
        known = await achievements.lock(connection, tenant.institution_id, path.achievement_id)
        if known is None:
            raise achievement_commands.NoSuchAchievementProblem(
                f"{tenant.slug} has no achievement {path.achievement_id}"
            )
        require_match(request, _etag(achievement_commands.answer(tenant, known)))
        return await achievement_commands.revise(connection, tenant, known, body)

    keyed = keyed_from(request, principal, idempotency_key, raw)
    answer = await request.app[GATEWAY].idempotency.run_once(keyed, AchievementAnswer, work)
    return Reply(answer, etag=_etag(answer))


async def read_achievement(request: web.Request, *, path: AchievementPath, principal: Caller) -> Reply:
    """Return an achievement of the institution."""
    stored = await achievement_commands.get(request.app[GATEWAY].pool, principal.own, path.achievement_id)
    answer = achievement_commands.answer(principal.own, stored)
    return Reply(answer, etag=_etag(answer))


async def list_achievements(request: web.Request, *, query: PageQuery, principal: Caller) -> AchievementPage:
    """Return the institution's achievements."""
    after = decode_cursor(_LIST, query.cursor, str) if query.cursor else ""
    found = await achievements.page(
        request.app[GATEWAY].pool, principal.own.institution_id, after=after, limit=query.limit + 1
    )
    shown = found[: query.limit]
    more = encode_cursor(_LIST, shown[-1].achievement_id) if len(found) > len(shown) else None
    return AchievementPage(
        achievements=tuple(achievement_commands.answer(principal.own, each) for each in shown), next_cursor=more
    )


async def read_public_achievement(request: web.Request, *, path: PublicPath) -> Reply:
    """Return what an achievement's URI stands for, as it is described now; a browser is sent to its page."""
    form = preferred(",".join(request.headers.getall("Accept", [])), (_JSON, _JSON_LD, _HTML))
    if form == _HTML:
        return Reply(status=_SEE_OTHER, headers={"Location": f"{path.achievement_id}/page", "Vary": "Accept"})
    pool = request.app[GATEWAY].pool
    tenant = await institution_commands.tenant_of(pool, path.slug)
    achievement = (await achievement_commands.get(pool, tenant, path.achievement_id)).achievement
    content = msgspec.json.encode(achievement_document(achievement, tenant.issuer) if form == _JSON_LD else achievement)
    return Reply(content, etag=etag_of(content), headers={"Vary": "Accept", "Content-Type": form})


async def read_catalogue(request: web.Request, *, query: CatalogueQuery) -> CataloguePage:
    """Return what can be achieved at all institutions."""
    after = decode_cursor(_CATALOGUE, query.cursor, tuple[str, str]) if query.cursor else ("", "")
    words = words_of(query.q)
    found = await achievements.search(request.app[GATEWAY].pool, words=words, after=after, limit=query.limit + 1)
    shown = found[: query.limit]
    entries = tuple(
        CatalogueEntry(
            institution=each.tenant.slug,
            issuer=each.tenant.did,
            legal_name=each.tenant.legal_name,
            achievement=each.achievement,
        )
        for each in shown
    )
    last = (shown[-1].tenant.slug, shown[-1].achievement_id) if len(found) > len(shown) else None
    return CataloguePage(entries=entries, next_cursor=encode_cursor(_CATALOGUE, last) if last else None)


ROUTES = [
    Route(
        "POST",
        "/v1/achievements",
        create_achievement,
        summary="Describe an achievement",
        description="The answer says of each element of Annex I (2022/C 243/02) whether it is stated.",
        request=AchievementRequest,
        examples=examples.ACHIEVEMENT,
        response={201: AchievementAnswer},
        has_etag=True,
        problems=(achievement_commands.AchievementTakenProblem, ForeignUriProblem, *WORK_PROBLEMS),
        auth="bearer",
        scope="achievements:write",
        idempotency="optional",
        unique_keys=True,
        tag="achievements",
    ),
    Route(
        "GET",
        "/v1/achievements",
        list_achievements,
        summary="List the institution's achievements",
        query=PageQuery,
        response={200: AchievementPage},
        auth="bearer",
        tag="achievements",
    ),
    Route(
        "GET",
        "/v1/achievements/{achievement_id}",
        read_achievement,
        summary="Read an achievement of the institution",
        path_parameters=AchievementPath,
        response={200: AchievementAnswer},
        has_etag=True,
        problems=(achievement_commands.NoSuchAchievementProblem,),
        auth="bearer",
        tag="achievements",
    ),
    Route(
        "PUT",
        "/v1/achievements/{achievement_id}",
        revise_achievement,
        summary="Describe an achievement anew",
        description="What was awarded keeps the revision that it was awarded under.",
        request=AchievementRequest,
        examples=examples.ACHIEVEMENT,
        path_parameters=AchievementPath,
        response={200: AchievementAnswer},
        has_etag=True,
        problems=(
            achievement_commands.NoSuchAchievementProblem,
            achievement_commands.AchievementTakenProblem,
            ForeignUriProblem,
            PreconditionProblem,
            *WORK_PROBLEMS,
        ),
        auth="bearer",
        scope="achievements:write",
        idempotency="optional",
        unique_keys=True,
        tag="achievements",
    ),
    Route(
        "GET",
        "/issuers/{slug}/achievements/{achievement_id}",
        read_public_achievement,
        summary="Read what an achievement's URI stands for",
        description="As Open Badges JSON-LD for `Accept: application/ld+json`. A browser is sent to its page.",
        path_parameters=PublicPath,
        response={200: (Achievement, Media(_JSON_LD, AchievementDocument)), 303: None},
        has_etag=True,
        problems=(UnknownInstitutionProblem, achievement_commands.NoSuchAchievementProblem),
        any_origin=True,
        tag="public",
    ),
    Route(
        "GET",
        "/v1/catalogue",
        read_catalogue,
        summary="Search what can be achieved",
        query=CatalogueQuery,
        response={200: CataloguePage},
        any_origin=True,
        tag="public",
    ),
]
