"""Takes questions to the projection: reads one transaction, gathers the grounds, asks the domain. Knows no HTTP."""

import asyncio
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from proto.documents.content import content_of
from proto.ids import CredentialId, Did, LeafIndex, Origin
from proto.lifecycle import Book, Credential
from proto.moment import Moment
from proto.problem import BusyProblem, NotFoundProblem, Problem
from proto.wire.verifier import Answer, AnswerLine, Check, IssuerAnswer, StackAnswer, StatisticsAnswer, Today, Verdict
from services.crypto.issuer_proofs import issuer_of
from services.crypto.rdf_forms import Forms
from services.crypto.rdf_processes import FormMakers
from services.follow import Health, Position
from services.verifier.documents import foreign_documents, reader
from services.verifier.documents.reader import ReadDocument
from services.verifier.limits.places import Places
from services.verifier.projection.reader import ProjectionReader, ReadTransaction
from services.verifier.projection.statistics import InstitutionName, Wanted, gathered
from services.verifier.projection.tables import MissingTileError
from services.verifier.projection.troubles import DamagedProjectionProblem, ProjectionProblem
from services.verifier.verdict import facts
from services.verifier.verdict.sentences import STATES
from services.verifier.verdict.today import today_of
from services.verifier.verdict.verdict import Document, Grounds, as_of, evaluate, freshness

QUESTION_SECONDS_MAX = 10.0
"""How long a question about a document may wait for a place, and how long it may then take."""
PLACES, PLACES_PER_ADDRESS, WAITING_PER_ADDRESS = 8, 4, 256
"""Documents that are worked on at once, those of one client address, and how many of one may wait."""
FaultOf = Callable[[Exception, int], Problem]


class UnknownCredentialProblem(NotFoundProblem):
    """No credential of this id is on the log, as far as this verifier knows."""

    slug = "unknown-credential"
    title = "No such credential is on record"


class UnknownIssuerProblem(NotFoundProblem):
    """No institution of this DID is on the log, as far as this verifier knows."""

    slug = "unknown-issuer"
    title = "No such institution is on record"


class NotAStackProblem(NotFoundProblem):
    """The credential is not made of other credentials."""

    slug = "not-a-stack"
    title = "The credential is not a stack"


class NoCheckpointProblem(NotFoundProblem):
    """This verifier knows no checkpoint of the log yet."""

    slug = "no-checkpoint"
    title = "Nothing is known of the log yet"


class Moments(msgspec.Struct, frozen=True, kw_only=True):
    """For when is asked (`at`), and by the knowledge of when (`known_at`; None: all that is known)."""

    at: Moment | None = None
    known_at: Moment | None = None


class TimedQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs to one question: its moments, the health read before the transaction, and the time of asking."""

    moments: Moments
    health: Health
    now: Moment

    @property
    def is_about_now(self) -> bool:
        """Whether no other moment is asked about than now, by all that is known."""
        return self.moments == Moments()

    @property
    def today(self) -> "TimedQuestion":
        """The same question about now."""
        return msgspec.structs.replace(self, moments=Moments())


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """An answer with what it rests on; `credential_id` is the one that was asked about, or that the document makes.

    `document` is what was sent, for this one answer only.
    """

    answer: Answer
    grounds: Grounds
    credential_id: CredentialId | None
    document: Mapping[str, Any] | None = None

    @property
    def with_content(self) -> Answer:
        """The answer, with what the document says where it is proven."""
        if self.document is None or not is_proven(self.answer.checks[0], self.answer.checks[1]):
            return self.answer
        return msgspec.structs.replace(self.answer, content=content_of(self.document))


def is_proven(document: Check, proof: Check) -> bool:
    """Tell whether a document may be shown as its institution's: it is on the log, and no proof of it is wrong."""
    return document.code == "document-matches" and proof.result != "invalid"


class HealthSource(Protocol):
    """Who knows how far the records can be relied on: the follower of this process, or of another."""

    @property
    def origin(self) -> Origin:
        """The name of the log."""

    def health(self) -> Health:
        """Return how far the records can be relied on now; what is read after this is at least as new."""


