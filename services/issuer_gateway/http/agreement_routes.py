"""Routes of agreements between institutions: proposed, accepted, ended; handed over between gateways; shown to all."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.documents.recognition_agreement import ConsentEnvelope
from proto.event_fields import HashField
from proto.ids import AgreementId
from proto.problem import Problem
from proto.wire.agreements import AgreementAnswer, AgreementPage, AgreementRequest
from proto.wire.id_fields import Slug
from services.edge import Reply, Route, decode_cursor, encode_cursor
from services.issuer_gateway.applications import agreements
from services.issuer_gateway.domain.tenant import Tenant, UnknownInstitutionProblem
from services.issuer_gateway.http.caller import GATEWAY, WORK_PROBLEMS, Caller, PageQuery, keyed_from
from services.issuer_gateway.institutions import institution_commands
from services.issuer_gateway.keys.signing_keys import NoKeyProblem
from services.issuer_gateway.log.log_state import LogNotFollowedProblem
from services.issuer_gateway.service import Gateway

_LIST = "agreements"
DOCUMENT_BYTES_MAX = 524_288
"""An agreement with all its terms, in its envelope."""


class AgreementPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agreement by its id: 64 lower-case hex digits."""

    agreement_id: HashField

    @property
    def named(self) -> AgreementId:
        """The id."""
        return AgreementId(self.agreement_id)


class AgreeingPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An institution of this gateway."""

    slug: Slug


async def page_of_agreements(
    gateway: Gateway, tenant: Tenant, cursor: str | None, *, limit: int, is_public: bool = False
) -> AgreementPage:
    """Return a page of an institution's agreements."""
    after = decode_cursor(_LIST, cursor, tuple[Annotated[datetime, Meta(tz=True)], HashField]) if cursor else None
    found, more = await gateway.agreements.listed(tenant, after=after, limit=limit, is_public=is_public)
    return AgreementPage(agreements=tuple(found), next_cursor=encode_cursor(_LIST, more) if more is not None else None)


async def propose_agreement(
    request: web.Request, *, body: AgreementRequest, raw: bytes, principal: Caller, idempotency_key: str | None
) -> Reply:
    """Propose an agreement."""
    keyed = keyed_from(request, principal, idempotency_key, raw)
    made = await request.app[GATEWAY].agreements.propose(principal.own, body, keyed)
    return Reply(made, status=201, headers={"Location": f"/v1/agreements/{made.agreement_id}"})


async def take_in_agreement(request: web.Request, *, body: ConsentEnvelope, principal: Caller) -> AgreementAnswer:
    """Keep what another party signed at its own gateway."""
    return await request.app[GATEWAY].agreements.take_in(principal.own, body)


async def accept_agreement(request: web.Request, *, path: AgreementPath, principal: Caller) -> AgreementAnswer:
    """Consent to an agreement."""
    return await request.app[GATEWAY].agreements.accept(principal.own, path.named)


async def end_agreement(request: web.Request, *, path: AgreementPath, principal: Caller) -> AgreementAnswer:
    """End an agreement."""
    return await request.app[GATEWAY].agreements.end(principal.own, path.named)


async def list_agreements(request: web.Request, *, query: PageQuery, principal: Caller) -> AgreementPage:
    """Return the institution's agreements."""
    return await page_of_agreements(request.app[GATEWAY], principal.own, query.cursor, limit=query.limit)


async def read_agreement(request: web.Request, *, path: AgreementPath, principal: Caller) -> AgreementAnswer:
    """Return one agreement."""
    return await request.app[GATEWAY].agreements.get(principal.own, path.named)


async def list_public_agreements(request: web.Request, *, path: AgreeingPath, query: PageQuery) -> AgreementPage:
    """Return the agreements of an institution that both have signed."""
    gateway = request.app[GATEWAY]
    tenant = await institution_commands.tenant_of(gateway.pool, path.slug)
    return await page_of_agreements(gateway, tenant, query.cursor, limit=query.limit, is_public=True)


_UNKNOWN: tuple[type[Problem], ...] = (agreements.UnknownAgreementProblem,)
_SIGNING: tuple[type[Problem], ...] = (NoKeyProblem, LogNotFollowedProblem)
_OFFICE: dict[str, Any] = {"auth": "bearer", "scope": "recognitions:write", "tag": "recognitions"}

ROUTES = [
    Route(
        "POST",
        "/v1/agreements",
        propose_agreement,
        summary="Propose to another institution what counts at either",
        description="Signed by this institution's assertion key. An institution of this gateway sees it in its list; "
        "to another hand `document`, which it sends to its own gateway. It decides nothing before both have signed.",
        request=AgreementRequest,
        response={201: AgreementAnswer},
        problems=(*_SIGNING, agreements.TooManyAgreementsProblem, *WORK_PROBLEMS),
        idempotency="optional",
        unique_keys=True,
        **_OFFICE,
    ),
    Route(
        "POST",
        "/v1/agreement-documents",
        take_in_agreement,
        summary="Keep what another institution signed at its own gateway: a proposal, a consent, an ending",
        again="nothing changes, and the answer is how it stands",
        description="Its signatures are checked by the log.",
        request=ConsentEnvelope,
        response={200: AgreementAnswer},
        problems=(*_UNKNOWN, LogNotFollowedProblem),
        body_bytes_max=DOCUMENT_BYTES_MAX,
        unique_keys=True,
        **_OFFICE,
    ),
    Route(
        "GET",
        "/v1/agreements",
        list_agreements,
        summary="List the institution's agreements, those that were proposed last first",
        query=PageQuery,
        response={200: AgreementPage},
        **_OFFICE,
    ),
    Route(
        "GET",
        "/v1/agreements/{agreement_id}",
        read_agreement,
        summary="Read an agreement, with the document that was signed",
        path_parameters=AgreementPath,
        response={200: AgreementAnswer},
        problems=_UNKNOWN,
        **_OFFICE,
    ),
    Route(
        "POST",
        "/v1/agreements/{agreement_id}/acceptance",
        accept_agreement,
        summary="Accept what another institution has proposed",
        again="nothing changes, and the answer is how it stands",
        description="From now on it decides at once what it covers. A party whose key was condemned since signs anew "
        "so.",
        path_parameters=AgreementPath,
        response={200: AgreementAnswer},
        problems=(*_UNKNOWN, agreements.AgreementEndedProblem, *_SIGNING),
        **_OFFICE,
    ),
    Route(
        "DELETE",
        "/v1/agreements/{agreement_id}",
        end_agreement,
        summary="End an agreement, decline it, or take it back",
        again="nothing changes, and the answer is how it stands",
        description="What was decided by it stays. Hand `ending` to a party of another gateway.",
        path_parameters=AgreementPath,
        response={200: AgreementAnswer},
        problems=(*_UNKNOWN, *_SIGNING),
        **_OFFICE,
    ),
    Route(
        "GET",
        "/v1/institutions/{slug}/agreements",
        list_public_agreements,
        summary="What an institution has agreed with others, with its dates; ended agreements too",
        path_parameters=AgreeingPath,
        query=PageQuery,
        response={200: AgreementPage},
        problems=(UnknownInstitutionProblem,),
        tag="recognitions",
    ),
]
