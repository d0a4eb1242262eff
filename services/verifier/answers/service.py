"""Takes questions to the records: waits for a place, a reader thread, RDF forms; counts verdicts. Knows no HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable

from proto.ids import CredentialId, Origin
from proto.lifecycle import Book, Credential
from proto.moment import Moment
from proto.one_of_many import OneOfMany
from proto.problem import BusyProblem
from proto.wire.verifier import StatisticsAnswer, Verdict
from services.crypto.rdf_forms import Forms
from services.crypto.rdf_processes import FormMakers
from services.edge.places import Places
from services.follow import Health
from services.verifier.answers.evaluator import Evaluator, StatusLists
from services.verifier.answers.questions import (
    Evaluation,
    HealthSource,
    Moments,
    NoCheckpointProblem,
    NotAStackProblem,
    TimedQuestion,
    now_after,
)
from services.verifier.documents.sent_document import SentDocument
from services.verifier.languages import ENGLISH, Language
from services.verifier.projection.reader import ProjectionReader, ReadTransaction
from services.verifier.projection.statistics import Wanted
from services.verifier.projection.troubles import DamagedProjectionProblem, ProjectionProblem
from services.verifier.verdict.findings import Judgement

QUESTION_SECONDS_MAX = 10.0
"""How long a question about a document may wait for a place, and how long it may then take."""
PLACES, PLACES_PER_ADDRESS, WAITING_PER_ADDRESS = 8, 4, 256
"""Documents that are worked on at once, those of one client address, and how many of one may wait."""


class AnswerService:
    """Answers questions from the projection; many at once, each over one read transaction in a reader thread.

    The source's health is read before the records, so that an answer is never older than it says.
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
        self._evaluator = Evaluator(health_source.origin)
        self._clock = clock
        self.count = count

    @property
    def origin(self) -> Origin:
        """The name of the log."""
        return self._health_source.origin

    def now(self) -> Moment:
        """Return the time by this verifier's clock."""
        return self._clock()

    def health(self) -> Health:
        """Return how far the projection can be relied on now."""
        return self._health_source.health()

    async def credential(self, credential_id: CredentialId, moments: Moments) -> Judgement:
        """Return what is found of a credential id; raises `UnknownCredentialProblem` or `ProjectionProblem`."""
        return (await self.evaluated_credential(credential_id, moments)).judgement

    async def evaluated_credential(self, credential_id: CredentialId, moments: Moments) -> Evaluation:
        """Return what `credential` does, with what it rests on."""
        question = self.question(moments)
        return self._counted(
            await self._projection.read(
                lambda transaction: self._evaluator.credential_of(transaction, credential_id, question)
            )
        )

    def at_once(
        self, transaction: ReadTransaction, book: Book, credential: Credential, question: TimedQuestion
    ) -> Evaluation:
        """Return what is found of a credential that the book holds with all it rests on, here and now; not counted."""
        return self._evaluator.credential(transaction, book, credential, question)

    async def stack(self, credential_id: CredentialId, moments: Moments) -> Judgement:
        """Return the same, of a stack; raises `NotAStackProblem`, too."""
        judgement = await self.credential(credential_id, moments)
        if judgement.stack is None and judgement.credential is not None:
            raise NotAStackProblem("This credential is on record, and is not made of other credentials")
        if judgement.stack is None:
            raise DamagedProjectionProblem("The verifier's records of this stack are incomplete")
        return judgement

    async def document(
        self, sent: SentDocument, moments: Moments, *, address: str = "", status_lists: StatusLists = ()
    ) -> Judgement:
        """Return what is found of one document; `status_lists` were sent along, and count for a stranger's only.

        `address` is whose place it takes. Raises `MalformedProblem` or `NotAnOpenBadgeProblem` for what is no document
        at all, `BusyProblem`.
        """
        found = await self.evaluated_document(sent, moments, address=address, status_lists=status_lists)
        return found.with_content

    async def evaluated_document(
        self, sent: SentDocument, moments: Moments, *, address: str = "", status_lists: StatusLists = ()
    ) -> Evaluation:
        """Return what `document` does, with what it rests on."""
        async with self._places.place(address):
            return self._counted(await self._evaluated_document(sent, moments, status_lists))

    async def _evaluated_document(self, sent: SentDocument, moments: Moments, status_lists: StatusLists) -> Evaluation:
        """(1) Read and judge it; (2) have the forms made that this asked for; (3) judge it by them."""
        question, forms = self.question(moments), Forms()

        try:
            async with asyncio.timeout(QUESTION_SECONDS_MAX):
                document, found = await self._projection.read(
                    lambda transaction: self._evaluator.read(transaction, sent, question, status_lists, forms)
                )
                if forms.missing:
                    forms.learn(await self._form_makers.forms(forms.missing))
                    found = await self._projection.read(
                        lambda transaction: self._evaluator.document(
                            transaction, document, question, status_lists, forms
                        )
                    )
        except TimeoutError as error:
            raise BusyProblem("Others' documents are being checked; send it again in a moment") from error
        return found

    async def listed(
        self, items: Iterable[SentDocument], moments: Moments, *, address: str = ""
    ) -> AsyncIterator[Judgement | Exception]:
        """Yield what is found of each document, in order; what was raised over one that cannot be read, or broke us."""
        for sent in items:
            with OneOfMany(ProjectionProblem) as this:
                found = await self.document(sent, moments, address=address)
            yield found if this.broken is None else this.broken

    async def statistics(self, wanted: Wanted, *, language: Language = ENGLISH) -> StatisticsAnswer:
        """Return the counts that were asked for, their age in this language; raises `TooManyGroupsProblem`."""
        question = self.question(Moments())
        return await self._projection.read(
            lambda transaction: self._evaluator.statistics(transaction, wanted, question, language)
        )

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

    def _counted(self, found: Evaluation) -> Evaluation:
        self.count(found.judgement.verdict)
        return found
