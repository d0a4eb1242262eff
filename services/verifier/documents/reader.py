"""Documents as they are sent: split, read, matched to a credential id, and their own proofs checked. Keeps nothing.

Runs in a reader thread: canonical JSON and RDF of a large document take a while.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from proto.canonical import DECODE_ERRORS, DOCUMENT_BYTES_MAX, check_value_count, decode_json
from proto.documents.document import credential_id_by
from proto.documents.open_badge_claims import DocumentClaims, NotAnOpenBadgeProblem, claims
from proto.documents.status_check import ENTRY_LIST_MAX, with_lists
from proto.documents.vc import check_credential
from proto.ids import DID_PATTERN, CredentialId
from proto.lifecycle import Book, Life
from proto.moment import Moment
from proto.problem import InvalidProblem, MalformedProblem
from services.crypto.data_integrity import FormsOf
from services.crypto.issuer_proofs import by_log, issuer_of
from services.crypto.rdf_canonical import forms_of
from services.verifier.documents import foreign_documents
from services.verifier.documents.other_formats import OtherFormatProblem, format_of, json_in, token_in
from services.verifier.documents.sent_document import SentDocument
from services.verifier.verdict.findings import CheckFinding, finding

_T = TypeVar("_T")
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_SHOWN_MAX = 1_000
_DID = re.compile(DID_PATTERN)
_STATUS_LISTS = b'"status_lists"'
_SENT_BYTES_MAX = 8_388_608


class TooManyDocumentsProblem(InvalidProblem):
    """More documents in one list than are taken at once."""

    slug = "too-many-documents"
    title = "Too many documents at once"
    status = 413


class PresentationProblem(InvalidProblem):
    """A presentation inside of a list: it has several answers, and there is place for one."""

    slug = "presentation-in-list"
    title = "A presentation is sent alone"


class ReadDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document that is JSON and claims to be a credential; `claims` is None, with a `fault`, where it is not one.

    `is_credential` tells whether it is one by the data model, if not by the profile that institutions here follow.
    """

    content: Mapping[str, Any]
    claims: DocumentClaims | None
    credential_id: CredentialId | None
    is_credential: bool
    fault: str = ""
    other: str | None = None
    """The code of what it is, where it is nothing that is judged here."""

    @property
    def is_unjudged(self) -> bool:
        """Whether it is of another standard, or of no issuer whom anybody could ask."""
        return self.other is not None and not self.is_credential


