"""Routes of what is on record: of a credential by its id, of a stack, of an institution. Sees no document."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from proto.ids import Did
from proto.problem import Problem
from proto.wire.ledger import Body
from proto.wire.paths import CredentialPath
from proto.wire.verifier import Answer, IssuerAnswer, StackAnswer, TimeQuery
from services.edge import Reply, Route, annotate
from services.verifier.answers.questions import NotAStackProblem, UnknownCredentialProblem, UnknownIssuerProblem
from services.verifier.http.app_keys import ANSWERS, CACHED_ANSWERS
from services.verifier.http.query import language_of, moments_of
from services.verifier.languages import DEFAULT
from services.verifier.projection.troubles import PROJECTION_PROBLEMS

_ISSUERS = "/v1/issuers/"
_REVALIDATE = {"Cache-Control": "public, no-cache"}
"""May be kept, and is asked for again each time: a kept answer must not outlive a revocation."""


class IssuerPath(Body, frozen=True, kw_only=True):
    """A DID, as it is, percent-encoded once more, or with its port decoded by a proxy."""

    did: Annotated[str, Meta(max_length=600)]


async def credential(request: web.Request, *, path: CredentialPath, query: TimeQuery) -> Reply:
    """Answer for a credential id."""
    language = language_of(request, query)
    found = await request.app[CACHED_ANSWERS].status(path.credential_id, moments_of(query), language)
    annotate(request, verdict=found.verdict)
    etag = f'{found.etag[:-1]}-{language.code}"' if found.etag and language.code != DEFAULT else found.etag
    return Reply(found.body, etag=etag, headers=_REVALIDATE)


async def stack(request: web.Request, *, path: CredentialPath, query: TimeQuery) -> StackAnswer:
    """Answer with the tree of a stack."""
    language = language_of(request, query)
    answer = language.answer(await request.app[ANSWERS].stack(path.credential_id, moments_of(query)))
    assert answer.stack is not None, "the service refuses what is no stack"
    return StackAnswer(
        today=answer.today,
        verdict=answer.verdict,
        checks=answer.checks,
        question=answer.question,
        as_of=answer.as_of,
        stack=answer.stack,
    )


async def issuer(request: web.Request, *, path: IssuerPath) -> IssuerAnswer:
    """Answer with what the register says of an institution; its DID may hold `%3A`, encoded, decoded or not."""
    raw = request.raw_path.partition("?")[0].removeprefix(_ISSUERS)[:600]
    return await request.app[ANSWERS].issuer(tuple(map(Did, dict.fromkeys((path.did, raw, _with_port(path.did))))))


def _with_port(did: str) -> str:
    """Return a DID whose port was decoded on its way, as nginx does: `did:web:host:8102:a` for `did:web:host%3A8102:a`.

    Who is called `did:web:host:8102:a` indeed, by a path, is looked up before.
    """
    parts = did.split(":")
    if parts[:2] != ["did", "web"] or not "".join(parts[3:4]).isdecimal():
        return did
    return ":".join([*parts[:2], f"{parts[2]}%3A{parts[3]}", *parts[4:]])


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
        Route(
            "GET",
            "/v1/issuers/{did}",
            issuer,
            operation="read_issuer",
            summary="What the register says of an institution",
            tag="verification",
            path_parameters=IssuerPath,
            response={200: IssuerAnswer},
            problems=(UnknownIssuerProblem, *PROJECTION_PROBLEMS),
        ),
    ]
