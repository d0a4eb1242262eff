"""The checkpoint that this verifier's answers rest on, for others who compare what the log has shown them."""

from aiohttp import web

from services.edge import Media, Reply, Route
from services.verifier.answers.questions import NoCheckpointProblem
from services.verifier.http.app_keys import ANSWERS

_NO_STORE = {"Cache-Control": "no-store", "Access-Control-Allow-Origin": "*"}


async def checkpoint(request: web.Request) -> Reply:
    """Answer with the signed note, as the log signed it."""
    return Reply((await request.app[ANSWERS].checkpoint()).decode(), headers=_NO_STORE)


def checkpoint_routes() -> list[Route]:
    """Return the one route."""
    return [
        Route(
            "GET",
            "/v1/checkpoint",
            checkpoint,
            operation="read_checkpoint",
            summary="The log's checkpoint that the answers rest on (C2SP tlog-checkpoint)",
            description="To be compared: two checkpoints of one log that contradict each other show that it forked.",
            tag="log",
            response={200: Media("text/plain")},
            problems=(NoCheckpointProblem,),
        )
    ]
