"""Routes of events: where they stand, and what is said again."""

from aiohttp import web
from msgspec import Struct

from proto.lifecycle import Refusal
from proto.wire.gateway import EventAnswer
from proto.wire.paths import EventPath
from proto.wire.said_again import SaidAgain
from services.edge import ForbiddenProblem, Reply, Route
from services.issuer_gateway.credentials import change_credential
from services.issuer_gateway.credentials.say_again import EventHoldsProblem, IdOfVersion1Problem, PartsMissingProblem
from services.issuer_gateway.http.caller import GATEWAY, SAY_PROBLEMS, Caller
from services.issuer_gateway.unit_of_work.event_answer import location_of, status_of


class AgainQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether it is only tried."""

    dry_run: bool = False


async def read_event(request: web.Request, *, path: EventPath, principal: Caller) -> EventAnswer:
    """Return where an event of the institution stands."""
    row = await change_credential.own_event(request.app[GATEWAY].pool, principal.own, path.event_id)
    return row.answer(location_of(row.event_id))


async def say_event_again(request: web.Request, *, path: EventPath, query: AgainQuery, principal: Caller) -> Reply:
    """Say an event again that a condemned key made void; a repeated request says nothing twice."""
    answer = await request.app[GATEWAY].say_again.say_again(
        principal.own, path.event_id, scopes=principal.scopes, is_dry=query.dry_run
    )
    if answer.again is None:
        return Reply(answer)
    return Reply(answer, status=status_of(answer.again), headers={"Location": location_of(answer.again.event_id)})


ROUTES = [
    Route(
        "GET",
        "/v1/events/{event_id}",
        read_event,
        summary="Read where an event of the institution stands",
        path_parameters=EventPath,
        response={200: EventAnswer},
        problems=(change_credential.UnknownEventProblem,),
        auth="bearer",
        tag="credentials",
    ),
    Route(
        "POST",
        "/v1/events/{event_id}/again",
        say_event_again,
        summary="Say an event again that a condemned key made void",
        again="nothing more is said, and the answer is how the new event stands",
        path_parameters=EventPath,
        query=AgainQuery,
        response={200: SaidAgain, 201: SaidAgain, 202: SaidAgain},
        problems=(
            change_credential.UnknownEventProblem,
            EventHoldsProblem,
            PartsMissingProblem,
            IdOfVersion1Problem,
            ForbiddenProblem,
            Refusal,
            *SAY_PROBLEMS,
        ),
        auth="bearer",
        tag="credentials",
    ),
]
