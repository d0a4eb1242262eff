"""Routes of what is on record: of a credential by its id, of a stack. Sees no document."""

from aiohttp import web

from proto.problem import Problem
from proto.wire.paths import CredentialPath
from proto.wire.verifier import Answer, StackAnswer, TimeQuery
from services.edge import Reply, Route, annotate
from services.verifier.answers.questions import NotAStackProblem, UnknownCredentialProblem
from services.verifier.http.app_keys import ANSWERS, CACHED_ANSWERS
from services.verifier.http.query import language_of, moments_of
from services.verifier.languages import DEFAULT
from services.verifier.projection.troubles import PROJECTION_PROBLEMS

_REVALIDATE = {"Cache-Control": "public, no-cache"}
"""May be kept, and is asked for again each time: a kept answer must not outlive a revocation."""


async def credential(request: web.Request, *, path: CredentialPath, query: TimeQuery) -> Reply:
    """Answer for a credential id."""
    language = language_of(request, query)
    found = await request.app[CACHED_ANSWERS].status(path.credential_id, moments_of(request, query), language)
    annotate(request, verdict=found.verdict)
    etag = f'{found.etag[:-1]}-{language.code}"' if found.etag and language.code != DEFAULT else found.etag
    return Reply(found.body, etag=etag, headers=_REVALIDATE)


async def stack(request: web.Request, *, path: CredentialPath, query: TimeQuery) -> StackAnswer:
    """Answer with the tree of a stack."""
    language = language_of(request, query)
    answer = language.answer(await request.app[ANSWERS].stack(path.credential_id, moments_of(request, query)))
    assert answer.stack is not None, "the service refuses what is no stack"
    return StackAnswer(
        today=answer.today,
        verdict=answer.verdict,
        checks=answer.checks,
        question=answer.question,
        as_of=answer.as_of,
        stack=answer.stack,
    )


def record_routes() -> list[Route]:
    """Return the routes of records."""
    found: tuple[type[Problem], ...] = (UnknownCredentialProblem, *PROJECTION_PROBLEMS)
    return [
        Route(
            "GET",
            "/v1/credentials/{credential_id}",
            credential,
            operation="read_status",
            summary="What is on record of a credential, and does it hold?",
            description="`at` asks when it should hold, `known_at` by what the log said up to when.",
            tag="verification",
            path_parameters=CredentialPath,
            query=TimeQuery,
            response={200: Answer},
            has_etag=True,
            problems=found,
        ),
        Route(
            "GET",
            "/v1/stacks/{credential_id}",
            stack,
            operation="read_stack",
            summary="What a stack is made of, and what of it still counts",
            tag="verification",
            path_parameters=CredentialPath,
            query=TimeQuery,
            response={200: StackAnswer},
            problems=(*found, NotAStackProblem),
        ),
    ]
