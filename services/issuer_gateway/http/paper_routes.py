"""Routes of papers of credentials, for the institution's staff."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.event_fields import CredentialIdField
from proto.problem import BusyProblem
from proto.wire.paths import CredentialPath
from services.edge import Media, Reply, Route, parameter_problem
from services.issuer_gateway.credentials.change_credential import UnknownCredentialProblem
from services.issuer_gateway.credentials.credential_reader import ErasedProblem
from services.issuer_gateway.http.caller import GATEWAY, Caller
from services.issuer_gateway.languages import LANGUAGES, LearnerLanguage, primary
from services.issuer_gateway.papers.papers import PaperProblem, PictureForm

NAME_DIGITS = 12
PICTURE_MEDIA: dict[PictureForm, str] = {"png": "image/png", "svg": "image/svg+xml"}


class PaperQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In which language the paper's own words are."""

    lang: (
        Annotated[
            str,
            Meta(
                max_length=35,
                description="Language of the paper's own words: en, de, es or fr; else the document's",
            ),
        ]
        | None
    ) = None


class PicturePath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The picture of a credential, in one of its forms."""

    credential_id: CredentialIdField
    form: PictureForm


def language_named(name: str | None) -> LearnerLanguage | None:
    """Return the language that is asked for; raises `InvalidProblem` for one that there is not."""
    if name is None:
        return None
    if (found := LANGUAGES.get(primary(name))) is None:
        raise parameter_problem("lang", f"Papers are made in these languages: {', '.join(LANGUAGES)}")
    return found


async def read_supplement(request: web.Request, *, path: CredentialPath, query: PaperQuery, principal: Caller) -> Reply:
    """Return the supplement of a credential."""
    papers = request.app[GATEWAY].credential_papers
    language = language_named(query.lang)
    pdf = await papers.supplement(await papers.opened(principal.own, path.credential_id), language)
    return Reply(pdf, headers=file_headers(f"credential-{path.credential_id[:NAME_DIGITS]}.pdf"))


async def read_picture(
    request: web.Request, *, path: PicturePath, query: PaperQuery, principal: Caller
) -> web.Response:
    """Return the picture of a credential, the document inside."""
    papers = request.app[GATEWAY].credential_papers
    opened = await papers.opened(principal.own, path.credential_id)
    content = await papers.picture(opened, path.form, language_named(query.lang))
    headers = file_headers(f"credential-{path.credential_id[:NAME_DIGITS]}.{path.form}")
    return web.Response(body=content, headers=headers, content_type=PICTURE_MEDIA[path.form])


def file_headers(name: str, *, is_shown: bool = False) -> dict[str, str]:
    """Return the headers of a file that is its learner's alone: kept by no cache, found by no search engine."""
    disposition = "inline" if is_shown else "attachment"
    return {
        "Content-Disposition": f'{disposition}; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Robots-Tag": "noindex, noarchive",
    }


ROUTES = [
    Route(
        "GET",
        "/v1/credentials/{credential_id}/pdf",
        read_supplement,
        summary="Read the supplement of a credential as a PDF with the document inside",
        description="PDF/A-3a and PDF/UA-1, in the order of the European diploma supplement. A verifier reads the "
        "document from it.",
        path_parameters=CredentialPath,
        query=PaperQuery,
        response={200: Media("application/pdf", bytes)},
        problems=(UnknownCredentialProblem, ErasedProblem, PaperProblem, BusyProblem),
        auth="bearer",
        scope="credentials:read",
        tag="credentials",
    ),
    Route(
        "GET",
        "/v1/credentials/{credential_id}/picture.{form}",
        read_picture,
        summary="Read the picture of a credential, PNG or SVG, with the document inside",
        description="By the rule of Open Badges 3.0: programs for badges, and verifiers, take the document out of it.",
        path_parameters=PicturePath,
        query=PaperQuery,
        response={200: tuple(Media(kind, bytes) for kind in PICTURE_MEDIA.values())},
        problems=(UnknownCredentialProblem, ErasedProblem, PaperProblem, BusyProblem),
        auth="bearer",
        scope="credentials:read",
        tag="credentials",
    ),
]
