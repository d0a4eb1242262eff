"""What the gateway's routes share: who is asking, pages, idempotent requests. Answers nothing itself."""

import hmac
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.canonical import DECODE_ERRORS
from proto.depth import is_deep
from proto.ids import ApiKeyId, InstitutionId
from proto.problem import BusyProblem, InvalidProblem, OutcomeUnknownProblem, Problem
from proto.wire.gateway import EventAnswer
from proto.wire.id_fields import Uuid
from services.edge import (
    ForbiddenProblem,
    Principal,
    RateLimit,
    RateLimitedProblem,
    Reply,
    client_address,
    decode_cursor,
    rate_key,
)
from services.edge.media_type import media_type_of
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.log.log_state import LogNotFollowedProblem
from services.issuer_gateway.pages import Pages
from services.issuer_gateway.service import Gateway
from services.issuer_gateway.store import tenants
from services.issuer_gateway.store.idempotency_records import OPERATOR
from services.issuer_gateway.unit_of_work import audited_call
from services.issuer_gateway.unit_of_work.event_answer import RefusedByLogProblem, status_of
from services.issuer_gateway.unit_of_work.idempotency import AnswerGoneProblem, KeyedRequest, OtherRequestProblem
from services.issuer_gateway.waiting.coalescer import Coalescer
from services.persistence.postgres import Pool

GATEWAY: web.AppKey[Gateway] = web.AppKey("gateway", Gateway)
PAGES: web.AppKey[Pages] = web.AppKey("gateway_pages", Pages)
REQUEST_LIMIT: web.AppKey[RateLimit] = web.AppKey("request_limit", RateLimit)
"""How often one address may ask institutions for something: an achievement, or recognition."""
OPERATOR_SCOPE = "operator"
OPERATOR_SCOPES = frozenset({OPERATOR_SCOPE, "audit:read"})
STRANGERS_KEY_MIN = 16
"""Characters of an Idempotency-Key of somebody without an account."""
_REORDERED_BYTES_MAX = 262_144
WORK_PROBLEMS: tuple[type[Problem], ...] = (OtherRequestProblem, AnswerGoneProblem, BusyProblem, OutcomeUnknownProblem)
SAY_PROBLEMS: tuple[type[Problem], ...] = (*WORK_PROBLEMS, LogNotFollowedProblem, RefusedByLogProblem)
CursorText = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_-]+\Z", max_length=1024, description="`next_cursor` of the page before")
]
SEARCHED = r"^[^\x00]*\Z"
"""What may be looked for: any text without the null character, which the database does not know."""
PageLimit = Annotated[int, Meta(ge=1, le=LIMITS.page_rows_max, description="Rows at most")]


class Caller(Principal, frozen=True, kw_only=True):
    """Who sent an API key: an institution's, or the operator, who has no tenant."""

    tenant: Tenant | None = None
    api_key_id: ApiKeyId = ApiKeyId(OPERATOR)
    """The API key by its id; the operator's token may change and stays the operator's."""

    @property
    def may_revoke(self) -> bool:
        """Whether it may revoke, which replacing a credential is."""
        return "credentials:revoke" in self.scopes

    @property
    def trail_id(self) -> InstitutionId:
        """Whose audit trail it is recorded in: the institution's, or the operator's own."""
        return self.tenant.institution_id if self.tenant else OPERATOR

    @property
    def own(self) -> Tenant:
        """The institution; raises `ForbiddenProblem` for the operator, who speaks for none."""
        if self.tenant is None:
            raise ForbiddenProblem("Use an institution's API key: the operator's token speaks for no institution")
        return self.tenant


class PageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a page of a list is asked for."""

    cursor: CursorText | None = None
    limit: PageLimit = LIMITS.page_rows_default


def after_moment(name: str, query: PageQuery) -> tuple[datetime, str] | None:
    """Return behind which time and id a list in the order of times goes on; raises `MalformedProblem`."""
    return decode_cursor(name, query.cursor, tuple[Annotated[datetime, Meta(tz=True)], Uuid]) if query.cursor else None


def check_rate(request: web.Request) -> None:
    """Raise `RateLimitedProblem` where an address asks institutions for more than it may."""
    wait = request.app[REQUEST_LIMIT].charge(rate_key(client_address(request)), time.monotonic())
    if wait > 0:
        raise RateLimitedProblem("Your address has asked for so much that it has to wait", retry_after_seconds=wait)


class Callers:
    """Who sends which token; tokens that come at the same time are looked up together."""

    def __init__(self, pool: Pool, operator_hash: bytes) -> None:
        self._pool = pool
        self._operator_hash = operator_hash
        self._keys = Coalescer(self._find_keys, count_max=LIMITS.coalesced_max)

    async def find(self, hashed: bytes) -> Caller | None:
        """Return who a token's hash belongs to; the operator's is compared in constant time."""
        if hmac.compare_digest(self._operator_hash, hashed):
            audited_call.speaks(OPERATOR, "operator")
            return Caller(token_hash=hashed, scopes=OPERATOR_SCOPES)
        found = await self._keys.submit(hashed)
        if found is None:
            return None
        audited_call.speaks(found.tenant.institution_id, "api-key", found.api_key_id)
        return Caller(token_hash=hashed, scopes=found.scopes, tenant=found.tenant, api_key_id=found.api_key_id)

    async def _find_keys(self, hashes: Sequence[bytes]) -> Sequence[tenants.StoredApiKey | None]:
        found = await tenants.live_api_keys(self._pool, list(set(hashes)))
        return [found.get(hashed) for hashed in hashes]


CALLERS: web.AppKey[Callers] = web.AppKey("gateway_callers", Callers)


def keyed_from(request: web.Request, caller: Caller, key: str | None, raw: bytes = b"") -> KeyedRequest | None:
    """Return the request as one that is carried out once, or None where it came without an Idempotency-Key.

    Who asks belongs to it: what one API key was answered is not handed out to another.
    """
    institution_id = caller.tenant.institution_id if caller.tenant else OPERATOR
    asked = _asked(request, raw)
    return request.app[GATEWAY].idempotency.keyed(institution_id, key, caller.api_key_id.encode(), *asked)


def keyed_by_anybody(
    request: web.Request, institution_id: InstitutionId, key: str | None, raw: bytes
) -> KeyedRequest | None:
    """Return what somebody without an account asks of an institution as a request that is carried out once.

    The answer holds a secret link, and whoever sends the same key and body gets it: so raises `InvalidProblem` for a
    key that others may hit upon.
    """
    if key is None:
        return None
    if len(key) < STRANGERS_KEY_MIN:
        raise InvalidProblem(
            f"Without an account, take an Idempotency-Key that nobody guesses, of at least {STRANGERS_KEY_MIN} "
            "characters: a new UUID for each request will do",
            members={"header": "Idempotency-Key"},
        )
    return request.app[GATEWAY].idempotency.keyed(institution_id, f"anybody\n{key}", *_asked(request, raw))


def _asked(request: web.Request, raw: bytes) -> tuple[bytes, ...]:
    """Return what a request asks for: method, path, query, and its body, in one form where that is JSON."""
    media_type = media_type_of(request)
    target = request.method.encode(), request.path.encode(), request.query_string.encode()
    return (*target, media_type.encode(), _same_for_all(raw) if media_type.endswith("json") else raw)


def required_key(key: str | None) -> str:
    """Return an Idempotency-Key where something is to be done; raises `InvalidProblem` where there is none."""
    if key is None:
        raise InvalidProblem(
            "Send an Idempotency-Key of your choice, new for each new request; only a dry run needs none",
            members={"header": "Idempotency-Key"},
        )
    return key


def _same_for_all(raw: bytes) -> bytes:
    """Return JSON in one form, whatever the order of its members and its blanks; large bodies are as they came."""
    if len(raw) > _REORDERED_BYTES_MAX or is_deep(raw):
        return raw
    try:
        return msgspec.json.encode(msgspec.json.decode(raw), order="sorted")
    except (*DECODE_ERRORS, msgspec.EncodeError):
        return raw


def event_reply(answer: EventAnswer) -> Reply:
    """Return an event's answer with its status: 201 on the log, 202 on its way; raises `RefusedByLogProblem`."""
    headers = {"Location": answer.location} if answer.location else {}
    return Reply(answer, status=status_of(answer), headers=headers)
