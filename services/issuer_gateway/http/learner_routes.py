"""Routes of learners: their erasure."""

import msgspec
from aiohttp import web

from proto.documents.fields import LearnerRef
from proto.wire.gateway import ErasureAnswer
from services.edge import Route
from services.issuer_gateway.http.caller import GATEWAY, WORK_PROBLEMS, Caller, keyed_from
from services.issuer_gateway.learners import learner_erasure


class LearnerPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A learner by the institution's own name."""

    ref: LearnerRef


async def erase_learner(
    request: web.Request, *, path: LearnerPath, principal: Caller, idempotency_key: str | None
) -> ErasureAnswer:
    """Close a learner's documents and destroy the key."""
    keyed = keyed_from(request, principal, idempotency_key)
    return await request.app[GATEWAY].erase_learner.erase(principal.own, path.ref, keyed=keyed)


ROUTES = [
    Route(
        "DELETE",
        "/v1/learners/{ref:.+}",  # a name may hold slashes, and proxies decode `%2F`
        erase_learner,
        summary="Erase a learner",
        description="Destroys the learner's key: the documents can be read by nobody; their status still answers. Rows "
        "of batches that wait are taken out of them, and refused.",
        path_parameters=LearnerPath,
        response={200: ErasureAnswer},
        problems=(learner_erasure.UnknownLearnerProblem, *WORK_PROBLEMS),
        idempotency="optional",
        auth="bearer",
        scope="learners:erase",
        tag="learners",
    ),
]
