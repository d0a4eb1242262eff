"""The verifier's routes: questions over HTTP, and the pages. What is sent is neither stored nor logged."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.documents.open_badge_claims import NotAnOpenBadgeProblem
from proto.ids import Did
from proto.problem import BusyProblem, MalformedProblem, Problem
from proto.wire.documents import CredentialDocument, DocumentWithStatusLists, PresentationDocument
from proto.wire.ledger import Body
from proto.wire.paths import CredentialPath
from proto.wire.verifier import (
    Answer,
    AnswerLine,
    IssuerAnswer,
    StackAnswer,
    TimeQuery,
    VerificationLine,
)
from services.edge import LOG, Media, Reply, Route, annotate, line_fault
from services.edge.body import off_loop
from services.edge.media_type import media_type_of
from services.edge.problems import UnauthenticatedProblem
from services.verifier.answers.questions import (
    NotAStackProblem,
    UnknownCredentialProblem,
    UnknownIssuerProblem,
)
from services.verifier.config import Config
from services.verifier.documents import reader
from services.verifier.documents.other_formats import OtherFormatProblem
from services.verifier.documents.pdf import PDF_MEDIA, PdfProblem
from services.verifier.documents.reader import PresentationProblem, SentWithLists, TooManyDocumentsProblem
from services.verifier.documents.sent_document import SentDocument
from services.verifier.http.app_keys import ANSWERS, CACHED_ANSWERS, PDF, SETTINGS, address_of, charge_documents
from services.verifier.http.checkpoint_routes import checkpoint_routes
from services.verifier.http.line_routes import LINE_MEDIA_TYPES, verify_lines
from services.verifier.http.page_routes import page_routes
from services.verifier.http.query import language_of, moments_of
from services.verifier.http.statement_routes import statement_routes
from services.verifier.http.statistics_routes import statistics_routes
from services.verifier.http.witness_routes import witness_routes
from services.verifier.languages import DEFAULT, Language
from services.verifier.languages.english import PRESENTATION_NOTE
from services.verifier.limits.api_keys import QuotaProblem
from services.verifier.projection.troubles import PROJECTION_PROBLEMS
from services.verifier.verdict.findings import Judgement

DOCUMENT_MEDIA = (
    "application/json",
    "application/ld+json",
    "application/vc",
    "application/vc+json",
    "application/vc+ld+json",
    "application/vp",
    "application/vp+ld+json",
)
_ISSUERS = "/v1/issuers/"
_REVALIDATE = {"Cache-Control": "public, no-cache"}
"""May be kept, and is asked for again each time: a kept answer must not outlive a revocation."""


class IssuerPath(Body, frozen=True, kw_only=True):
    """A DID, as it is, percent-encoded once more, or with its port decoded by a proxy."""

    did: Annotated[str, Meta(max_length=600)]


_EXAMPLE: Mapping[str, Any] = {
    "@context": [
        "https://www.w3.org/ns/credentials/v2",
        "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
    ],
    "id": "urn:uuid:0d3a5f0e-6c1b-4a52-9d0e-3f1f6a2b7c8d",
    "type": ["VerifiableCredential", "OpenBadgeCredential"],
    "issuer": {"id": "did:web:example.org:issuers:waterland", "type": ["Profile"]},
    "validFrom": "2026-11-23T10:00:00Z",
    "credentialSubject": {"type": ["AchievementSubject"]},
}
_EXAMPLES = {
    "a document": _EXAMPLE,
    "a list": [_EXAMPLE],
    "with status lists": {"document": _EXAMPLE, "status_lists": []},
}


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


async def verifications(
    request: web.Request, *, raw: bytes, query: TimeQuery
) -> bytes | tuple[AnswerLine, ...] | web.StreamResponse:
    """Answer for one document, for each of a list, or line by line for NDJSON."""
    answers, moments, language = request.app[ANSWERS], moments_of(query), language_of(request, query)
    address = address_of(request)
    if media_type_of(request) in LINE_MEDIA_TYPES:
        return await verify_lines(request, request.app[SETTINGS], request.app[CACHED_ANSWERS], moments, language)
    if media_type_of(request) == PDF_MEDIA or reader.is_pdf(raw):
        raw = await request.app[PDF].credential_in(raw, address=address)
    sent = await off_loop(request, len(raw), reader.unpack, raw, documents_max=request.app[SETTINGS].documents_max)
    charge_documents(request, len(sent) if isinstance(sent, list) else 1)
    if isinstance(sent, SentDocument):
        found = await request.app[CACHED_ANSWERS].document(sent, moments, language, address=address)
        annotate(request, verdict=found.verdict)
        return found.body
    if isinstance(sent, SentWithLists):
        judged = await answers.document(sent.document, moments, address=address, status_lists=sent.status_lists)
        annotate(request, verdict=judged.verdict)
        return msgspec.json.encode(language.answer(judged))
    annotate(request, documents=len(sent))
    listed = await answers.listed(
        sent,
        moments,
        fault_of=lambda error, index: line_fault(request.app[LOG], error, number=index),
        address=address,
    )
    note = language.word(PRESENTATION_NOTE) if reader.is_presentation(raw) else ""
    return tuple(_answer_line(index, outcome, language, note) for index, outcome in enumerate(listed))


def _answer_line(index: int, outcome: Judgement | Problem, language: Language, note: str) -> AnswerLine:
    if isinstance(outcome, Problem):
        return AnswerLine(index=index, problem=outcome.document(), note=note)
    return AnswerLine(index=index, answer=language.answer(outcome), note=note)


def _shapes(config: Config) -> dict[str, Any]:
    """Return what may be sent to be verified, by media type."""
    several = Annotated[list[CredentialDocument], Meta(min_length=1, max_length=config.documents_max)]
    shapes = (CredentialDocument, PresentationDocument, DocumentWithStatusLists, several)
    return {**dict.fromkeys(DOCUMENT_MEDIA, shapes), PDF_MEDIA: bytes}


def make_routes(config: Config) -> list[Route]:
    """Return every route of the verifier; at all of them machines may show an API key, and none needs one."""
    problems = UnauthenticatedProblem, QuotaProblem
    return [
        dataclasses.replace(
            route,
            takes_key=True,
            problems=tuple(dict.fromkeys((*route.problems, *problems))),
            any_origin=route.path.startswith("/v1/"),
        )
        for route in _routes(config)
    ]


def _routes(config: Config) -> list[Route]:
    found: tuple[type[Problem], ...] = (UnknownCredentialProblem, *PROJECTION_PROBLEMS)
    return [
        Route(
            "POST",
            "/v1/verifications",
            verifications,
            operation="verify_documents",
            summary="Is this document authentic, and does it hold?",
            description="One document, or a JSON list or a presentation of them: then a list comes back, and a "
            "document that cannot be read has its problem in its place. A PDF is taken for the one credential that is "
            "attached to it. A presentation's own proof and holder, which bind it to whoever shows it, are not judged: "
            "each line says so in its `note`. A credential of another standard is `indeterminate`, and its check "
            "`document` says what it is; what is no JSON (a picture, a token) is refused by its name. As NDJSON, "
            "one document a line, there may be thousands: each is answered by a line "
            "`{line, status, answer | problem}` as soon as it is checked, in the order sent. Beside a document of an "
            "institution that is not on the register, the status lists that it names can be sent: "
            "`{document, status_lists}`. Nothing of what is sent is stored.",
            tag="verification",
            request=bytes,
            request_media=(*DOCUMENT_MEDIA, PDF_MEDIA),
            request_shapes=_shapes(config),
            request_lines=CredentialDocument,
            examples=_EXAMPLES,
            query=TimeQuery,
            response={200: (Answer | tuple[AnswerLine, ...], Media(LINE_MEDIA_TYPES[0], VerificationLine))},
            problems=(
                MalformedProblem,
                OtherFormatProblem,
                NotAnOpenBadgeProblem,
                PresentationProblem,
                TooManyDocumentsProblem,
                *PROJECTION_PROBLEMS,
                QuotaProblem,
                PdfProblem,
                BusyProblem,
            ),
            body_bytes_max=config.verification_bytes_max,
            lines_bytes_max=config.lines_bytes_max,
            lines_seconds_max=config.lines_seconds_max,
        ),
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
        *statistics_routes(),
        *statement_routes(),
        *checkpoint_routes(),
        *witness_routes(),
        *page_routes(config),
    ]
