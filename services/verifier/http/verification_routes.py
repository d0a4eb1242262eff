"""The route at which documents are verified: one, a list, or lines. What is sent is neither stored nor logged."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.documents.baked_picture import PICTURE_MEDIA, BakedPictureProblem, credential_in, kind_of
from proto.documents.open_badge_claims import NotAnOpenBadgeProblem
from proto.problem import BusyProblem, MalformedProblem
from proto.wire.documents import CredentialDocument, DocumentWithStatusLists, PresentationDocument
from proto.wire.verifier import Answer, AnswerLine, TimeQuery, VerificationLine
from services.edge import LOG, Media, Route, annotate, problem_of_line
from services.edge.body import off_loop
from services.edge.media_type import media_type_of
from services.verifier.config import Config
from services.verifier.documents import reader
from services.verifier.documents.other_formats import OtherFormatProblem
from services.verifier.documents.pdf import PDF_MEDIA, PdfProblem
from services.verifier.documents.reader import PresentationProblem, SentWithLists, TooManyDocumentsProblem
from services.verifier.documents.sent_document import SentDocument
from services.verifier.http.app_keys import ANSWERS, CACHED_ANSWERS, PDF, SETTINGS, address_of, charge_documents
from services.verifier.http.line_routes import LINE_MEDIA_TYPES, verify_lines
from services.verifier.http.query import language_of, moments_of
from services.verifier.languages import Language
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


async def verifications(
    request: web.Request, *, raw: bytes, query: TimeQuery
) -> bytes | tuple[AnswerLine, ...] | web.StreamResponse:
    """Answer for one document, for each of a list, or line by line for NDJSON."""
    answers, moments, language = request.app[ANSWERS], moments_of(request, query), language_of(request, query)
    address = address_of(request)
    if media_type_of(request) in LINE_MEDIA_TYPES:
        return await verify_lines(request, request.app[SETTINGS], request.app[CACHED_ANSWERS], moments, language)
    if kind_of(raw) is not None:
        raw = await off_loop(request, len(raw), credential_in, raw)
    elif media_type_of(request) == PDF_MEDIA or reader.is_pdf(raw):
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
    listed = [outcome async for outcome in answers.listed(sent, moments, address=address)]
    note = language.word(PRESENTATION_NOTE) if reader.is_presentation(raw) else ""
    return tuple(_answer_line(request, index, outcome, language, note) for index, outcome in enumerate(listed))


def _answer_line(
    request: web.Request, index: int, outcome: Judgement | Exception, language: Language, note: str
) -> AnswerLine:
    if isinstance(outcome, Exception):
        problem = problem_of_line(request.app[LOG], outcome, number=index)
        return AnswerLine(index=index, problem=problem.document(), note=note)
    return AnswerLine(index=index, answer=language.answer(outcome), note=note)


def _shapes(config: Config) -> dict[str, Any]:
    """Return what may be sent to be verified, by media type."""
    several = Annotated[list[CredentialDocument], Meta(min_length=1, max_length=config.documents_max)]
    shapes = (CredentialDocument, PresentationDocument, DocumentWithStatusLists, several)
    return {**dict.fromkeys(DOCUMENT_MEDIA, shapes), **dict.fromkeys((PDF_MEDIA, *PICTURE_MEDIA), bytes)}


def verification_routes(config: Config) -> list[Route]:
    """Return the route, with its bounds as configured."""
    return [
        Route(
            "POST",
            "/v1/verifications",
            verifications,
            operation="verify_documents",
            summary="Is this document authentic, and does it hold?",
            again="nothing is kept",
            description="One document, or a JSON list or a presentation of them: then a list comes back, and a "
            "document that cannot be read has its problem in its place. A PDF is taken for the one credential that is "
            "attached to it, a PNG or SVG for the one that is baked into it. A presentation's own proof and holder, "
            "which bind it to whoever shows it, are not judged: "
            "each line says so in its `note`. A credential of another standard is `indeterminate`, and its check "
            "`document` says what it is; what is no JSON (a picture, a token) is refused by its name. As NDJSON, "
            "one document a line, there may be thousands: each is answered by a line "
            "`{line, status, answer | problem}` as soon as it is checked, in the order sent. Beside a document of an "
            "institution that is not on the register, the status lists that it names can be sent: "
            "`{document, status_lists}`. Nothing of what is sent is stored.",
            tag="verification",
            request=bytes,
            request_media=(*DOCUMENT_MEDIA, PDF_MEDIA, *PICTURE_MEDIA),
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
                BakedPictureProblem,
                BusyProblem,
            ),
            body_bytes_max=config.verification_bytes_max,
            lines_bytes_max=config.lines_bytes_max,
            lines_seconds_max=config.lines_seconds_max,
        ),
    ]
