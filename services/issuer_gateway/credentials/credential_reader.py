"""What institutions and the public are shown: credentials with their status, documents opened, institutions, events."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from proto.canonical import DECODE_ERRORS
from proto.documents.document import credential_id_of
from proto.documents.open_badge_names import stated
from proto.ids import CredentialId, Did, LearnerId
from proto.lifecycle import Book, effective
from proto.moment import Moment, from_datetime
from proto.problem import Problem
from proto.wire.gateway import CredentialAnswer, EventAnswer, Status
from services.crypto.data_integrity import Suite, secure, with_proof
from services.issuer_gateway.achievements.document_parts import with_part
from services.issuer_gateway.credentials.change_credential import UnknownCredentialProblem
from services.issuer_gateway.credentials.prepared_award import PreparedAward, Sealed
from services.issuer_gateway.domain.log_refusals import refusal_of
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.keystore import DataKey
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.keys.signing_keys import SigningKeys
from services.issuer_gateway.log.log_state import FollowedLogState
from services.issuer_gateway.metrics import AwardMetrics
from services.issuer_gateway.store import credentials, outbox, proofs
from services.issuer_gateway.store.followed_log import book_of_own_credentials
from services.issuer_gateway.unit_of_work.event_answer import location_of
from services.persistence.postgres import Pool

ProofChoice = Literal["eddsa-rdfc-2022", "eddsa-jcs-2022", "none"]
_DECODE = msgspec.json.Decoder(Sealed).decode


_ERASED = "The learner was erased, and with the learner's key this document; its status can still be asked by its id"


class ErasedProblem(Problem):
    """The learner was erased: nobody can read the document any more, and nobody has kept a copy here."""

    slug = "erased"
    title = "The learner's data was erased"
    status = 410


class AlteredDocumentProblem(Problem):
    """What is stored is not what was issued; it is not handed out."""

    slug = "altered-document"
    title = "The stored document is not the one that was issued"
    status = 500


_DECODE_PROOF = msgspec.json.Decoder(dict[str, Any]).decode
_ENCODE = msgspec.json.Encoder().encode


TURN_DOCUMENTS = 16
"""So many documents are opened in one turn of the loop."""


class ReadableCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A credential whose document was opened with its learner's key, and is the one that was issued."""

    stored: credentials.StoredCredential
    key: DataKey
    document: dict[str, Any]


