"""A verifier's signed word on a credential, to be kept beside an offline bundle; there with a key for it only."""

import asyncio

from aiohttp import web

from proto.bundles.statement import Statement
from proto.ids import CredentialId
from proto.log.note_key import SignerKey
from proto.problem import NotFoundProblem, UnavailableProblem
from proto.wire.paths import CredentialPath
from services.edge import Media, Reply, Route
from services.verifier.answers.questions import Moments, UnknownCredentialProblem
from services.verifier.http.app_keys import ANSWERS
from services.verifier.verdict.findings import Judgement

STATEMENT_KEY: web.AppKey[SignerKey] = web.AppKey("statement_key", SignerKey)
_NO_STORE = {"Cache-Control": "no-store"}


class NoStatementsProblem(NotFoundProblem):
    """This verifier has no key for statements."""

    slug = "no-statements"
    title = "This verifier signs no statements"


class NothingToStateProblem(UnavailableProblem):
    """It cannot be decided now how the credential stands, so nothing is signed."""

    slug = "nothing-to-state"
    title = "How the credential stands cannot be decided now"
    retry_after_seconds = 10


async def statement(request: web.Request, *, path: CredentialPath) -> Reply:
    """Answer with a signed note on how the credential stands now."""
    key = request.app.get(STATEMENT_KEY)
    if key is None:
        raise NoStatementsProblem("Its operator may give it a key for that; its answers are the same without")
    judgement = await request.app[ANSWERS].credential(path.credential_id, Moments())
    note = await asyncio.to_thread(_stated(judgement, path.credential_id).signed, key)
    return Reply(note.encode().decode(), headers=_NO_STORE)


def _stated(judgement: Judgement, credential_id: CredentialId) -> Statement:
    state = judgement.status.state if judgement.status else "unknown"
    if judgement.verdict == "indeterminate" or state == "unknown":
        raise NothingToStateProblem("Nothing is signed that could not be decided; ask again in a moment")
    return Statement(
        origin=judgement.as_of.origin,
        credential=credential_id,
        verdict=judgement.verdict,
        state=state,
        at=judgement.question.at,
        size=judgement.as_of.size,
        root=judgement.as_of.root_hash,
    )


def statement_routes() -> list[Route]:
    """Return the one route; without a key it answers 404."""
    return [
        Route(
            "GET",
            "/v1/credentials/{credential_id}/statement",
            statement,
            operation="read_statement",
            summary="This verifier's signed, dated word on how a credential stands; 404 without a key for it",
            tag="verification",
            path_parameters=CredentialPath,
            response={200: Media("text/plain")},
            problems=(NoStatementsProblem, NothingToStateProblem, UnknownCredentialProblem),
        )
    ]
