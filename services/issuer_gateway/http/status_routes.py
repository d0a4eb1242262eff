"""Routes of status lists, and of the keys that sign them, documents and events."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.events import KeyRecord
from proto.wire.documents import CredentialDocument
from proto.wire.id_fields import Slug
from proto.wire.institutions import SigningKeyRequest
from services.edge import Media, Reply, Route, etag_of
from services.issuer_gateway.domain.tenant import UnknownInstitutionProblem
from services.issuer_gateway.http.caller import GATEWAY, WORK_PROBLEMS, Caller, keyed_from
from services.issuer_gateway.institutions import institution_commands
from services.issuer_gateway.keys.signing_keys import NoKeyProblem
from services.issuer_gateway.status_lists import UnknownStatusListProblem
from services.persistence.postgres import Connection


class StatusPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A status list by its institution and number."""

    slug: Slug
    number: Annotated[int, Meta(ge=1, le=2**31 - 1)]


async def read_status_list(request: web.Request, *, path: StatusPath) -> Reply:
    """Return a status list; it may be kept for as long as its `ttl` says, and not beyond its end."""
    gateway = request.app[GATEWAY]
    tenant = await institution_commands.tenant_of(gateway.pool, path.slug)
    stored = await gateway.status_lists.published(tenant, path.number)
    assert stored.published is not None, "it is signed before it is returned"
    assert stored.valid_until is not None, "what is signed has an end"
    left = int((stored.valid_until - datetime.now(UTC)).total_seconds())
    seconds = max(0, min(gateway.config.status_ttl_seconds, left))
    return Reply(
        stored.published,
        headers={"Cache-Control": f"public, max-age={seconds}, must-revalidate"},
        etag=etag_of(stored.published),
    )


async def create_signing_key(
    request: web.Request, *, body: SigningKeyRequest, raw: bytes, principal: Caller, idempotency_key: str | None
) -> Reply:
    """Make a key that signs for the institution."""
    gateway = request.app[GATEWAY]

    async def work(connection: Connection) -> KeyRecord:
        return await institution_commands.add_secret(gateway.keystore, connection, principal.own, body.purpose)

    keyed = keyed_from(request, principal, idempotency_key, raw)
    return Reply(await gateway.idempotency.run_once(keyed, KeyRecord, work), status=201)


ROUTES = [
    Route(
        "GET",
        "/issuers/{slug}/status/{number}",
        read_status_list,
        summary="Read a status list",
        description="A W3C Bitstring Status List: its bit is set for a credential that is revoked, suspended or void, "
        "or has a part that is.",
        path_parameters=StatusPath,
        response={200: Media("application/vc", CredentialDocument)},
        has_etag=True,
        problems=(UnknownInstitutionProblem, UnknownStatusListProblem, NoKeyProblem),
        any_origin=True,
        tag="public",
    ),
    Route(
        "POST",
        "/v1/signing-keys",
        create_signing_key,
        summary="Make a key that signs for the institution",
        description="The secret half stays here. The key signs once the log has it: the institution's recovery key, or "
        "the registrar, adds what is answered as `issuer-key-added.v1`.",
        request=SigningKeyRequest,
        response={201: KeyRecord},
        problems=(institution_commands.TooManyKeysProblem, *WORK_PROBLEMS),
        auth="bearer",
        scope="keys:manage",
        idempotency="optional",
        unique_keys=True,
        tag="institutions",
    ),
]