class CredentialReader:
    """Reads one gateway's credentials; what the log says of them is as it is followed."""

    def __init__(
        self,
        pool: Pool,
        learner_keys: LearnerKeys,
        *,
        signing_keys: SigningKeys,
        log_state: FollowedLogState,
        metrics: AwardMetrics,
    ) -> None:
        self._pool = pool
        self._learner_keys = learner_keys
        self._signing_keys = signing_keys
        self._log_state = log_state
        self._metrics = metrics
        self._registrar: Did | None = None

    async def key_of(self, stored: credentials.StoredCredential) -> DataKey:
        """Return the key of a credential's learner; raises `ErasedProblem` or `UnsealableProblem`."""
        key = None
        if not stored.is_erased:
            key = (await self._learner_keys.known([stored.learner_id]))[stored.learner_id]
        if key is None:
            raise ErasedProblem(_ERASED)
        return key

    async def document(self, tenant: Tenant, credential_id: CredentialId, *, proof: ProofChoice) -> dict[str, Any]:
        """Return a document with the proof asked for: made when first read, by the assertion key, and kept.

        The same every time, until that key is condemned: then the proof is made anew (it is no part of the credential).
        Raises `UnknownCredentialProblem`, `ErasedProblem`, `NoKeyProblem`.
        """
        return (await self.documents(tenant, [credential_id], proof=proof))[credential_id]

    async def documents(
        self, tenant: Tenant, credential_ids: Sequence[CredentialId], *, proof: ProofChoice
    ) -> dict[CredentialId, dict[str, Any]]:
        """Return several documents as `document` does; the database is asked as often as for one."""
        stored = await self._with_parts(tenant, credential_ids)
        keys = await self._keys(stored)
        found = {}
        for number, each in enumerate(stored, 1):
            if number % TURN_DOCUMENTS == 0:
                await asyncio.sleep(0)  # a learner may have hundreds: others' requests have their turns
            key = keys.get(each.learner_id)
            if key is None:
                raise ErasedProblem(_ERASED)
            found[each.credential_id] = ReadableCredential(stored=each, key=key, document=_checked(tenant, key, each))
        self._metrics.documents_read.labels(proof).inc(len(found))
        if proof == "none":
            return {name: each.document for name, each in found.items()}
        return await self._with_proofs(tenant, found, suite=proof)

    async def _with_proofs(
        self, tenant: Tenant, opened: Mapping[CredentialId, ReadableCredential], *, suite: Suite
    ) -> dict[CredentialId, dict[str, Any]]:
        kept, ring = await asyncio.gather(
            proofs.get_many(self._pool, list(opened), suite), self._signing_keys.ring(tenant)
        )
        found, made = {}, {}
        for name, each in opened.items():
            known = kept.get(name)
            if known is not None and known.key_id in ring.good:
                opened_proof = each.key.open(known.sealed_proof, "proof", f"{name}\n{suite}")
                found[name] = with_proof(each.document, _DECODE_PROOF(opened_proof))
            else:
                found[name], made[name] = await self._proved(tenant, each, suite, is_anew=known is not None)
        if made:
            await proofs.keep(self._pool, suite, made)
        return found

    async def _proved(
        self, tenant: Tenant, opened: ReadableCredential, suite: Suite, *, is_anew: bool
    ) -> tuple[dict[str, Any], proofs.StoredProof]:
        """Return a document with a proof that is made now, and the proof to be kept."""
        signer = await self._signing_keys.signer(tenant, "assertion")
        issued_at = from_datetime(opened.stored.created_at.replace(microsecond=0))
        made = await asyncio.to_thread(
            secure,
            opened.document,
            key_id=signer.key_id,
            sign=signer.sign,
            suite=suite,
            created=self._log_state.now() if is_anew else issued_at,
        )
        single = made["proof"][0] if isinstance(made["proof"], list) else made["proof"]
        sealed = opened.key.seal(_ENCODE(single), "proof", f"{opened.stored.credential_id}\n{suite}")
        return made, proofs.StoredProof(key_id=signer.key_id, sealed_proof=sealed)

    async def _with_parts(
        self, tenant: Tenant, credential_ids: Sequence[CredentialId]
    ) -> list[credentials.StoredWithPart]:
        """Return credentials in the order in which they are named; raises `UnknownCredentialProblem`."""
        rows = await credentials.get_with_parts(self._pool, tenant.institution_id, credential_ids)
        known = {row.credential_id: row for row in rows}
        for name in credential_ids:
            if name not in known:
                raise _unknown(tenant, name)
        return [known[name] for name in credential_ids]

    async def credential(
        self, tenant: Tenant, credential_id: CredentialId, *, issue: EventAnswer | None = None
    ) -> CredentialAnswer:
        """Return a credential of the institution; `issue` is what to say of its event, where that was fixed before.

        A status is given only with what the followed log says now, never with a fixed answer.
        """
        stored = await credentials.get(self._pool, tenant.institution_id, credential_id)
        if stored is None:
            raise _unknown(tenant, credential_id)
        if issue is not None:
            return _answer(stored, await self._keys([stored]), issue, None)
        return (await self.described(tenant, [stored]))[0]

    async def page(
        self,
        tenant: Tenant,
        *,
        learner: str | None,
        before: tuple[datetime, bytes] | None,
        limit: int,
    ) -> list[credentials.StoredCredential]:
        """Return some credentials of the institution, or of one of its learners, the newest first."""
        if learner is None:
            return await credentials.page(self._pool, tenant.institution_id, before=before, limit=limit)
        return await credentials.page_of_learner(self._pool, tenant.institution_id, learner, before=before, limit=limit)

    async def described(self, tenant: Tenant, stored: Sequence[credentials.StoredCredential]) -> list[CredentialAnswer]:
        """Return the answers of credentials: how their events stand and what the log says of them now.

        What is read of each of many lies far apart: events, states and keys are looked up side by side.
        """
        if not stored:
            return []
        now = self._log_state.now()
        stages, book, keys = await asyncio.gather(
            outbox.stages(self._pool, {item.event_id for item in stored}),
            self._book(tenant, stored),
            self._keys(stored),
        )
        if any(_is_newer(stages[item.event_id], book, item) for item in stored):
            book = await self._book(tenant, stored)
        return [_answer(item, keys, _issue(item, stages[item.event_id]), _status(book, item, now)) for item in stored]

    async def _book(self, tenant: Tenant, stored: Sequence[credentials.StoredCredential]) -> Book:
        """Return what the log says of credentials of the institution, as it is followed."""
        names = [item.credential_id for item in stored]
        book = await book_of_own_credentials(self._pool, names, tenant.did, self._registrar)
        self._registrar = book.log.registrar if book.log else None
        return book

    async def _keys(self, stored: Sequence[credentials.StoredCredential]) -> dict[LearnerId, DataKey | None]:
        return await self._learner_keys.known(item.learner_id for item in stored if not item.is_erased)


