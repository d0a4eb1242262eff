"""Routes of credentials: issue, stack, read, change."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.documents.credential import Award
from proto.documents.fields import LearnerRef
from proto.event_fields import CredentialIdField
from proto.lifecycle import Refusal
from proto.problem import Problem
from proto.wire.documents import CredentialDocument
from proto.wire.gateway import (
    ChangeRequest,
    CredentialAnswer,
    CredentialPage,
    EventAnswer,
    StackRequest,
)
from proto.wire.paths import CredentialPath
from services.edge import Media, Reply, Route, decode_cursor, encode_cursor
from services.edge.route import Handler
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.credentials import (
    change_credential,
    credential_reader,
    prepare_award,
    stack_credential,
)
from services.issuer_gateway.credentials.annex_gate import AnnexIncompleteProblem
from services.issuer_gateway.credentials.earlier_awards import (
    AlreadyAwardedProblem,
    AwardedBeforeProblem,
    MayNotRevokeProblem,
    check_may_replace,
)
from services.issuer_gateway.credentials.prerequisites import (
    OtherHolderProblem,
    PrerequisiteProblem,
    PrerequisiteUnknownProblem,
)
from services.issuer_gateway.domain.awarding import StackUnmetProblem
from services.issuer_gateway.http import examples
from services.issuer_gateway.http.caller import (
    GATEWAY,
    SAY_PROBLEMS,
    Caller,
    CursorText,
    PageLimit,
    event_reply,
    keyed_from,
)
from services.issuer_gateway.unit_of_work.event_answer import status_of

_LIST = "credentials"
ISSUE_PROBLEMS: tuple[type[Problem], ...] = (
    prepare_award.UnknownAchievementProblem,
    AnnexIncompleteProblem,
    AlreadyAwardedProblem,
    AwardedBeforeProblem,
    MayNotRevokeProblem,
    PrerequisiteProblem,
    PrerequisiteUnknownProblem,
    OtherHolderProblem,
    Refusal,
)
"""Why a credential is not issued."""


class DocumentQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which proof the document carries."""

    proof: credential_reader.ProofChoice = "eddsa-rdfc-2022"


class CredentialQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose credentials, and which page of them."""

    learner: Annotated[LearnerRef, Meta(description="The institution's own name for a learner")] | None = None
    cursor: CursorText | None = None
    limit: PageLimit = LIMITS.page_rows_default


async def credential_reply(request: web.Request, caller: Caller, issue: EventAnswer) -> Reply:
    """Return a credential that was just issued; raises `RefusedByLogProblem` where the log refused it."""
    status = status_of(issue)
    assert issue.credential_id is not None, "an issue is about a credential"
    answer = await request.app[GATEWAY].credential_reader.credential(caller.own, issue.credential_id, issue=issue)
    return _credential(answer, status)


def _credential(answer: CredentialAnswer, status: int) -> Reply:
    return Reply(answer, status=status, headers={"Location": f"/v1/credentials/{answer.credential_id}"})


async def issue_credential(
    request: web.Request, *, body: Award, raw: bytes, principal: Caller, idempotency_key: str | None
) -> Reply:
    """Issue one credential."""
    check_may_replace(body, may_revoke=principal.may_revoke)
    keyed = keyed_from(request, principal, idempotency_key, raw)
    issue = await request.app[GATEWAY].issue_together.issue(principal.own, body, keyed, api_key_id=principal.api_key_id)
    made = issue.committed
    if issue.is_already_awarded:
        known = await credential_reply(request, principal, issue.event)
        return Reply(known.value, status=200, headers=known.headers)
    if made is None:
        return await credential_reply(request, principal, issue.event)
    return _credential(credential_reader.issued(made.item, issue.event, made.created_at), status_of(issue.event))


async def stack_credentials(
    request: web.Request, *, body: StackRequest, raw: bytes, principal: Caller, idempotency_key: str | None
) -> Reply:
    """Stack credentials."""
    check_may_replace(body, may_revoke=principal.may_revoke)
    keyed = keyed_from(request, principal, idempotency_key, raw)
    stacked = await request.app[GATEWAY].stack_credentials.stack(
        principal.own, body, keyed, api_key_id=principal.api_key_id
    )
    reply = await credential_reply(request, principal, stacked.event)
    return Reply(reply.value, status=200, headers=reply.headers) if stacked.is_already_awarded else reply


async def read_credential(request: web.Request, *, path: CredentialPath, principal: Caller) -> CredentialAnswer:
    """Return a credential: how its event stands and what the log says now."""
    return await request.app[GATEWAY].credential_reader.credential(principal.own, path.credential_id)


async def read_document(
    request: web.Request, *, path: CredentialPath, query: DocumentQuery, principal: Caller
) -> dict[str, Any]:
    """Return the credential document."""
    return await request.app[GATEWAY].credential_reader.document(principal.own, path.credential_id, proof=query.proof)


async def list_credentials(request: web.Request, *, query: CredentialQuery, principal: Caller) -> CredentialPage:
    """Return the institution's credentials, the newest first."""
    gateway = request.app[GATEWAY]
    before = None
    if query.cursor:
        created_at, credential_id = decode_cursor(
            _LIST, query.cursor, tuple[Annotated[datetime, Meta(tz=True)], CredentialIdField]
        )
        before = (created_at, bytes.fromhex(credential_id))
    found = await gateway.credential_reader.page(
        principal.own, learner=query.learner, before=before, limit=query.limit + 1
    )
    shown = found[: query.limit]
    last = (shown[-1].created_at, shown[-1].credential_id) if len(found) > len(shown) else None
    return CredentialPage(
        credentials=tuple(await gateway.credential_reader.described(principal.own, shown)),
        next_cursor=encode_cursor(_LIST, last) if last else None,
    )