class AnswerService:
    """Answers questions from the projection; many at once, each from one snapshot in a reader thread.

    The source's health is read before the transaction, so that an answer is never older than it says.
    """

    def __init__(
        self,
        projection: ProjectionReader,
        health_source: HealthSource,
        form_makers: FormMakers,
        *,
        clock: Callable[[], Moment],
        count: Callable[[Verdict], None],
    ) -> None:
        self._projection = projection
        self._form_makers = form_makers
        self._places = Places(
            count=PLACES,
            per_address=PLACES_PER_ADDRESS,
            waiting_max=WAITING_PER_ADDRESS,
            wait_seconds_max=QUESTION_SECONDS_MAX,
        )
        self._health_source = health_source
        self._clock = clock
        self.count = count

    @property
    def origin(self) -> Origin:
        """The name of the log."""
        return self._health_source.origin

    def health(self) -> Health:
        """Return how far the projection can be relied on now."""
        return self._health_source.health()

    async def credential(self, credential_id: CredentialId, moments: Moments) -> Answer:
        """Return the answer for a credential id; raises `UnknownCredentialProblem`, or `DamagedProjectionProblem`."""
        return (await self.found_credential(credential_id, moments)).answer

    async def found_credential(self, credential_id: CredentialId, moments: Moments) -> Evaluation:
        """Return what `credential` does, with what it rests on."""
        question = self.question(moments)
        return self._counted(
            await self._projection.read(lambda transaction: self._credential(transaction, credential_id, question))
        )

    async def stack(self, credential_id: CredentialId, moments: Moments) -> StackAnswer:
        """Return the tree of a stack; raises `UnknownCredentialProblem` or `NotAStackProblem`."""
        answer = await self.credential(credential_id, moments)
        if answer.stack is None and answer.credential is not None:
            raise NotAStackProblem("This credential is on record, and is not made of other credentials")
        if answer.stack is None:
            raise DamagedProjectionProblem("The verifier's records of this stack are incomplete")
        return StackAnswer(
            verdict=answer.verdict,
            checks=answer.checks,
            question=answer.question,
            as_of=answer.as_of,
            stack=answer.stack,
            today=answer.today,
        )

    async def document(
        self, data: bytes, moments: Moments, *, address: str = "", status_lists: Sequence[Mapping[str, Any]] = ()
    ) -> Answer:
        """Return the answer for one document; `status_lists` were sent along, and count for a stranger's only.

        `address` is whose place it takes. Raises `MalformedProblem` or `NotAnOpenBadgeProblem` for what is no document
        at all, `BusyProblem`.
        """
        found = await self.found_document(data, moments, address=address, status_lists=status_lists)
        return found.with_content

    async def found_document(
        self, data: bytes, moments: Moments, *, address: str = "", status_lists: Sequence[Mapping[str, Any]] = ()
    ) -> Evaluation:
        """Return what `document` does, with what it rests on."""
        async with self._places.place(address):
            return self._counted(await self._found_document(data, moments, status_lists))

    async def _found_document(
        self, data: bytes, moments: Moments, status_lists: Sequence[Mapping[str, Any]]
    ) -> Evaluation:
        """(1) Read and judge it; (2) have the forms made that this asked for; (3) judge it by them."""
        question, forms = self.question(moments), Forms()
        try:
            async with asyncio.timeout(QUESTION_SECONDS_MAX):
                sent, found = await self._projection.read(
                    lambda transaction: self._read_document(transaction, data, question, status_lists, forms)
                )
                if forms.missing:
                    forms.learn(await self._form_makers.forms(forms.missing))
                    found = await self._projection.read(
                        lambda transaction: self._document(transaction, sent, question, status_lists, forms)
                    )
        except TimeoutError as error:
            raise BusyProblem("Others' documents are being checked; send it again in a moment") from error
        return found

    async def listed(
        self, items: list[bytes], moments: Moments, *, fault_of: FaultOf, address: str = ""
    ) -> tuple[AnswerLine, ...]:
        """Return one line per document, in order; one that cannot be read has its problem there and sinks no other.

        `fault_of` returns what stands in the place of one that broke us, by its index.
        """
        return tuple([await self._line(index, data, moments, fault_of, address) for index, data in enumerate(items)])

    async def _line(self, index: int, data: bytes, moments: Moments, fault_of: FaultOf, address: str) -> AnswerLine:
        try:
            return AnswerLine(index=index, answer=await self.document(data, moments, address=address))
        except ProjectionProblem:
            raise
        except Problem as problem:
            return AnswerLine(index=index, problem=problem.document())
        except Exception as error:  # noqa: BLE001 - whatever one document breaks, the others are answered
            return AnswerLine(index=index, problem=fault_of(error, index).document())

    async def issuer(self, dids: tuple[Did, ...]) -> IssuerAnswer:
        """Return what the register says of the first of these DIDs that it knows; raises `UnknownIssuerProblem`."""
        question = self.question(Moments())
        return await self._projection.read(lambda transaction: self._issuer(transaction, dids, question))

    async def statistics(self, wanted: Wanted) -> StatisticsAnswer:
        """Return the counts that were asked for; raises `TooManyRowsProblem`."""
        question = self.question(Moments())
        return await self._projection.read(lambda transaction: self._statistics(transaction, wanted, question))

    async def checkpoint(self) -> bytes:
        """Return the signed note that the answers rest on; raises `NoCheckpointProblem` before there is one."""
        note = await self._projection.read(lambda transaction: transaction.position.checkpoint)
        if not note:
            raise NoCheckpointProblem("This verifier has not read the log yet; ask again in a moment")
        return note

    async def credential_count(self) -> int:
        """Return how many credentials the projection holds."""
        return await self._projection.read(lambda transaction: transaction.credential_count())

    def question(self, moments: Moments) -> TimedQuestion:
        """Return what belongs to a question that is asked now."""
        health = self.health()
        return TimedQuestion(moments=moments, health=health, now=now_after(self._clock(), health, None))

    # In a reader thread.

    def _credential(
        self, transaction: ReadTransaction, credential_id: CredentialId, question: TimedQuestion
    ) -> Evaluation:
        question, book = _after(question, transaction), transaction.book([credential_id])
        credential = book.credential(credential_id)
        if credential is None:
            raise _unknown(question.health)
        return self.evaluated(transaction, book, credential, question)

    def evaluated(
        self, transaction: ReadTransaction, book: Book, credential: Credential, question: TimedQuestion
    ) -> Evaluation:
        """Return the answer for a credential of the book; raises `UnknownCredentialProblem`, and as the transaction."""
        grounds = self._grounds(transaction, book, credential, question)
        answer = evaluate(grounds)
        if not question.is_about_now:
            today = today_of(evaluate(self._grounds(transaction, book, credential, question.today)))
            if not grounds.is_issued:
                raise _not_yet(question, today)
            answer = msgspec.structs.replace(answer, today=today)
        return Evaluation(answer=answer, grounds=grounds, credential_id=credential.credential_id)

    def _read_document(
        self,
        transaction: ReadTransaction,
        data: bytes,
        question: TimedQuestion,
        status_lists: Sequence[Mapping[str, Any]],
        forms: Forms,
    ) -> tuple[ReadDocument, Evaluation]:
        """Return the document as it was read, and what is found without the forms that are still missing."""
        document = reader.read(data)
        return document, self._document(transaction, document, question, status_lists, forms)

    def _document(
        self,
        transaction: ReadTransaction,
        document: ReadDocument,
        question: TimedQuestion,
        status_lists: Sequence[Mapping[str, Any]],
        forms: Forms,
    ) -> Evaluation:
        question = _after(question, transaction)
        book = transaction.book([document.credential_id] if document.credential_id else [])
        if document.claims is not None:
            transaction.issuer(book, document.claims.issuer)
        credential = book.credential(document.credential_id) if document.credential_id else None
        is_foreign = document.is_credential and not _is_registered(transaction, book, document)

        def grounds_for(question: TimedQuestion) -> Grounds:
            grounds = self._grounds(transaction, book, credential, question)
            proof = reader.check_proofs(document, book, grounds.life, now=question.now, forms=forms.of)
            by_itself = None
            if is_foreign:
                by_itself = foreign_documents.findings(
                    document.content, at=grounds.at, now=question.now, status_lists=status_lists, forms=forms.of
                )
            read = Document(claims=document.claims, fault=document.fault, proof=proof, foreign=by_itself)
            return msgspec.structs.replace(grounds, document=read)

        grounds = grounds_for(question)
        answer = evaluate(grounds)
        if not question.is_about_now:
            answer = msgspec.structs.replace(answer, today=today_of(evaluate(grounds_for(question.today))))
        return Evaluation(
            answer=answer, grounds=grounds, credential_id=document.credential_id, document=document.content
        )

    def _issuer(self, transaction: ReadTransaction, dids: tuple[Did, ...], question: TimedQuestion) -> IssuerAnswer:
        question, book = _after(question, transaction), Book()
        for did in dids:
            issuer = transaction.issuer(book, did)
            found = facts.issuer_facts(book, did)
            if issuer is not None and found.state != "not_admitted":
                return IssuerAnswer(
                    issuer=found,
                    keys=facts.key_facts(book, issuer, now=question.now),
                    as_of=as_of(self._health_source.origin, transaction.position, question.health),
                    freshness=freshness(question.health),
                )
        raise UnknownIssuerProblem("No institution of this DID is on record; the registrar admits institutions")

    def _statistics(self, transaction: ReadTransaction, wanted: Wanted, question: TimedQuestion) -> StatisticsAnswer:
        book = Book()

        @functools.cache
        def institution_of(did: Did) -> InstitutionName:
            transaction.issuer(book, did)
            found = facts.issuer_facts(book, did)
            return InstitutionName(found.legal_name, found.country)

        rows, total = gathered(transaction.statistics(wanted.months), wanted, institution_of)
        return StatisticsAnswer(
            by=wanted.by,
            rows=tuple(rows),
            total=total,
            as_of=as_of(self._health_source.origin, transaction.position, question.health),
            freshness=freshness(question.health),
        )

    def _grounds(
        self, transaction: ReadTransaction, book: Book, credential: Credential | None, question: TimedQuestion
    ) -> Grounds:
        grounds = Grounds(
            book=book,
            credential=credential,
            recognitions=transaction.recognitions(book, credential.credential_id) if credential else (),
            is_included=None,
            document=None,
            health=question.health,
            position=transaction.position,
            origin=self._health_source.origin,
            now=question.now,
            at=question.moments.at or question.now,
            known_at=question.moments.known_at,
        )
        return msgspec.structs.replace(grounds, is_included=_is_included(transaction, grounds))

    def _counted(self, found: Evaluation) -> Evaluation:
        self.count(found.answer.verdict)
        return found