def _unknown(tenant: Tenant, credential_id: CredentialId) -> UnknownCredentialProblem:
    return UnknownCredentialProblem(f"{tenant.slug} has no credential {credential_id}")


def opened(key: DataKey, stored: credentials.StoredCredential) -> Sealed:
    """Return what was sealed of a credential, without its part; raises `UnsealableProblem`."""
    return _DECODE(key.open(stored.sealed_document, "document", stored.credential_id))


def _checked(tenant: Tenant, key: DataKey, stored: credentials.StoredWithPart) -> dict[str, Any]:
    """Return the document as it was issued; raises `AlteredDocumentProblem`."""
    found = _whole(key, stored)
    if found is None or credential_id_of(found, tenant.did) != stored.credential_id:
        raise AlteredDocumentProblem("Its digest does not lead to its credential id; restore the database")
    return found


def _whole(key: DataKey, stored: credentials.StoredWithPart) -> dict[str, Any] | None:
    """Return the document with the part that was stored beside it; None where that is no such part."""
    sealed = opened(key, stored)
    try:
        return with_part(sealed.document, stored.part)
    except DECODE_ERRORS:
        return None


def issued(item: PreparedAward, issue: EventAnswer, created_at: datetime) -> CredentialAnswer:
    """Return what `credential` says of one that was issued just now."""
    return CredentialAnswer(
        credential_id=item.credential_id,
        achievement=item.achievement.achievement.uri,
        achievement_revision=item.achievement.revision,
        ects_hundredths=item.award.earned_hundredths(item.achievement.achievement),
        components=item.components,
        issued_at=from_datetime(created_at),
        issue=issue,
        status=None,
        document=f"/v1/credentials/{item.credential_id}/document",
        valid_from=_written(item.sealed.document, "validFrom"),
        valid_until=_written(item.sealed.document, "validUntil"),
        is_erased=False,
        notes=item.sealed.notes,
        unmapped=item.sealed.unmapped,
    )


def _is_newer(stage: outbox.EventStage, book: Book, stored: credentials.StoredCredential) -> bool:
    """Tell whether an event was published since the book was read: what is published is in it, too."""
    return stage.state == "published" and book.credential(stored.credential_id) is None


def _issue(stored: credentials.StoredCredential, stage: outbox.EventStage) -> EventAnswer:
    """Return how the event of a credential stands, as far as it is about this one."""
    answer = stage.answer_of(stored.credential_id, location_of(stored.event_id))
    if answer.problem is None:
        return answer
    return msgspec.structs.replace(answer, problem=refusal_of(answer.problem, stored.credential_id))


def _status(book: Book, stored: credentials.StoredCredential, now: Moment) -> Status | None:
    known = book.credential(stored.credential_id) if book.log else None
    found = effective(book, known, at=now) if known else None
    if found is None:
        return None
    return Status(
        state=found.state,
        since=found.since,
        ects_hundredths_remaining=found.credits_remaining,
        reason=found.reason,
        replaced_by=found.replaced_by,
    )


def _answer(
    stored: credentials.StoredCredential,
    keys: Mapping[LearnerId, DataKey | None],
    issue: EventAnswer,
    status: Status | None,
) -> CredentialAnswer:
    key = keys.get(stored.learner_id)
    is_erased = key is None
    sealed = opened(key, stored) if key else None
    return CredentialAnswer(
        credential_id=stored.credential_id,
        achievement=stored.achievement_uri,
        achievement_revision=stored.revision,
        ects_hundredths=stored.ects_hundredths,
        components=stored.components,
        issued_at=from_datetime(stored.created_at),
        issue=issue,
        status=status,
        document=None if is_erased else f"/v1/credentials/{stored.credential_id}/document",
        valid_from=_written(sealed.document, "validFrom") if sealed else None,
        valid_until=_written(sealed.document, "validUntil") if sealed else None,
        is_erased=is_erased,
        notes=sealed.notes if sealed else (),
        unmapped=sealed.unmapped if sealed else (),
    )


def _written(document: Mapping[str, Any], name: str) -> str | None:
    """Return a time of a document as it was written, a day where it was a day."""
    found: str | None = stated(document, f"{name}Day") or document.get(name)
    return found