def _changing(verb: str) -> Handler:
    """Return the handler of one kind of change."""

    async def change(
        request: web.Request,
        *,
        body: ChangeRequest,
        raw: bytes,
        path: CredentialPath,
        principal: Caller,
        idempotency_key: str | None,
    ) -> Reply:
        keyed = keyed_from(request, principal, idempotency_key, raw)
        answer = await request.app[GATEWAY].change_credential.change(
            principal.own, path.credential_id, verb=verb, request=body, keyed=keyed
        )
        return event_reply(answer)

    return change


def _change_route(verb: str, summary: str) -> Route:
    return Route(
        "POST",
        f"/v1/credentials/{{credential_id}}/{verb}",
        _changing(verb),
        operation=f"{verb}_credential",
        summary=summary,
        request=ChangeRequest,
        examples=examples.CHANGE,
        path_parameters=CredentialPath,
        response={201: EventAnswer, 202: EventAnswer},
        problems=(
            change_credential.UnknownCredentialProblem,
            change_credential.IssueRefusedProblem,
            change_credential.NotIssuedYetProblem,
            Refusal,
            *SAY_PROBLEMS,
        ),
        auth="bearer",
        scope="credentials:revoke",
        idempotency="optional",
        unique_keys=True,
        tag="credentials",
    )


ROUTES = [
    Route(
        "POST",
        "/v1/credentials",
        issue_credential,
        summary="Issue a credential",
        description="201: it is on the log, at `issue.index`. 202: it is on its way; ask at Location. 200: the same "
        "award was made before, and this is the credential of then.",
        request=Award,
        examples=examples.AWARD,
        response={200: CredentialAnswer, 201: CredentialAnswer, 202: CredentialAnswer},
        problems=(*ISSUE_PROBLEMS, *SAY_PROBLEMS),
        auth="bearer",
        scope="credentials:issue",
        idempotency="optional",
        unique_keys=True,
        tag="credentials",
    ),
    Route(
        "GET",
        "/v1/credentials",
        list_credentials,
        summary="List credentials, of one learner or of all",
        query=CredentialQuery,
        response={200: CredentialPage},
        auth="bearer",
        scope="credentials:read",
        tag="credentials",
    ),
    Route(
        "GET",
        "/v1/credentials/{credential_id}",
        read_credential,
        summary="Read how a credential stands",
        path_parameters=CredentialPath,
        response={200: CredentialAnswer},
        problems=(change_credential.UnknownCredentialProblem,),
        auth="bearer",
        scope="credentials:read",
        tag="credentials",
    ),
    Route(
        "GET",
        "/v1/credentials/{credential_id}/document",
        read_document,
        summary="Read the credential document",
        description="A W3C Verifiable Credential 2.0 that is an Open Badges 3.0 credential, for the learner.",
        path_parameters=CredentialPath,
        query=DocumentQuery,
        response={200: Media("application/vc", CredentialDocument)},
        problems=(change_credential.UnknownCredentialProblem, credential_reader.ErasedProblem),
        auth="bearer",
        scope="credentials:read",
        tag="credentials",
    ),
    _change_route("revoke", "Revoke a credential for good"),
    _change_route("suspend", "Suspend a credential"),
    _change_route("reinstate", "Reinstate a suspended credential"),
    Route(
        "POST",
        "/v1/stacks",
        stack_credentials,
        summary="Stack credentials",
        description="The parts are held against the achievement's recipe; the institution's own are one learner's. 200 "
        "and the stack that there is where the same parts were stacked for the learner before.",
        request=StackRequest,
        examples=examples.STACK,
        response={200: CredentialAnswer, 201: CredentialAnswer, 202: CredentialAnswer},
        problems=(*ISSUE_PROBLEMS, StackUnmetProblem, stack_credential.OtherLearnerProblem, *SAY_PROBLEMS),
        auth="bearer",
        scope="stacks:write",
        idempotency="optional",
        unique_keys=True,
        tag="credentials",
    ),
]