class _SentApart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A document and its status lists, not decoded."""

    document: msgspec.Raw
    status_lists: list[msgspec.Raw]


_SENT = msgspec.json.Decoder(_SentApart)
_PDF_HEADER, _PDF_HEADER_WITHIN = b"%PDF-", 1_024
_FRAME = b'{"document":,"status_lists":[]}'


class SentWithLists(msgspec.Struct, frozen=True, kw_only=True):
    """One document with what was sent along: the status lists that it names, as their issuer signed them."""

    document: SentDocument
    status_lists: tuple[Mapping[str, Any], ...]


def is_pdf(data: bytes) -> bool:
    """Tell whether this is a PDF (ISO 32000-2 section 7.5.2: its header may follow other bytes)."""
    return _PDF_HEADER in data[:_PDF_HEADER_WITHIN]


def unpack(body: bytes, *, documents_max: int) -> SentDocument | SentWithLists | list[SentDocument]:
    """Return what a body holds: one document, one with status lists, or those of a list or a presentation.

    Raises as `with_status_lists` and `split`, and `OtherFormatProblem` for what is known not to be JSON.
    """
    sent = SentDocument(json_in(body))
    if (found := with_status_lists(sent)) is not None:
        return found
    items = split(sent, documents_max=documents_max)
    return sent if items is None else items


def with_status_lists(sent: SentDocument) -> SentWithLists | None:
    """Return what a body `{"document": …, "status_lists": […]}` holds, or None where it is none.

    Raises `MalformedProblem` and `InvalidProblem` for one that is wrong.
    """
    body = sent.data
    if _STATUS_LISTS not in body:
        return None
    found = with_lists(sent.content if len(body) <= DOCUMENT_BYTES_MAX else _decoded_apart(body))
    return None if found is None else SentWithLists(document=SentDocument.found_inside(found[0]), status_lists=found[1])


def _decoded_apart(body: bytes) -> Any:
    """Return what a large body holds: the document and each list are decoded by themselves, each within its bounds.

    A decoder lets no other thread run until it is done: with eight megabytes at once, nobody would be answered.
    """
    if len(body) > _SENT_BYTES_MAX:
        raise MalformedProblem(f"The body has {len(body)} bytes; at most {_SENT_BYTES_MAX} are read")
    check_value_count(body)
    try:
        sent = _SENT.decode(body)
    except DECODE_ERRORS as error:
        raise MalformedProblem(f"The body is not JSON of a document and its status lists: {error}") from error
    parts = [bytes(part) for part in (sent.document, *sent.status_lists)]
    commas = max(0, len(sent.status_lists) - 1)
    if _length(body) != len(_FRAME) + commas + sum(map(_length, parts)):
        raise MalformedProblem("A key of the body stands twice: two readers could see two documents")
    document, *lists = map(decode_json, parts[: ENTRY_LIST_MAX + 2])
    return {"document": document, "status_lists": lists}


def _length(data: bytes) -> int:
    """Return how many bytes there are besides white space, inside of texts too."""
    return len(data.translate(None, b" \t\r\n"))


def split(sent: SentDocument, *, documents_max: int) -> list[SentDocument] | None:
    """Return the documents of a list or a presentation, or None where the body is one document.

    Raises `MalformedProblem` where a list is not JSON, `TooManyDocumentsProblem` and `InvalidProblem` by its length.
    """
    body = sent.data
    if not body.lstrip(b" \t\r\n").startswith(b"["):
        return _presented(sent, documents_max=documents_max)
    check_value_count(body)
    try:
        found = _LIST.decode(body)
    except DECODE_ERRORS as error:
        raise MalformedProblem(f"The body is not a JSON list: {error}") from error
    return _bounded([SentDocument(bytes(item)) for item in found], documents_max=documents_max)


def _presented(sent: SentDocument, *, documents_max: int) -> list[SentDocument] | None:
    """Return the credentials of a presentation, which must be JSON that all readers understand alike; None for none."""
    body = sent.data
    if b"VerifiablePresentation" not in body and not (b"\\" in body and b"\\u" in body):  # one byte is found sooner
        return None
    content = sent.content
    inside = _inside(content) if isinstance(content, Mapping) else None
    if inside == []:
        raise NotAnOpenBadgeProblem(
            "This is a presentation without a credential: it shows nothing that could be judged",
            pointer="/verifiableCredential",
        )
    return (
        None if inside is None else _bounded(list(map(SentDocument.found_inside, inside)), documents_max=documents_max)
    )


def _inside(content: Mapping[str, Any]) -> list[Any] | None:
    """Return the credentials inside of a presentation (VC Data Model 2.0 section 4.13), or None where it is none.

    The presentation's own proof binds it to whoever shows it, and says nothing about the credentials.
    """
    kinds = content.get("type")
    if "VerifiablePresentation" not in (kinds if isinstance(kinds, list) else [kinds]):
        return None
    inside = content.get("verifiableCredential")
    return inside if isinstance(inside, list) else [] if inside is None else [inside]


def alone(body: bytes) -> tuple[SentDocument, bool]:
    """Return the one document of a body, and whether a presentation holds it.

    Raises `PresentationProblem` for a presentation of several, and as `unpack`.
    """
    sent = SentDocument(json_in(body))
    found = _presented(sent, documents_max=_SHOWN_MAX) if not sent.data.startswith(b"[") else None
    if found is None:
        return sent, False
    if len(found) > 1:
        raise PresentationProblem(f"This presentation holds {len(found)} credentials: check each by itself")
    return found[0], True


def is_presentation(body: bytes) -> bool:
    """Tell whether a body from which several documents came is a presentation, and not a list."""
    return not json_in(body).lstrip(b" \t\r\n").startswith(b"[")


def _bounded(found: list[SentDocument], *, documents_max: int) -> list[SentDocument]:
    if len(found) > documents_max:
        raise TooManyDocumentsProblem(f"At most {documents_max} documents are taken at once, not {len(found)}")
    if not found:
        raise InvalidProblem("This holds no document", pointer="")
    return found


def read(sent: SentDocument) -> ReadDocument:
    """Return what was sent, read as a credential.

    Raises `MalformedProblem` for what is not JSON that all readers understand alike, and `NotAnOpenBadgeProblem` for
    JSON that does not even claim to be a credential. What claims to be one and is not gets a verdict, not a problem.
    """
    content = sent.content
    if (said := token_in(content)) is not None:
        raise OtherFormatProblem(said)
    if isinstance(content, Mapping) and _inside(content) is not None:
        raise PresentationProblem("This is a presentation: send it alone, as a request of its own", pointer="/type")
    other = format_of(content) if isinstance(content, Mapping) else None
    if not isinstance(content, Mapping) or not (other or {"credentialSubject", "issuer"} & content.keys()):
        raise NotAnOpenBadgeProblem("This is not a credential: it names neither an issuer nor a subject", pointer="")
    found, fault = _judged(content, claims)
    _, no_credential = _judged(content, check_credential)
    if found is None or no_credential:
        return ReadDocument(
            content=content,
            claims=None,
            credential_id=None,
            fault=no_credential or fault,
            is_credential=not no_credential,
            other=other or (_not_judged(content) if no_credential else None),
        )
    name = credential_id_by(found.issuer, sent.digest(), found.claims_root)
    return ReadDocument(content=content, claims=found, credential_id=name, is_credential=True)


def _not_judged(content: Mapping[str, Any]) -> str | None:
    """Return the code that says why what breaks the data model is not judged; None where its issuer can be a DID here.

    Who is no institution of any register has promised nothing about the form of what it issues.
    """
    issuer = issuer_of(content)
    if not issuer:
        return "document-names-no-issuer"
    return None if _DID.match(issuer) else "document-malformed"


def _judged(content: Mapping[str, Any], judge: Callable[[Mapping[str, Any]], _T]) -> tuple[_T | None, str]:
    """Return what a judgement gives, or None and its fault in words."""
    try:
        return judge(content), ""
    except InvalidProblem as problem:
        return None, f"{problem.detail} (at {problem.pointer})" if problem.pointer else problem.detail


def check_proofs(
    document: ReadDocument, book: Book, life: Life | None, *, now: Moment, forms: FormsOf = forms_of
) -> CheckFinding:
    """Return what the document's own proofs are worth, by the keys that the log knows: the worst of them counts.

    `forms` returns RDF forms; the default makes them here and now.
    """
    if document.is_unjudged:
        return finding("proof", "unknown", "proof-not-judged")
    issuer = document.claims.issuer if document.claims else None
    return foreign_documents.check_of("proof", by_log(document.content, issuer, book, life, now=now, forms=forms))
