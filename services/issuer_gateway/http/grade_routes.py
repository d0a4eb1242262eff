"""Routes of what the office asks of grades before its standing decisions decide."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.event_fields import AchievementField, DidField, UriField
from proto.wire.grade_conditions import ConditionPlace, GradeConditionList, GradePreview, GradeTrial
from proto.wire.institutions import GradeCondition
from services.edge import Reply, Route
from services.issuer_gateway.applications.grade_conditions import UnknownConditionProblem
from services.issuer_gateway.http.caller import GATEWAY, WORK_PROBLEMS, Caller, keyed_from

_SCOPE = "recognitions:write"


class ConditionQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which condition."""

    achievement_issuer: Annotated[DidField, Meta(description="The DID of who awards the achievement")]
    achievement: Annotated[AchievementField, Meta(description="Its URI")]
    programme: Annotated[UriField, Meta(description="Towards which programme")]


async def list_grade_conditions(request: web.Request, *, principal: Caller) -> GradeConditionList:
    """Return the conditions that hold."""
    return await request.app[GATEWAY].grade_conditions.listed(principal.own)


async def set_grade_condition(request: web.Request, *, body: GradeCondition, principal: Caller) -> GradeConditionList:
    """Say a condition, in place of the one before."""
    return await request.app[GATEWAY].grade_conditions.put(principal.own, body)


async def remove_grade_condition(
    request: web.Request, *, query: ConditionQuery, principal: Caller, idempotency_key: str | None
) -> Reply:
    """Take a condition away."""
    place = ConditionPlace(**msgspec.structs.asdict(query))
    keyed = keyed_from(request, principal, idempotency_key)
    await request.app[GATEWAY].grade_conditions.remove(principal.own, place, keyed)
    return Reply(status=204)


async def preview_grade_condition(request: web.Request, *, body: GradeTrial, principal: Caller) -> GradePreview:
    """Try a condition out on what came."""
    return await request.app[GATEWAY].grade_conditions.preview(principal.own, body)


ROUTES = [
    Route(
        "GET",
        "/v1/grade-conditions",
        list_grade_conditions,
        summary="List for which grades the institution's standing decisions decide at once",
        response={200: GradeConditionList},
        auth="bearer",
        scope=_SCOPE,
        tag="recognitions",
    ),
    Route(
        "PUT",
        "/v1/grade-conditions",
        set_grade_condition,
        summary="Say for which grades a standing decision decides at once",
        again="nothing changes, and the answer is how it stands",
        description="Of one achievement and programme, in place of what was said of them before; of all others nothing "
        "changes. It is on no log, and holds for applications from the answer on. What is asked by `PUT /v1/settings` "
        "is the same, all at once.",
        request=GradeCondition,
        response={200: GradeConditionList},
        auth="bearer",
        scope=_SCOPE,
        unique_keys=True,
        tag="recognitions",
    ),
    Route(
        "DELETE",
        "/v1/grade-conditions",
        remove_grade_condition,
        summary="Ask for no grades any more: the standing decision decides whatever the grade",
        query=ConditionQuery,
        response={204: None},
        problems=(UnknownConditionProblem, *WORK_PROBLEMS),
        idempotency="optional",
        auth="bearer",
        scope=_SCOPE,
        tag="recognitions",
    ),
    Route(
        "POST",
        "/v1/grade-conditions/preview",
        preview_grade_condition,
        summary="Try out for which grades a standing decision would decide, on the documents that came",
        again="nothing is kept",
        description="Says the scales of whoever awards the achievement, as far as the catalogue and documents tell "
        "them; how often which grade came; and which documents would have gone another way. Nothing is kept.",
        request=GradeTrial,
        response={200: GradePreview},
        auth="bearer",
        scope=_SCOPE,
        unique_keys=True,
        tag="recognitions",
    ),
]
