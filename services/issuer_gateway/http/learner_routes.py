"""Routes of learners: their erasure."""

import msgspec
from aiohttp import web

from proto.documents.credential import LearnerRef
from proto.moment import from_datetime
from proto.problem import NotFoundProblem
from proto.wire.gateway import ErasureAnswer
from services.edge import Route
from services.issuer_gateway.http.caller import GATEWAY, Caller
from services.issuer_gateway.store import claims, credentials, requests
from services.issuer_gateway.unit_of_work.append_event import carried_out
from services.persistence.postgres import Connection


class UnknownLearnerProblem(NotFoundProblem):
    """The institution has no learner of that name: never had, or has erased it."""

    slug = "unknown-learner"
    title = "No such learner"


class LearnerPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A learner by the institution's own name."""

    ref: LearnerRef


async def erase_learner(request: web.Request, *, path: LearnerPath, principal: Caller) -> ErasureAnswer:
    """Close a learner's documents, then destroy the key; if we end in between, the next start destroys it."""
    gateway = request.app[GATEWAY]

    async def work(connection: Connection) -> credentials.Erased | None:
        erased = await credentials.erase(connection, principal.own.institution_id, path.ref)
        if erased is not None:
            await requests.withdraw_all(connection, erased.learner_id)
            await claims.cancel_all(connection, erased.learner_id)
        return erased

    erased = await carried_out(gateway, work)
    if erased is None:
        raise UnknownLearnerProblem("The institution has no learner of that name, or has erased it already")
    await gateway.learner_keys.destroy(gateway.pool, erased.learner_id)
    return ErasureAnswer(document_count=erased.document_count, erased_at=from_datetime(erased.erased_at))


ROUTES = [
    Route(
        "DELETE",
        "/v1/learners/{ref}",
        erase_learner,
        summary="Erase a learner",
        description="Destroys the learner's key: the documents can be read by nobody; their status still answers.",
        path_parameters=LearnerPath,
        response={200: ErasureAnswer},
        problems=(UnknownLearnerProblem,),
        auth="bearer",
        scope="learners:erase",
        tag="learners",
    ),
]
