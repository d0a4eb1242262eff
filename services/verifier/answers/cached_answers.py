"""Answers about now, from what lies ready in the cache; everything else goes to the service. Knows no HTTP, no SQL.

Nothing of a document is kept: only, for a credential that is on record, the digest of the forms in which its document
was found to agree with the record, and for a while what it says of its achievement (`proto.documents.content`).
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from proto.documents.claims_root import ClaimsRootProblem, stated_root
from proto.documents.content import content_of
from proto.documents.document import credential_id_by
from proto.ids import CredentialId, Did
from proto.moment import Moment
from proto.plain_json import plain_bytes
from proto.wire.verifier import Verdict
from services.verifier.answers.answer_cache import AnswerCache
from services.verifier.answers.encoded_answer import EncodedAnswer, Instant
from services.verifier.answers.questions import Evaluation, Moments, TimedQuestion, now_after
from services.verifier.answers.service import AnswerService
from services.verifier.documents.sent_document import SentDocument
from services.verifier.languages import ENGLISH, Language
from services.verifier.projection.reader import ProjectionReader, ReadTransaction
from services.verifier.verdict.findings import Judgement
from services.verifier.verdict.quality import day_of

DOCUMENT_BYTES_MAX = 65_536
"""Larger documents are read in a thread: decoding them would hold up everybody else."""
NOW = Moments()
_INSTANT_NS = 2_000_000
"""How long one moment serves all who ask: an answer says that it is about that moment, and how old the records were."""
_ENCODE = msgspec.json.Encoder().encode
_NO_PROOF = b""


class EncodedReply(msgspec.Struct, frozen=True, kw_only=True):
    """An encoded answer; `etag` names verdict and record where it is about an id and now."""

    verdict: Verdict
    body: bytes
    etag: str | None = None


class _Named(msgspec.Struct, frozen=True, kw_only=True):
    """The name that a document makes, what it says, and its form; `may_keep` unless its proof ends some day."""

    content: Mapping[str, Any]
    credential_id: CredentialId
    form: bytes
    may_keep: bool


class CachedAnswers:
    """Answers on the event loop where it can, in the service's threads where it must; belongs to one loop."""

    def __init__(
        self,
        projection: ProjectionReader,
        answers: AnswerService,
        cache: AnswerCache,
        *,
        clock: Callable[[], Moment],
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._projection = projection
        self._cache = cache
        self._answers = answers
        self._clock = clock
        self._monotonic_ns = monotonic_ns
        self._tick = -1
        self._instant: Instant | None = None

    async def status(
        self, credential_id: CredentialId, moments: Moments = NOW, language: Language = ENGLISH
    ) -> EncodedReply:
        """Return the answer for a credential id; raises as `AnswerService.credential`."""
        if moments != NOW:
            return _reply(await self._answers.credential(credential_id, moments), language)
        instant = self._now()
        if instant is not None:
            encoded = self._encoded_answer(credential_id, instant)
            if encoded is not None:
                verdict, body = encoded.status(instant, language)
                self._answers.count(verdict)
                return EncodedReply(verdict=verdict, body=body, etag=encoded.etag(verdict))
        found = await self._answers.evaluated_credential(credential_id, NOW)
        encoded = self._put(credential_id, found)
        reply = _reply(found.judgement, language)
        return replace(reply, etag=encoded.etag(reply.verdict)) if encoded else reply

    async def document(
        self, sent: SentDocument, moments: Moments = NOW, language: Language = ENGLISH, *, address: str = ""
    ) -> EncodedReply:
        """Return the answer for one document; `address` and what is raised are as in `AnswerService.document`."""
        if moments != NOW:
            return _reply(await self._answers.document(sent, moments, address=address), language)
        named = _named(sent) if len(sent.data) <= DOCUMENT_BYTES_MAX else None
        instant = self._now()
        if named is not None and instant is not None:
            encoded = self._encoded_answer(named.credential_id, instant)
            proof = encoded.documents.get(named.form) if encoded else None
            if encoded is not None and proof is not None:
                verdict, body = encoded.document(proof, instant, language)
                self._answers.count(verdict)
                return EncodedReply(verdict=verdict, body=self._with_content(body, named.content, instant))
        found = await self._answers.evaluated_document(sent, NOW, address=address)
        if named is not None and named.may_keep:
            self._remember(named, found)
        return _reply(found.with_content, language)

    def _with_content(self, body: bytes, document: Mapping[str, Any], instant: Instant) -> bytes:
        """Return an encoded answer with what its document says; only documents that were seen to match come here."""
        content = self._projection.quality.content(content_of(document), today=day_of(instant.at))
        return b"".join((body[:-1], b',"content":', _ENCODE(content), b"}"))

    def _now(self) -> Instant | None:
        """Return the instant of now, or None where the records are not known, or not fresh.

        What records leave open that are not up to date is said by a look at them, and is not kept.
        """
        tick = self._monotonic_ns() // _INSTANT_NS
        if self._instant is None or tick != self._tick or self._instant.position is not self._cache.position:
            health = self._answers.health()  # before the position, which it may move on
            position = self._cache.position
            if position is None:
                return None
            at = now_after(self._clock(), health, position)
            self._instant = Instant(self._answers.origin, position, health, at)
            self._tick = tick
        return self._instant if self._instant.is_fresh else None

    def _encoded_answer(self, credential_id: CredentialId, instant: Instant) -> EncodedAnswer | None:
        """Return what is encoded of a credential, or encode it now where that takes a few look-ups only."""
        encoded = self._cache.get(credential_id, instant.at)
        if encoded is not None:
            return encoded
        question = TimedQuestion(moments=NOW, health=instant.health, now=instant.at)
        found = self._projection.read_at_once(lambda transaction: self._look_up(transaction, credential_id, question))
        return self._put(credential_id, found) if found is not None else None

    def _look_up(
        self, transaction: ReadTransaction, credential_id: CredentialId, question: TimedQuestion
    ) -> Evaluation | None:
        if not self._cache.is_at(transaction.position):
            return None
        book = transaction.plain_book(credential_id, self._cache.book())
        credential = book.credential(credential_id) if book else None
        if book is None or credential is None:
            return None
        self._cache.learn(book)
        return self._answers.at_once(transaction, book, credential, question)

    def _put(self, credential_id: CredentialId, found: Evaluation) -> EncodedAnswer | None:
        """Keep what was found by fresh records, if it was read at the cache's position."""
        grounds, is_fresh = found.grounds, found.judgement.checks[-1].result == "valid"
        if grounds.credential is None or not is_fresh or not self._cache.is_at(grounds.position):
            return None
        encoded = EncodedAnswer(found.judgement, grounds)
        self._cache.put(credential_id, encoded, grounds.position)
        return encoded

    def _remember(self, named: _Named, found: Evaluation) -> None:
        """Remember that the document in this form agrees with the record; anything else is looked at anew each time."""
        document, proof = found.judgement.checks[:2]
        if found.judgement.checks[-1].result != "valid":
            return
        is_sound = proof.result == "valid" or proof.code == "proof-absent"
        if document.code != "document-matches" or not is_sound or found.credential_id != named.credential_id:
            return
        encoded = self._cache.get(named.credential_id, found.judgement.question.at)
        if encoded is not None and self._cache.is_at(found.grounds.position):
            encoded.matched(named.form, found.judgement)


def _named(sent: SentDocument) -> _Named | None:
    """Return the name that a document makes; None for what needs a closer look."""
    content = sent.plain
    if content is None:
        return None
    issuer: Any = content.get("issuer")
    did = issuer.get("id") if isinstance(issuer, Mapping) else issuer
    if not isinstance(did, str):
        return None
    form, may_keep = _NO_PROOF, True
    if "proof" in content:
        proof = content["proof"]
        form = hashlib.sha256(plain_bytes(proof)).digest()
        proofs = proof if isinstance(proof, list) else [proof]
        may_keep = not any(isinstance(item, Mapping) and "expires" in item for item in proofs)
    try:
        root = stated_root(content)
    except ClaimsRootProblem:
        return None
    named = credential_id_by(Did(did), sent.digest(), root)
    return _Named(content=content, credential_id=named, form=form, may_keep=may_keep)


def _reply(judgement: Judgement, language: Language) -> EncodedReply:
    return EncodedReply(verdict=judgement.verdict, body=_ENCODE(language.answer(judgement)))
