"""Routes of imports: documents of other systems, from each of which a credential of ours is issued."""

from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.canonical import decode_json
from proto.documents.fields import LearnerRef, OnRepeatField
from proto.documents.open_badge_claims import NotAnOpenBadgeProblem
from proto.imports.elm import import_elm
from proto.imports.elm_reader import NotAnElmCredentialProblem
from proto.imports.microhe import NotMicroHeProblem, import_microhe
from proto.imports.open_badge import import_open_badge
from proto.problem import Problem
from proto.wire.documents import (
    CredentialDocument,
    DocumentWithStatusLists,
    MicroHeMetadata,
    SealedCredential,
    WrappedCredential,
)
from proto.wire.gateway import CredentialAnswer
from services.edge import Reply, Route
from services.edge.body import off_loop
from services.edge.route import Handler
from services.issuer_gateway.config import Config
from services.issuer_gateway.credentials import import_document
from services.issuer_gateway.credentials.earlier_awards import MayNotRevokeProblem
from services.issuer_gateway.credentials.source_check import Despite, SourceRefusedProblem
from services.issuer_gateway.http.caller import GATEWAY, SAY_PROBLEMS, Caller, keyed_from
from services.issuer_gateway.http.credential_routes import ISSUE_PROBLEMS, credential_reply

_IMPORT_MEDIA = ("application/json", "application/ld+json", "application/vc", "application/vc+ld+json")


class ImportQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose the imported document is, and what of it is known and overlooked."""

    learner_ref: Annotated[LearnerRef, Meta(description="The institution's own name for the learner")] | None = None
    despite: Annotated[
        tuple[Despite, ...],
        Meta(max_length=4, description="What of the document is known, and does not keep it from being imported"),
    ] = ()
    on_repeat: OnRepeatField | None = None


def _importing(read: import_document.Read) -> Handler:
    """Return the handler of imports that `read` reads."""

    async def import_one(
        request: web.Request, *, raw: bytes, query: ImportQuery, principal: Caller, idempotency_key: str | None
    ) -> Reply:
        gateway = request.app[GATEWAY]
        document = await off_loop(request, len(raw), decode_json, raw, bytes_max=gateway.config.import_bytes_max)
        keyed = keyed_from(request, principal, idempotency_key, raw)
        asked = import_document.ImportRequest(
            read=read,
            learner_ref=query.learner_ref,
            despite=query.despite,
            api_key_id=principal.api_key_id,
            on_repeat=query.on_repeat,
        )
        if query.on_repeat == "replace" and not principal.may_revoke:
            raise MayNotRevokeProblem("`replace` needs the scope credentials:revoke")
        _, issue = await gateway.import_document.import_document(principal.own, document, asked, keyed=keyed)
        return await credential_reply(request, principal, issue)

    return import_one


def _import_route(
    config: Config,
    name: str,
    read: import_document.Read,
    what: str,
    problem: type[Problem],
    *,
    operation: str,
    shapes: tuple[Any, ...] = (CredentialDocument,),
) -> Route:
    return Route(
        "POST",
        f"/v1/imports/{name}",
        _importing(read),
        operation=operation,
        summary=f"Import {what}",
        description="Its achievement is described if it is not, and a credential of ours is issued. The same "
        "document again for the same learner gives the same credential; what has no place here is listed in "
        "`unmapped`, what was found and guessed in `notes`. Its proof, this log, its dates and status lists sent along "
        '(`{"document": …, "status_lists": […]}`) are checked, nothing is fetched; what is altered, revoked, suspended '
        "or expired is refused, but for what `despite` names.",
        request=bytes,
        request_media=_IMPORT_MEDIA,
        request_shapes=dict.fromkeys(_IMPORT_MEDIA, (*shapes, DocumentWithStatusLists)),
        query=ImportQuery,
        response={201: CredentialAnswer, 202: CredentialAnswer},
        problems=(problem, SourceRefusedProblem, *ISSUE_PROBLEMS, *SAY_PROBLEMS),
        auth="bearer",
        scope="credentials:issue",
        idempotency="optional",
        body_bytes_max=config.import_bytes_max,
        tag="batches",
    )


def routes(config: Config) -> list[Route]:
    """Return the routes, with the bound of a document as configured."""
    return [
        _import_route(
            config,
            "open-badges",
            import_open_badge,
            "an Open Badges 3.0 document",
            NotAnOpenBadgeProblem,
            operation="import_open_badges",
        ),
        _import_route(
            config,
            "elm",
            import_elm,
            "a European Learning Model v3 credential",
            NotAnElmCredentialProblem,
            operation="import_elm_document",
            shapes=(CredentialDocument, WrappedCredential, SealedCredential),
        ),
        _import_route(
            config,
            "microhe",
            import_microhe,
            "the flat metadata of a MicroHE credential",
            NotMicroHeProblem,
            operation="import_microhe_metadata",
            shapes=(MicroHeMetadata,),
        ),
    ]
