"""Routes of institutions, their API keys and their DID documents."""

from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.documents.annex_i import strictest
from proto.wire.id_fields import ApiKeyIdField, Slug
from proto.wire.institutions import (
    ApiKeyCreated,
    ApiKeyList,
    ApiKeyRequest,
    Institution,
    InstitutionCreated,
    InstitutionPage,
    InstitutionRequest,
    InstitutionSettings,
    SettingsRequest,
)
from services.edge import ForbiddenProblem, Media, Reply, Route, decode_cursor, encode_cursor, etag_of
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.domain.tenant import (
    Tenant,
    UnknownInstitutionProblem,
    did_document,
    institution_answer,
)
from services.issuer_gateway.http import examples
from services.issuer_gateway.http.caller import (
    GATEWAY,
    OPERATOR_SCOPE,
    SEARCHED,
    WORK_PROBLEMS,
    Caller,
    PageQuery,
    keyed_from,
)
from services.issuer_gateway.institutions import institution_commands, institution_settings
from services.issuer_gateway.store import followed_log, tenants
from services.persistence.postgres import Connection, transaction

_LIST = "institutions"


class SlugPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An institution by its slug."""

    slug: Slug


class InstitutionQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which institutions: every word of `q` must occur in name, place, country or slug."""

    q: Annotated[
        str, Meta(pattern=SEARCHED, max_length=LIMITS.search_characters_max, description="Words to look for")
    ] = ""


class ApiKeyPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An API key by its id."""

    api_key_id: ApiKeyIdField


async def create_institution(
    request: web.Request, *, body: InstitutionRequest, raw: bytes, principal: Caller, idempotency_key: str | None
) -> Reply:
    """Make a tenant with its keys and first API key."""
    gateway = request.app[GATEWAY]

    async def work(connection: Connection) -> InstitutionCreated:
        return await institution_commands.create(
            gateway.keystore, connection, body, public_url=gateway.config.public_url
        )

    keyed = keyed_from(request, principal, idempotency_key, raw)
    created = await gateway.idempotency.run_once(keyed, InstitutionCreated, work, is_secret=True)
    return Reply(created, status=201, headers={"Location": f"/v1/institutions/{created.slug}"})


async def list_institutions(request: web.Request, *, query: InstitutionQuery) -> InstitutionPage:
    """Return the institutions of this gateway, or those whose name, place or slug hold every word."""
    gateway = request.app[GATEWAY]
    after = decode_cursor(_LIST, query.cursor, str) if query.cursor else ""
    words = query.q.split()
    found = await tenants.institutions(gateway.pool, words=words, after=after, limit=query.limit + 1)
    shown = found[: query.limit]
    async with transaction(gateway.pool) as connection:
        book = await followed_log.book_of_issuers(connection, {tenant.did for tenant in shown})
    more = encode_cursor(_LIST, shown[-1].slug) if len(found) > len(shown) else None
    return InstitutionPage(
        institutions=tuple(institution_answer(each, book, now=gateway.log_state.now()) for each in shown),
        next_cursor=more,
    )


async def read_institution(request: web.Request, *, path: SlugPath) -> Institution:
    """Return one institution and what the log says of it."""
    gateway = request.app[GATEWAY]
    tenant = await institution_commands.tenant_of(gateway.pool, path.slug)
    async with transaction(gateway.pool) as connection:
        book = await followed_log.book_of_issuers(connection, {tenant.did})
    return institution_answer(tenant, book, now=gateway.log_state.now())


async def read_did_document(request: web.Request, *, path: SlugPath) -> Reply:
    """Return an institution's DID document."""
    gateway = request.app[GATEWAY]
    tenant = await institution_commands.tenant_of(gateway.pool, path.slug)
    async with transaction(gateway.pool) as connection:
        book = await followed_log.book_of_issuers(connection, {tenant.did})
    content = msgspec.json.encode(did_document(tenant, book))
    return Reply(content, etag=etag_of(content))


async def create_key(
    request: web.Request, *, body: ApiKeyRequest, raw: bytes, principal: Caller, idempotency_key: str | None
) -> Reply:
    """Make an API key."""
    gateway = request.app[GATEWAY]

    async def work(connection: Connection) -> ApiKeyCreated:
        return await institution_commands.add_key(connection, principal.own, body)

    institution_commands.check_scopes(body, principal.scopes)
    keyed = keyed_from(request, principal, idempotency_key, raw)
    return Reply(await gateway.idempotency.run_once(keyed, ApiKeyCreated, work, is_secret=True), status=201)


async def list_keys(request: web.Request, *, principal: Caller) -> ApiKeyList:
    """Return the institution's API keys without their secrets."""
    found = await tenants.api_keys(
        request.app[GATEWAY].pool, principal.own.institution_id, limit=10 * institution_commands.API_KEYS_MAX
    )
    return ApiKeyList(keys=tuple(found))


async def revoke_key(request: web.Request, *, path: ApiKeyPath, principal: Caller) -> Reply:
    """Revoke an API key; it works no more from the next request on."""

    async def work(connection: Connection) -> None:
        if not await tenants.revoke_api_key(connection, principal.own.institution_id, path.api_key_id):
            raise institution_commands.UnknownApiKeyProblem(f"{principal.own.slug} has no API key {path.api_key_id}")

    await request.app[GATEWAY].unit_of_work.in_transaction(work)
    return Reply(status=204)


