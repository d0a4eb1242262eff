"""Routes about what can be stacked: advice for a learner, and a preview; both sign nothing."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.ids import CredentialId, parse_credential_id
from proto.problem import InvalidProblem
from proto.wire.gateway import StackRequest
from proto.wire.stacks import StackAdvicePage, StackPreview
from services.edge import Route, decode_cursor, encode_cursor, parameter_problem
from services.issuer_gateway.credentials.prepare_award import UnknownAchievementProblem
from services.issuer_gateway.http.caller import GATEWAY, Caller
from services.issuer_gateway.http.examples import STACK
from services.issuer_gateway.http.learner_routes import LearnerPath
from services.issuer_gateway.learners.learner_erasure import UnknownLearnerProblem
from services.issuer_gateway.log.log_state import LogNotFollowedProblem

_CURSOR = "stack-advice"
_OTHERS_MAX = 64
FIRST_STACK = ("00000000-0000-0000-0000-000000000000", "")


class AdviceQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which credentials of other institutions the learner has besides, and how many recipes at once."""

    others: Annotated[
        str, Meta(max_length=4_200, description="Ids of credentials of other institutions that she has, with commas")
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Annotated[str, Meta(max_length=500)] | None = None


async def advise_stacks(
    request: web.Request, *, path: LearnerPath, query: AdviceQuery, principal: Caller
) -> StackAdvicePage:
    """Answer what a learner can make of what she has."""
    after = decode_cursor(_CURSOR, query.cursor, tuple[str, str]) if query.cursor else FIRST_STACK
    found = await request.app[GATEWAY].advise_stacks.for_learner(
        principal.own, path.ref, others=_others(query.others), after=after, limit=query.limit
    )
    more = encode_cursor(_CURSOR, found.more) if found.more else None
    return StackAdvicePage(credential_count=found.credential_count, stacks=found.stacks, next_cursor=more)


def _others(text: str) -> list[CredentialId]:
    try:
        ids = [parse_credential_id(each.strip().lower()) for each in text.split(",") if each.strip()]
    except InvalidProblem as problem:
        raise parameter_problem("others", problem.detail) from problem
    if len(ids) > _OTHERS_MAX:
        raise parameter_problem("others", f"Name at most {_OTHERS_MAX} credentials of other institutions at once")
    return ids


async def preview_stack(request: web.Request, *, body: StackRequest, principal: Caller) -> StackPreview:
    """Answer what these parts make, part by part."""
    return await request.app[GATEWAY].advise_stacks.preview(principal.own, body)


ROUTES = [
    Route(
        "GET",
        "/v1/learners/{ref:.+}/stacks",
        advise_stacks,
        summary="What a learner can stack now, and what is missing for the rest",
        description="Every recipe of every institution here is held against the learner's credentials of this "
        "institution and those of others that are named. Proposed are the parts that would be admitted now; what is "
        "missing has a code and a sentence. Nothing is signed.",
        path_parameters=LearnerPath,
        query=AdviceQuery,
        response={200: StackAdvicePage},
        problems=(UnknownLearnerProblem, LogNotFollowedProblem),
        auth="bearer",
        scope="credentials:read",
        tag="learners",
    ),
    Route(
        "POST",
        "/v1/stacks/preview",
        preview_stack,
        summary="Add up the parts of a stack without making it",
        again="nothing is kept",
        description="The same body as for a stack. The answer says of each part what it adds to the sum and why it "
        "cannot count, where it cannot, and every condition of the recipe that is missing. Nothing is signed.",
        request=StackRequest,
        examples=STACK,
        response={200: StackPreview},
        problems=(UnknownAchievementProblem, LogNotFollowedProblem),
        auth="bearer",
        scope="credentials:read",
        unique_keys=True,
        tag="credentials",
    ),
]
