"""Evidence of an application: asked of a verifier once, when it comes, and sealed with what was answered."""

import asyncio
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from proto.base64_strict import decode_base64
from proto.canonical import DECODE_ERRORS, decode_json
from proto.documents.baked_picture import credential_in, kind_of
from proto.documents.content import content_of
from proto.documents.wording import check_texts
from proto.ids import ApplicationId, CredentialId
from proto.problem import InvalidProblem, MalformedProblem, Problem
from proto.wire.applications import Dossier, EvidenceSent
from proto.wire.content import Content
from proto.wire.verifier import Answer
from services.clients.http_client import AnsweredProblem
from services.clients.verifier_client import VerifierClient
from services.edge import Log
from services.issuer_gateway.keys.keystore import DataKey
from services.issuer_gateway.store.applications import SealedEvidence

_ENCODE = msgspec.json.Encoder().encode
_DECODE_ANSWER = msgspec.json.Decoder(Answer).decode
_DECODE_SENT = msgspec.json.Decoder(EvidenceSent).decode
_Read = TypeVar("_Read")
_TITLE_MAX = 200
_TOGETHER_MAX = 4
_SECONDS_MAX = 30.0
_JSON_BEGINS = (b"{", b"[")
_PDF = b"%PDF-"
_BOM = b"\xef\xbb\xbf"
_TOKEN_BEGINS = b"ey"  # of every JSON Web Token
_PDF_BEGINS_WITHIN = 1_024  # where readers look for it, as Acrobat does


class CheckedEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of evidence, and what a verifier said of it; `answer` is None where nothing could be asked.

    `stated` and `issuer` are what its document says itself, where it is JSON.
    """

    sent: EvidenceSent
    answer: Answer | None
    stated: Content | None
    issuer: str | None

    @property
    def title(self) -> str:
        """What people call it: its own title."""
        if self.sent.dossier is not None:
            return self.sent.dossier.title
        content = self.answer.content if self.answer and self.answer.content else self.stated
        texts = list(content.title.values()) if content else []
        return texts[0][:_TITLE_MAX] if texts else "A file"

    @property
    def credential_id(self) -> CredentialId | None:
        """The credential on this log that it is, where that is proven."""
        return self.answer.credential.credential_id if self.answer and self.answer.credential else None

    @property
    def achievement(self) -> tuple[str, str] | None:
        """Achievement and issuer: by the log, else as it says itself; None where it is not genuine."""
        if self.answer is None or self.answer.verdict == "invalid":
            return None
        if (on_log := self.answer.credential) is not None:
            return on_log.achievement, on_log.issuer
        stated = self.stated.achievement if self.stated else None
        return (stated, self.issuer) if stated and self.issuer else None


def _issuer(document: Mapping[str, Any] | None) -> str | None:
    said = (document or {}).get("issuer")
    name = said.get("id") if isinstance(said, Mapping) else said
    return name if isinstance(name, str) and name else None


class EvidenceCheck:
    """Asks a verifier of ours; without one, or where it does not answer, evidence is taken and called unchecked."""

    def __init__(self, verifier: VerifierClient | None, log: Log) -> None:
        self._verifier = verifier
        self._log = log
        self._reading = asyncio.Lock()

    async def check(self, sent: Sequence[EvidenceSent]) -> list[CheckedEvidence]:
        """Return each piece with what was said of it, in their order.

        Raises `MalformedProblem` or `InvalidProblem`, with a pointer, for what nobody can read.
        """
        documents = await self._apart(lambda: list(map(self._document, range(len(sent)), sent)))
        places = asyncio.Semaphore(_TOGETHER_MAX)

        async def one(piece: EvidenceSent, document: bytes | None) -> CheckedEvidence:
            async with places:
                answer = await self._ask(document) if document is not None else None
                stated, issuer = await self._apart(lambda: _said_by(piece))
            return CheckedEvidence(sent=piece, answer=answer, stated=stated, issuer=issuer)

        return list(await asyncio.gather(*map(one, sent, documents)))

    async def _apart(self, read: Callable[[], _Read]) -> _Read:
        """Read documents in a thread, one request's at a time: with each more, the loop would wait as long again."""
        async with self._reading:
            return await asyncio.to_thread(read)

    def _document(self, number: int, piece: EvidenceSent) -> bytes | None:
        pointer = f"/evidence/{number}"
        if piece.dossier is not None:
            texts = (("title", piece.dossier.title), ("description", piece.dossier.description))
            check_texts((f"{pointer}/dossier/{name}", text) for name, text in texts)
            return None
        if piece.document is not None:
            return _ENCODE(piece.document)
        assert piece.file is not None, "it is one of the three"
        try:
            content = decode_base64(piece.file)
        except (MalformedProblem, binascii.Error) as error:
            raise InvalidProblem("The file is not base64", pointer=f"{pointer}/file") from error
        if not may_hold_a_credential(content):
            raise InvalidProblem(
                "The file is no JSON, PDF, PNG or SVG: ask whoever gave you the document for one of these, or say in a "
                "dossier what you learned",
                pointer=f"{pointer}/file",
            )
        return content

    async def _ask(self, document: bytes) -> Answer | None:
        """Return what the verifier said; a refusal of the document itself is no answer either: a person looks."""
        if self._verifier is None:
            return None
        try:
            async with asyncio.timeout(_SECONDS_MAX):
                return await self._verifier.verify(document)
        except AnsweredProblem as problem:
            self._log.event("evidence_not_read", problem=problem.answer_slug)
        except (Problem, TimeoutError) as error:
            self._log.warning("evidence_not_checked", why=type(error).__name__)
        return None


