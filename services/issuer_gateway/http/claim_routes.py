"""Routes of claims: one-time links that institutions make, and their use, as a page and as JSON."""

import re
import secrets
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from proto.documents.claim import HolderProofProblem
from proto.problem import Problem
from proto.tables.dialect import CsvProblem
from proto.tables.records import RecordTooLongProblem
from proto.wire.id_fields import ClaimIdField
from proto.wire.requests import (
    CLAIM_HOURS_DEFAULT,
    Claim,
    Claimed,
    ClaimHours,
    ClaimLine,
    ClaimMade,
    ClaimRequest,
    ClaimSeen,
    ClaimUse,
)
from services.edge import Form, LineWriter, Media, Reply, Route
from services.issuer_gateway.batches import small_batch
from services.issuer_gateway.batches.batch_upload import TooManyRowsProblem
from services.issuer_gateway.batches.rows import meant, rows_of_body
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.credentials import credential_reader, prepare_award
from services.issuer_gateway.credentials.annex_gate import AnnexIncompleteProblem
from services.issuer_gateway.credentials.change_credential import IssueRefusedProblem, UnknownCredentialProblem
from services.issuer_gateway.credentials.earlier_awards import (
    AlreadyAwardedProblem,
    AwardedBeforeProblem,
    MayNotRevokeProblem,
    check_may_replace,
)
from services.issuer_gateway.http import examples
from services.issuer_gateway.http.caller import GATEWAY, PAGES, SAY_PROBLEMS, WORK_PROBLEMS, Caller, keyed_from
from services.issuer_gateway.http.credential_routes import ISSUE_PROBLEMS
from services.issuer_gateway.http.list_queries import AWARD_SHAPES, BatchPath, TableQuery
from services.issuer_gateway.http.people import PAGE, for_people, path_of, reader_of
from services.issuer_gateway.http.request_routes import SecretPath
from services.issuer_gateway.links import claim_commands, claim_use

_FORM_BYTES_MAX = 65_536
_COOKIE = "credentify_claim"
_TOKEN_BYTES = 32
_TOKEN = re.compile(r"^[A-Za-z0-9_-]{43}$", re.ASCII)
_TOKEN_SECONDS = 32 * 86_400
"""A link may be looked at long before its button is pressed; the day counts from then."""
_NO_STORE = {"Cache-Control": "no-store"}


class ClaimPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A claim by its id."""

    claim_id: ClaimIdField


class HoursQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how long the links work."""

    hours_valid: ClaimHours = CLAIM_HOURS_DEFAULT


