"""Imports: a document of another system becomes a credential of ours, once, however often it is sent."""

import asyncio
from typing import Any, Protocol

import msgspec

from proto.canonical import canonical_json
from proto.documents.document import without_proof
from proto.documents.fields import OnRepeat
from proto.documents.status_check import with_lists
from proto.documents.vc_addresses import check_addresses
from proto.ids import ApiKeyId, CredentialId
from proto.imports.imported import Imported
from proto.imports.open_badge import import_open_badge
from proto.lifecycle import effective
from proto.wire.gateway import EventAnswer
from services.issuer_gateway.achievements.imported_achievement import adopted
from services.issuer_gateway.credentials.earlier_awards import AlreadyAwardedProblem
from services.issuer_gateway.credentials.import_recognition import ImportRecognition, Person, Sent
from services.issuer_gateway.credentials.issue_credential import IssueCredential
from services.issuer_gateway.credentials.prepare_award import PrepareAward
from services.issuer_gateway.credentials.prepared_award import PreparedAward
from services.issuer_gateway.credentials.source_check import CheckSource, Despite, Source, SourceRefusedProblem
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.store import credentials
from services.issuer_gateway.unit_of_work.decision_book import book_for
from services.issuer_gateway.unit_of_work.idempotency import Idempotency, KeyedRequest
from services.issuer_gateway.unit_of_work.log_writer import LogWriter, OutboxEvent
from services.persistence.postgres import Connection, Pool

_NOTES_MAX = 64


class Read(Protocol):
    """Reads a document of one kind; raises an `InvalidProblem` with the pointer to its fault."""

    def __call__(self, document: Any, *, learner_ref: str | None = None) -> Imported:
        """Return what the document says."""


class _ImportedBeforeError(Exception):
    """Inside a transaction: a parallel import of the same document for the same person was first."""

    def __init__(self, credential_id: CredentialId) -> None:
        self.credential_id = credential_id


class ImportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller says of a document: how it is read, whose it is, what to overlook; by which API key it is sent."""

    read: Read = import_open_badge
    learner_ref: str | None = None
    despite: tuple[Despite, ...] = ()
    api_key_id: ApiKeyId | None = None
    on_repeat: OnRepeat | None = None
    """What is meant where the learner was awarded the same before; `replace` also makes an import anew."""


def _read(read: Read, document: Any, learner_ref: str | None) -> Imported:
    check_addresses(document)
    return read(document, learner_ref=learner_ref)


class ImportDocument:
    """Makes credentials of documents of others."""

    def __init__(
        self,
        pool: Pool,
        writer: LogWriter,
        idempotency: Idempotency,
        *,
        source: CheckSource,
        prepare: PrepareAward,
        issue: IssueCredential,
        learner_keys: LearnerKeys,
        keystore: Keystore,
    ) -> None:
        self._pool = pool
        self._writer = writer
        self._idempotency = idempotency
        self._source = source
        self._prepare = prepare
        self._issue = issue
        self._learner_keys = learner_keys
        self._keystore = keystore

    async def import_document(
        self, tenant: Tenant, body: Any, asked: ImportRequest, *, keyed: KeyedRequest | None
    ) -> tuple[CredentialId, EventAnswer]:
        """Issue what a document of another system says, and return the credential and where its event stands.

        `body` is the document, or `{"document": …, "status_lists": […]}`. The same content (without its proof) for the
        same person gives the same credential, for another person another; it is judged each time, since what held then
        may hold no more. Raises what reading, `CheckSource` and issuing raise.
        """
        self._writer.check_followed()
        document, status_lists = with_lists(body) or (body, ())
        read, learner_ref = asked.read, asked.learner_ref
        # A large document takes a while, in which others have their turn.
        imported = await asyncio.to_thread(_read, read, document, learner_ref)
        document = imported.credential or document
        content = await asyncio.to_thread(lambda: canonical_json(without_proof(document)))
        sent = Sent(content=content, identity=imported.identity, learner_ref=learner_ref)
        recognition = ImportRecognition(self._learner_keys, self._keystore, tenant)
        await self._idempotency.check_unused(keyed)
        known = await recognition.became(self._pool, sent, await recognition.person(self._pool, sent))
        source = Source(document=document, imported=imported, status_lists=status_lists, zone=tenant.zone)
        found = await self._judged(msgspec.structs.replace(source, despite=asked.despite), known)
        if known is not None and asked.on_repeat != "replace":
            return await self._stood(tenant, known)

        async def work(connection: Connection) -> OutboxEvent:
            # (1) Nobody else imports this; (2) for whom, and not yet; (3) event and document; (4) what they are known
            # by.
            await recognition.lock(connection, sent)  # (1)
            person = await recognition.person(connection, sent)  # (2)
            before = await recognition.became(connection, sent, person)
            if before is not None and asked.on_repeat != "replace":
                raise _ImportedBeforeError(before)
            notes = (*found, *_for_whom(sent, person))
            said = await self._issue_now(  # (3)
                connection, tenant, _about(imported, person, asked), notes=notes, asked=asked, before=before
            )
            await recognition.remember(connection, sent, person, said.stream)  # (4)
            return said

        try:
            answer = await self._idempotency.append_once(keyed, work)
        except (_ImportedBeforeError, AlreadyAwardedProblem) as before:
            return await self._stood(tenant, before.credential_id)
        assert answer.credential_id is not None, "an issue is about a credential"
        return answer.credential_id, answer

    async def _judged(self, source: Source, known: CredentialId | None) -> tuple[str, ...]:
        """Return notes on what was found of a document; a refusal names the credential that it became before."""
        try:
            return await self._source.check(source)
        except SourceRefusedProblem as problem:
            if known is None:
                raise
            raise SourceRefusedProblem(
                f"{problem.detail}. It was imported before: the member `credential_id` names the credential, which "
                "stays as it is. Revoke it if it must not hold",
                pointer=problem.pointer,
                members=problem.members | {"credential_id": known},
            ) from problem

    async def _stood(self, tenant: Tenant, credential_id: CredentialId) -> tuple[CredentialId, EventAnswer]:
        """Return a credential that was made of the document before, and where its event stands."""
        stored = await credentials.get(self._pool, tenant.institution_id, credential_id)
        assert stored is not None, "nothing removes a credential"
        return stored.credential_id, await self._writer.read_state(stored.event_id)

    async def _issue_now(
        self,
        connection: Connection,
        tenant: Tenant,
        imported: Imported,
        *,
        notes: tuple[str, ...],
        asked: ImportRequest,
        before: CredentialId | None,
    ) -> OutboxEvent:
        achievement = await adopted(connection, tenant, imported)
        stored = achievement.stored
        award = imported.award
        if award.ects_hundredths is None and imported.achievement.ects_hundredths != stored.achievement.ects_hundredths:
            award = msgspec.structs.replace(award, ects_hundredths=imported.achievement.ects_hundredths)
        doubts = (f"{doubt.pointer}: {doubt.detail}" for doubt in imported.doubtful)
        item = await self._prepare.prepare(
            tenant,
            award,
            stored,
            now=self._writer.now(),
            notes=_bounded([_first_issued_by(imported), *notes, *achievement.notes, *doubts]),
            unmapped=imported.unmapped,
            api_key_id=asked.api_key_id,
        )
        if before is not None and await self._may_be_replaced(connection, tenant, item, before):
            item = msgspec.structs.replace(item, replaces=(before,))
        return await self._issue.issue_now(connection, tenant, item)

    async def _may_be_replaced(
        self, connection: Connection, tenant: Tenant, item: PreparedAward, credential_id: CredentialId
    ) -> bool:
        """Tell whether what the document became before holds still, and has other words of the achievement."""
        stored = await credentials.get(connection, tenant.institution_id, credential_id)
        if stored is not None and stored.part_digest == item.part.digest:
            return False
        now = self._writer.now()
        book = await book_for(connection, [], also=[credential_id], now=now)
        credential = book.credential(credential_id)
        found = effective(book, credential, at=now) if credential else None
        return found is not None and found.state not in {"revoked", "void"}


def _about(imported: Imported, person: Person, asked: ImportRequest) -> Imported:
    """Return what was read, its learner under the institution's own name."""
    learner = msgspec.structs.replace(imported.award.learner, ref=person.ref)
    award = msgspec.structs.replace(imported.award, learner=learner, on_repeat=asked.on_repeat)
    return msgspec.structs.replace(imported, award=award)


def _first_issued_by(imported: Imported) -> str:
    """Return who issued the document, which the credential does not say: it is the institution's own."""
    issuer = imported.issuer
    named = ", ".join(filter(None, (issuer.name, issuer.country)))
    return f"The document was issued by {issuer.id}{f' ({named})' if named else ''}; this credential is your own"


def _for_whom(sent: Sent, person: Person) -> tuple[str, ...]:
    """Return under which reference the learner stands here, where the institution gave none."""
    if sent.learner_ref is not None:
        return ()
    if person.learner_id is not None:
        return (f"No `learner_ref` was given: what identifies the learner was imported before, as {person.ref}",)
    why = "" if sent.identity.is_enough else "; what the document says is not enough to know them again"
    return (f"No `learner_ref` was given: the learner is new here, as {person.ref}{why}",)


def _bounded(notes: list[str]) -> tuple[str, ...]:
    """Return as many notes as are kept, the last of which says how many there were besides."""
    if len(notes) <= _NOTES_MAX:
        return tuple(notes)
    kept = notes[: _NOTES_MAX - 1]
    return (*kept, f"There are {len(notes) - len(kept)} more notes than can be kept")