def may_hold_a_credential(content: bytes) -> bool:
    """Tell whether a file may hold a document, by how it begins: JSON, a JSON Web Token, PDF, PNG or SVG."""
    begins = content[:_PDF_BEGINS_WITHIN].removeprefix(_BOM).lstrip()
    return (
        begins.startswith((*_JSON_BEGINS, _TOKEN_BEGINS))
        or _PDF in content[:_PDF_BEGINS_WITHIN]
        or kind_of(content) is not None
    )


def ending_of(content: bytes) -> str:
    """Return how the name of a file with this content ends."""
    kind = kind_of(content)
    if kind is not None:
        return kind.lower()
    return "pdf" if b"%PDF-" in content[:1_024] else "json" if content.lstrip()[:1] in {b"{", b"["} else "bin"


def file_in(sent: EvidenceSent) -> bytes | None:
    """Return what was sent as it would lie in a file; None for a dossier."""
    if sent.file is not None:
        return decode_base64(sent.file)
    return _ENCODE(sent.document) if sent.document is not None else None


def document_in(sent: EvidenceSent) -> Mapping[str, Any] | None:
    """Return the document of JSON that was sent, in a file or inside of a picture too; None for all else."""
    if sent.document is not None or sent.file is None:
        return sent.document
    try:
        content = decode_base64(sent.file)
        content = credential_in(content) if kind_of(content) is not None else content
        decoded = decode_json(content)
    except (Problem, *DECODE_ERRORS):
        return None
    return decoded if isinstance(decoded, Mapping) else None


def _said_by(sent: EvidenceSent) -> tuple[Content | None, str | None]:
    """Return what a document of JSON says, and who issued it by its own word."""
    document = document_in(sent)
    return (content_of(document) if document is not None else None), _issuer(document)


def stated_in(sent: EvidenceSent) -> Content | None:
    """Return what a document of JSON says; None for other files. Nothing of it is proven by being here."""
    return _said_by(sent)[0]


def name_of(application_id: ApplicationId, number: int) -> str:
    """Return what a piece of evidence is sealed as."""
    return f"{application_id}/{number}"


def sealed_item(key: DataKey, application_id: ApplicationId, number: int, checked: CheckedEvidence) -> SealedEvidence:
    """Return a piece of evidence as it is stored."""
    name, of = name_of(application_id, number), checked.achievement
    answer = key.seal(_ENCODE(checked.answer), "application-answer", name) if checked.answer else None
    return SealedEvidence(
        application_id=application_id,
        number=number,
        sealed_title=key.seal(checked.title.encode(), "application-title", name),
        sealed_evidence=key.seal(_ENCODE(checked.sent), "application-evidence", name),
        sealed_answer=answer,
        credential_id=checked.credential_id,
        achievement=of[0] if of else None,
        achievement_issuer=of[1] if of else None,
    )


class OpenedItem(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of evidence, opened."""

    item: SealedEvidence
    title: str
    sent: EvidenceSent
    answer: Answer | None
    appeal: str | None

    @property
    def dossier(self) -> Dossier | None:
        """What was learned without a credential, where that is what it is."""
        return self.sent.dossier

    @property
    def stated(self) -> Content | None:
        """What the document says, proven or not."""
        return stated_in(self.sent)

    def known_credits(self) -> int | None:
        """Return its credits in hundredths: by the log, else as its document says, which is read for it."""
        if self.answer and self.answer.credential:
            return self.answer.credential.ects_hundredths
        return self.stated.ects_hundredths if self.stated else None


def opened_item(key: DataKey, item: SealedEvidence) -> OpenedItem:
    """Return a piece of evidence, opened."""
    name = name_of(item.application_id, item.number)
    return OpenedItem(
        item=item,
        title=key.open(item.sealed_title, "application-title", name).decode(),
        sent=_DECODE_SENT(key.open(item.sealed_evidence, "application-evidence", name)),
        answer=_DECODE_ANSWER(key.open(item.sealed_answer, "application-answer", name)) if item.sealed_answer else None,
        appeal=key.open(item.sealed_appeal, "application-appeal", name).decode() if item.sealed_appeal else None,
    )