class AwardListQuery(TableQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how long the links work, and how a table is written."""

    hours_valid: ClaimHours = CLAIM_HOURS_DEFAULT


def _maker(caller: Caller) -> claim_commands.Maker:
    return claim_commands.Maker(api_key_id=caller.api_key_id, may_read=claim_commands.READ_SCOPE in caller.scopes)


async def make_claim(
    request: web.Request, *, body: ClaimRequest, raw: bytes, principal: Caller, idempotency_key: str | None
) -> Reply:
    """Make a one-time link."""
    if body.award:
        check_may_replace(body.award, may_revoke=principal.may_revoke)
    keyed = keyed_from(request, principal, idempotency_key, raw)
    made = await request.app[GATEWAY].claim_links.make(principal.own, body, keyed, maker=_maker(principal))
    return Reply(made, status=201, headers={"Location": f"/v1/claims/{made.claim_id}"})


async def make_batch_claims(
    request: web.Request, *, path: BatchPath, query: HoursQuery, principal: Caller
) -> web.StreamResponse:
    """Send a one-time link for each credential of a batch."""
    gateway = request.app[GATEWAY]
    batch = await gateway.batch_reader.own(principal.own, path.batch_id)
    _maker(principal).check(batch.api_key_id)
    async with LineWriter(request, headers=_NO_STORE) as lines:
        async for made in gateway.claim_links.make_for_batch(
            principal.own, batch.batch_id, hours=query.hours_valid, maker=_maker(principal)
        ):
            await lines.write(made)
    return lines.response


async def make_award_claims(
    request: web.Request, *, raw: bytes, query: AwardListQuery, principal: Caller, idempotency_key: str
) -> web.StreamResponse:
    """Send a one-time link, or a problem, for each award of a list."""
    gateway = request.app[GATEWAY]
    async with gateway.large_lists.turn(len(raw)):
        rows = await rows_of_body(raw, query.written(request), gateway.workbooks)
        rows = meant(rows, on_repeat=None, may_revoke=principal.may_revoke)
        rows = small_batch.without_repeated(rows, principal.own.zone)
    async with LineWriter(request, headers=_NO_STORE) as lines:
        async for line in gateway.claim_links.make_for_rows(
            principal.own,
            rows,
            key=idempotency_key,
            hours=query.hours_valid,
            maker=_maker(principal),
        ):
            await lines.write(line)
    return lines.response


async def read_claim(request: web.Request, *, path: ClaimPath, principal: Caller) -> Claim:
    """Return how a link stands."""
    return await request.app[GATEWAY].claim_links.get(principal.own, path.claim_id)


async def cancel_claim(request: web.Request, *, path: ClaimPath, principal: Caller) -> Claim:
    """Cancel a link."""
    return await request.app[GATEWAY].claim_links.cancel(principal.own, path.claim_id, maker=_maker(principal))


async def see_claim(request: web.Request, *, path: SecretPath) -> Reply:
    """Return what a link leads to; uses nothing up."""
    return Reply(await request.app[GATEWAY].use_claim.seen(path.secret), headers=_NO_STORE)


async def use_claim(request: web.Request, *, path: SecretPath, body: ClaimUse) -> Reply:
    """Use a link up."""
    return Reply(await request.app[GATEWAY].use_claim.use(path.secret, body), headers=_NO_STORE)


@for_people
async def show_claim(request: web.Request) -> web.Response:
    """Show what a link leads to; uses nothing up.

    The browser gets its token before the button is pressed, so that it has it even where the answer is lost.
    """
    secret = path_of(request, SecretPath).secret
    taker = _taker(request)
    seen = await request.app[GATEWAY].use_claim.seen(secret, taker=taker)
    page = request.app[PAGES].claim(seen, reader_of(request))
    if taker is None and seen.state == "open":
        _give_token(request, page, secret, new_token())
    return page


@for_people
async def claim_by_form(request: web.Request) -> web.Response:
    """Use a link up and show the document."""
    secret = path_of(request, SecretPath).secret
    taker = _taker(request) or new_token()
    claimed = await request.app[GATEWAY].use_claim.use(secret, ClaimUse(), taker=taker)
    page = request.app[PAGES].claimed(claimed, reader_of(request, can_ask_again=True))
    _give_token(request, page, secret, taker)
    return page


def new_token() -> str:
    """Return a token that nobody can guess."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def _taker(request: web.Request) -> str | None:
    """Return the browser's token, where it has one."""
    token = request.cookies.get(_COOKIE, "")
    return token if _TOKEN.match(token) else None


def _give_token(request: web.Request, page: web.Response, secret: str, token: str) -> None:
    """Let the browser keep a token, for this link alone."""
    public = urlsplit(request.app[GATEWAY].config.public_url)
    page.set_cookie(
        _COOKIE,
        token,
        max_age=_TOKEN_SECONDS,
        path=f"{public.path.rstrip('/')}/claims/{secret}",
        secure=public.scheme == "https",
        httponly=True,
        samesite="Lax",
    )


_USE_PROBLEMS: tuple[type[Problem], ...] = (
    claim_commands.UnknownClaimProblem,
    claim_commands.ClaimUsedProblem,
    claim_commands.ClaimExpiredProblem,
    claim_commands.CannotBindProblem,
    HolderProofProblem,
    claim_use.ClaimSuspendedProblem,
    claim_use.ClaimRevokedProblem,
    IssueRefusedProblem,
    credential_reader.ErasedProblem,
    *ISSUE_PROBLEMS,
    *SAY_PROBLEMS,
)

ROUTES = [
    Route(
        "POST",
        "/v1/claims",
        make_claim,
        summary="Make a one-time link by which a learner claims a credential",
        description="To an award, which is issued when the link is used, or to a credential that was issued. A key "
        "without the scope `credentials:read` gets links only to what it issued itself.",
        request=ClaimRequest,
        examples=examples.CLAIM,
        response={201: ClaimMade},
        problems=(
            prepare_award.UnknownAchievementProblem,
            AnnexIncompleteProblem,
            UnknownCredentialProblem,
            AlreadyAwardedProblem,
            AwardedBeforeProblem,
            MayNotRevokeProblem,
            claim_commands.MayNotReadProblem,
            credential_reader.ErasedProblem,
            *WORK_PROBLEMS,
        ),
        auth="bearer",
        scope="credentials:issue",
        idempotency="optional",
        unique_keys=True,
        tag="claims",
    ),
    Route(
        "POST",
        "/v1/claims/awards",
        make_award_claims,
        summary="Make one-time links to a list of awards, each issued when its link is used",
        description="Awards as for `POST /v1/batches`, at most 1,000 rows; the answer has a line for each row. The "
        "same list under the same key gives the same links.",
        request=bytes,
        request_media=tuple(AWARD_SHAPES),
        request_shapes=AWARD_SHAPES,
        query=AwardListQuery,
        response={200: Media("application/x-ndjson", ClaimLine)},
        problems=(CsvProblem, RecordTooLongProblem, TooManyRowsProblem, *WORK_PROBLEMS),
        auth="bearer",
        scope="credentials:issue",
        idempotency="required",
        body_bytes_max=LIMITS.batch_held_bytes_max,
        tag="claims",
    ),
    Route(
        "GET",
        "/v1/claims/{claim_id}",
        read_claim,
        summary="Read how a one-time link stands",
        path_parameters=ClaimPath,
        response={200: Claim},
        problems=(claim_commands.UnknownClaimProblem,),
        auth="bearer",
        scope="credentials:read",
        tag="claims",
    ),
    Route(
        "DELETE",
        "/v1/claims/{claim_id}",
        cancel_claim,
        summary="Cancel a one-time link",
        again="nothing changes, and the answer is how it stands",
        description="A key without the scope `credentials:read` cancels only links that it made itself.",
        path_parameters=ClaimPath,
        response={200: Claim},
        problems=(
            claim_commands.UnknownClaimProblem,
            claim_commands.ClaimUsedProblem,
            claim_commands.MayNotCancelProblem,
        ),
        auth="bearer",
        scope="credentials:issue",
        tag="claims",
    ),
    Route(
        "POST",
        "/v1/batches/{batch_id}/claims",
        make_batch_claims,
        summary="Make one-time links to all credentials of a batch, one a line",
        again="new links; those of before that were not used work no more",
        description="A key without the scope `credentials:read` gets links only for batches that it sent itself.",
        path_parameters=BatchPath,
        query=HoursQuery,
        response={200: Media("application/x-ndjson", ClaimMade)},
        problems=(small_batch.UnknownBatchProblem, claim_commands.MayNotReadProblem, *WORK_PROBLEMS),
        auth="bearer",
        scope="credentials:issue",
        tag="claims",
    ),
    Route(
        "GET",
        "/v1/claim-links/{secret}",
        see_claim,
        summary="Read what a one-time link leads to",
        description="Uses nothing up.",
        path_parameters=SecretPath,
        response={200: ClaimSeen},
        problems=(claim_commands.UnknownClaimProblem,),
        tag="claims",
    ),
    Route(
        "POST",
        "/v1/claim-links/{secret}",
        use_claim,
        summary="Claim the credential of a one-time link",
        again="the same for 24 hours where it has the same `retry_token`; else the link is used up",
        description="Works once. A credential that is suspended is not handed out, and the link stays. With `holder` "
        "an award is issued to that DID, whose key signs the claim.",
        request=ClaimUse,
        path_parameters=SecretPath,
        response={200: Claimed},
        problems=_USE_PROBLEMS,
        body_bytes_max=_FORM_BYTES_MAX,
        unique_keys=True,
        tag="claims",
    ),
    Route("GET", "/claims/{secret}", show_claim, summary="The page of a one-time link", tag="pages", response=PAGE),
    Route(
        "POST",
        "/claims/{secret}",
        claim_by_form,
        summary="Claim a credential on the page of its link",
        again="for a day the browser that used it gets the same; for others it is used up",
        request=Form,
        response=PAGE,
        body_bytes_max=_FORM_BYTES_MAX,
        tag="pages",
    ),
]
