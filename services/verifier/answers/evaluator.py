"""Answers one question over one read transaction: gathers the grounds, asks for the verdict. Waits for nobody.

Runs in a reader thread, or on the event loop for what takes a few look-ups.
"""

import contextlib
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from proto.canonical import DECODE_ERRORS
from proto.ids import CredentialId, Did, LeafIndex, Origin
from proto.lifecycle import Book, Credential
from proto.wire.content import Texts
from proto.wire.verifier import StatisticsAnswer, Today
from services.crypto.issuer_proofs import issuer_of
from services.crypto.rdf_forms import Forms
from services.follow import Health
from services.verifier.answers.questions import (
    Evaluation,
    TimedQuestion,
    UnknownCredentialProblem,
)
from services.verifier.documents import foreign_documents, reader
from services.verifier.documents.reader import ReadDocument
from services.verifier.documents.sent_document import SentDocument
from services.verifier.languages import ENGLISH, Language
from services.verifier.languages.english import STATES
from services.verifier.projection.reader import ReadTransaction
from services.verifier.projection.statistics import InstitutionName, Wanted, gathered
from services.verifier.projection.tables import MissingTileError
from services.verifier.verdict import facts
from services.verifier.verdict.grounds import NO_TITLES, Document, Grounds, PartTitles
from services.verifier.verdict.today import today_of
from services.verifier.verdict.verdict import as_of, evaluate, freshness

StatusLists = Sequence[Mapping[str, Any]]


class Evaluator:
    """Answers by the records of the log of this name; keeps nothing between two questions."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin

    def credential_of(
        self, transaction: ReadTransaction, credential_id: CredentialId, question: TimedQuestion
    ) -> Evaluation:
        """Return what is found of a credential id; raises `UnknownCredentialProblem`, and as the transaction."""
        book = transaction.book([credential_id])
        credential = book.credential(credential_id)
        if credential is None:
            raise _unknown(question.health)
        return self.credential(transaction, book, credential, question.after(transaction.position))

    def credential(
        self, transaction: ReadTransaction, book: Book, credential: Credential, question: TimedQuestion
    ) -> Evaluation:
        """Return what is found of a credential that the book holds with all it rests on; raises the same."""
        grounds = self._grounds(transaction, book, credential, question)
        judgement = evaluate(grounds)
        if not question.is_about_now:
            today = today_of(evaluate(self._grounds(transaction, book, credential, question.today)))
            if not grounds.is_issued:
                raise _not_yet(question, ENGLISH.today(today))
            judgement = msgspec.structs.replace(judgement, today=today)
        return Evaluation(judgement=judgement, grounds=grounds, credential_id=credential.credential_id)

    def read(
        self,
        transaction: ReadTransaction,
        sent: SentDocument,
        question: TimedQuestion,
        status_lists: StatusLists,
        forms: Forms,
    ) -> tuple[ReadDocument, Evaluation]:
        """Return a document as it was read, and what `document` finds of it; raises as `documents.reader.read`."""
        document = reader.read(sent)
        return document, self.document(transaction, document, question, status_lists, forms)

    def document(
        self,
        transaction: ReadTransaction,
        document: ReadDocument,
        question: TimedQuestion,
        status_lists: StatusLists,
        forms: Forms,
    ) -> Evaluation:
        """Return what is found of a document, without the RDF forms that are still missing."""
        question = question.after(transaction.position)
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
            other = None if is_foreign else document.other
            read = Document(claims=document.claims, fault=document.fault, proof=proof, foreign=by_itself, other=other)
            return msgspec.structs.replace(grounds, document=read)

        grounds = grounds_for(question)
        judgement = evaluate(grounds)
        if not question.is_about_now:
            judgement = msgspec.structs.replace(judgement, today=today_of(evaluate(grounds_for(question.today))))
        return Evaluation(
            judgement=judgement, grounds=grounds, credential_id=document.credential_id, document=document.content
        )

    def statistics(
        self, transaction: ReadTransaction, wanted: Wanted, question: TimedQuestion, language: Language
    ) -> StatisticsAnswer:
        """Return the counts that were asked for; raises `TooManyGroupsProblem`."""
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
            as_of=as_of(self.origin, transaction.position, question.health),
            freshness=language.check(freshness(question.health)),
        )

    def _grounds(
        self, transaction: ReadTransaction, book: Book, credential: Credential | None, question: TimedQuestion
    ) -> Grounds:
        grounds = Grounds(
            book=book,
            credential=credential,
            recognitions=transaction.recognitions(book, credential.credential_id) if credential else (),
            statements=transaction.statements(book, credential) if credential else (),
            is_included=None,
            document=None,
            health=question.health,
            position=transaction.position,
            origin=self.origin,
            now=question.now,
            at=question.moments.at or question.now,
            known_at=question.moments.known_at,
            quality=transaction.quality,
            titles=_part_titles(transaction, book) if credential and _is_stack(credential) else NO_TITLES,
        )
        return msgspec.structs.replace(grounds, is_included=_is_included(transaction, grounds))


def _is_stack(credential: Credential) -> bool:
    return any(life.components for life in credential.lives)


def _part_titles(transaction: ReadTransaction, book: Book) -> PartTitles:
    """Return what catalogues call what a stack is made of, as far as whoever awards it describes it.

    A description that cannot be read is as none: no verdict waits for it.
    """
    lives = (life for credential in book.credentials.values() for life in (credential.lives if credential else ()))
    found: dict[tuple[Did, str], Texts] = {}
    for awarded in dict.fromkeys((life.issuer, life.achievement) for life in lives):
        with contextlib.suppress(*DECODE_ERRORS):
            description = transaction.catalogue.description(awarded[1])
            if description is not None and description.issuer == awarded[0]:
                found[awarded] = description.achievement.title
    return found


def _is_registered(transaction: ReadTransaction, book: Book, document: ReadDocument) -> bool:
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
    words = (
        ""
        if is_fresh
        else "; but the records are not up to date, so it may exist: ask again later, or another verifier"
    )
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