async def read_settings(request: web.Request, *, principal: Caller) -> InstitutionSettings:
    """Return the institution's settings."""
    return _settings(request, principal.own)


async def change_settings(request: web.Request, *, body: SettingsRequest, principal: Caller) -> InstitutionSettings:
    """Change the institution's settings; they hold for what is issued from now on."""
    institution_settings.check_settings(principal.own, body)

    async def work(connection: Connection) -> Tenant:
        return await institution_settings.change_settings(connection, principal.own, body)

    return _settings(request, await request.app[GATEWAY].unit_of_work.in_transaction(work))


def _settings(request: web.Request, tenant: Tenant) -> InstitutionSettings:
    in_force = strictest(request.app[GATEWAY].config.annex_gate, tenant.annex_gate)
    return InstitutionSettings(
        annex_gate=tenant.annex_gate,
        annex_gate_in_force=in_force,
        time_zone=tenant.time_zone or msgspec.UNSET,
        programmes=msgspec.UNSET if tenant.programmes is None else tenant.programmes,
        grade_conditions=tenant.grade_conditions,
        decide_within_days=tenant.decide_within_days or msgspec.UNSET,
        decide_within_days_in_force=tenant.decide_within_days or request.app[GATEWAY].config.application_due_days,
        remind_days_before=tenant.remind_days_before,
    )


ROUTES = [
    Route(
        "POST",
        "/v1/institutions",
        create_institution,
        summary="Make a tenant",
        description="The answer holds its first API key, shown once, and the admission request for the registrar.",
        request=InstitutionRequest,
        examples=examples.INSTITUTION,
        response={201: InstitutionCreated},
        problems=(institution_commands.SlugTakenProblem, institution_commands.KeyOnLogProblem, *WORK_PROBLEMS),
        auth="bearer",
        scope=OPERATOR_SCOPE,
        idempotency="optional",
        unique_keys=True,
        tag="institutions",
    ),
    Route(
        "GET",
        "/v1/institutions",
        list_institutions,
        summary="Search the institutions",
        description="With scope, accreditation and keys, as the log has them.",
        query=InstitutionQuery,
        response={200: InstitutionPage},
        tag="institutions",
    ),
    Route(
        "GET",
        "/v1/institutions/{slug}",
        read_institution,
        summary="Read an institution",
        path_parameters=SlugPath,
        response={200: Institution},
        problems=(UnknownInstitutionProblem,),
        tag="institutions",
    ),
    Route(
        "GET",
        "/issuers/{slug}/did.json",
        read_did_document,
        summary="Read an institution's DID document",
        path_parameters=SlugPath,
        response={200: Media("application/did+json", dict[str, Any])},
        has_etag=True,
        any_origin=True,
        problems=(UnknownInstitutionProblem,),
        tag="institutions",
    ),
    Route(
        "GET",
        "/v1/settings",
        read_settings,
        summary="Read the institution's settings",
        response={200: InstitutionSettings},
        auth="bearer",
        tag="institutions",
    ),
    Route(
        "PUT",
        "/v1/settings",
        change_settings,
        summary="Change the institution's settings",
        again="nothing changes, and the answer is how it stands",
        description="Which credentials are refused for what they lack of Annex I, never laxer than the gateway's gate; "
        "the zone of days without a time; and the `programmes` towards which applications for recognition are taken, "
        "each under an address that begins with one of the institution's own; `put_programmes` and `remove_programmes` "
        "change single ones, so that two people at once lose none. `grade_conditions` are the office's own, "
        "on no log: for which grades its standing decisions decide at once. `decide_within_days` and "
        "`remind_days_before` say when applications for recognition are due, and when the office is reminded.",
        request=SettingsRequest,
        response={200: InstitutionSettings},
        auth="bearer",
        scope="achievements:write",
        unique_keys=True,
        tag="institutions",
    ),
    Route(
        "POST",
        "/v1/keys",
        create_key,
        summary="Make an API key",
        description="Its scopes are among those of the key that asks. The secret is shown once.",
        request=ApiKeyRequest,
        response={201: ApiKeyCreated},
        problems=(ForbiddenProblem, institution_commands.TooManyKeysProblem, *WORK_PROBLEMS),
        auth="bearer",
        scope="keys:manage",
        idempotency="optional",
        unique_keys=True,
        tag="API keys",
    ),
    Route(
        "GET",
        "/v1/keys",
        list_keys,
        summary="List the institution's API keys",
        response={200: ApiKeyList},
        auth="bearer",
        scope="keys:manage",
        tag="API keys",
    ),
    Route(
        "DELETE",
        "/v1/keys/{api_key_id}",
        revoke_key,
        summary="Revoke an API key",
        again="nothing changes, and the answer is how it stands",
        path_parameters=ApiKeyPath,
        response={204: None},
        problems=(institution_commands.UnknownApiKeyProblem,),
        auth="bearer",
        scope="keys:manage",
        tag="API keys",
    ),
]