def now_after(now: Moment, health: Health, position: Position | None) -> Moment:
    """Return a clock's time, never before what the log or its witnesses have shown."""
    shown = [moment for moment in (health.shown_at, position.last_received_at if position else None) if moment]
    return max(now, *shown) if shown else now


def _after(question: TimedQuestion, transaction: ReadTransaction) -> TimedQuestion:
    """Return the question as of now by these records, which may be newer than the health that was read before."""
    return msgspec.structs.replace(question, now=now_after(question.now, question.health, transaction.position))


def _is_registered(transaction: ReadTransaction, book: Book, document: reader.ReadDocument) -> bool:
    """Tell whether the log knows anything of the issuer that the document names, itself or by its keys."""
    return transaction.issuer(book, Did(issuer_of(document.content))) is not None


def _not_yet(question: TimedQuestion, today: Today) -> UnknownCredentialProblem:
    """Return the refusal of a question by what was known before the issue; it says how the credential stands today."""
    state = STATES[today.state] if today.state else "not known"
    return UnknownCredentialProblem(
        f"This credential was not on record yet at {question.moments.known_at}; today it is, and its state is: {state}",
        members={"today": msgspec.to_builtins(today)},
    )


def _unknown(health: Health) -> UnknownCredentialProblem:
    is_fresh = health.state == "healthy"
    words = "" if is_fresh else f"; but the records are not up to date, so it may exist: {health.detail}"
    return UnknownCredentialProblem(f"No credential of this id is on record{words}", members={"fresh": is_fresh})


def _is_included(transaction: ReadTransaction, grounds: Grounds) -> bool | None:
    """Tell whether the issue is under the proven root; None where the tree is not all there.

    What a log inherited was proven under the root of the log before, when that one was followed to its end.
    """
    life = grounds.life
    if life is None:
        return None
    if (index := grounds.index_of(life.stamp)) < 0:
        return True
    try:
        return transaction.is_included(LeafIndex(index))
    except MissingTileError:
        return None
