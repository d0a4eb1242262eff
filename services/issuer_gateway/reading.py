"""What institutions and the public are shown: credentials with their status, documents opened, institutions, events."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from proto.document import credential_id_of
from proto.ids import CredentialId
from proto.lifecycle import Book, effective
from proto.moment import Moment, from_datetime
from proto.problem import Problem
from proto.wire.gateway import CredentialAnswer, EventAnswer, Status
from services.data_integrity import create_proof
from services.issuer_gateway.changing import UnknownCredentialProblem
from services.issuer_gateway.domain.tenancy import Tenant
from services.issuer_gateway.gateway import Gateway
from services.issuer_gateway.issuing import Sealed
from services.issuer_gateway.saying import book_of_credentials, location_of
from services.issuer_gateway.store import credentials, outbox
from services.postgres import transaction

ProofChoice = Literal["eddsa-rdfc-2022", "eddsa-jcs-2022", "none"]
_DECODE = msgspec.json.Decoder(Sealed).decode


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


def opened(gateway: Gateway, stored: credentials.StoredCredential) -> Sealed:
    """Return what was sealed of a credential; raises `ErasedProblem` or `UnsealableProblem`."""
    if stored.sealed_key is None:
        raise ErasedProblem(
            "The learner was erased, and with the learner's key this document; its status can still be asked by its id"
        )
    key = gateway.keystore.learner_key(stored.sealed_key, stored.learner_id)
    return _DECODE(key.open(stored.sealed_document, "document", stored.credential_id))


async def document(
    gateway: Gateway, tenant: Tenant, credential_id: CredentialId, *, proof: ProofChoice
) -> dict[str, Any]:
    """Return a document of the institution, with the proof asked for, made now by its assertion key.

    The same bytes every time: the proof's time is that of the issue. Raises `UnknownCredentialProblem`,
    `ErasedProblem`.
    """
    stored = await _own(gateway, tenant, credential_id)
    found = opened(gateway, stored).document
    if credential_id_of(found, tenant.did) != credential_id:
        raise AlteredDocumentProblem("Its digest does not lead to its credential id; restore the database")
    gateway.metrics.documents_read.labels(proof).inc()
    if proof == "none":
        return found
    signer = await gateway.speakers.signer(tenant, "assertion")
    made = await asyncio.to_thread(
        create_proof,
        found,
        key_id=signer.key_id,
        sign=signer.sign,
        suite=proof,
        created=from_datetime(stored.created_at.replace(microsecond=0)),
    )
    return found | {"proof": made}


async def _own(gateway: Gateway, tenant: Tenant, credential_id: CredentialId) -> credentials.StoredCredential:
    stored = await credentials.get(gateway.pool, tenant.institution_id, credential_id)
    if stored is None:
        raise UnknownCredentialProblem(f"{tenant.slug} has no credential {credential_id}")
    return stored


async def credential(
    gateway: Gateway, tenant: Tenant, credential_id: CredentialId, *, issue: EventAnswer | None = None
) -> CredentialAnswer:
    """Return a credential of the institution; `issue` is what to say of its event, where that was fixed before.

    A status is given only with what the followed log says now, never with a fixed answer.
    """
    stored = await _own(gateway, tenant, credential_id)
    if issue is not None:
        return _answer(gateway, stored, issue, None)
    return (await described(gateway, [stored]))[0]


async def page(
    gateway: Gateway,
    tenant: Tenant,
    *,
    learner: str | None,
    before: tuple[datetime, bytes] | None,
    limit: int,
) -> list[credentials.StoredCredential]:
    """Return some credentials of the institution, or of one of its learners, the newest first."""
    learner_id = None
    if learner is not None:
        learner_id = await credentials.learner_id(gateway.pool, tenant.institution_id, learner)
        if learner_id is None:
            return []
    return await credentials.page(gateway.pool, tenant.institution_id, learner=learner_id, before=before, limit=limit)


async def described(gateway: Gateway, stored: Sequence[credentials.StoredCredential]) -> list[CredentialAnswer]:
    """Return the answers of credentials: how their events stand and what the log says of them now."""
    if not stored:
        return []
    now = gateway.now()
    async with transaction(gateway.pool) as connection:
        rows = await outbox.get_many(connection, [item.event_id for item in stored])
        book = await book_of_credentials(connection, [item.credential_id for item in stored])
    return [
        _answer(gateway, item, rows[item.event_id].answer(location_of(item.event_id)), _status(book, item, now))
        for item in stored
    ]


def _status(book: Book, stored: credentials.StoredCredential, now: Moment) -> Status | None:
    known = book.credential(stored.credential_id) if book.log else None
    found = effective(book, known, at=now) if known else None
    if found is None:
        return None
    return Status(
        state=found.state,
        since=found.since,
        credits_remaining=found.credits_remaining,
        reason=found.reason,
        replaced_by=found.replaced_by,
    )


def _answer(
    gateway: Gateway, stored: credentials.StoredCredential, issue: EventAnswer, status: Status | None
) -> CredentialAnswer:
    is_erased = stored.sealed_key is None
    sealed = None if is_erased else opened(gateway, stored)
    return CredentialAnswer(
        credential_id=stored.credential_id,
        achievement=stored.achievement.uri,
        achievement_revision=stored.revision,
        ects_hundredths=stored.ects_hundredths,
        components=stored.components,
        issued_at=from_datetime(stored.created_at),
        issue=issue,
        status=status,
        document=None if is_erased else f"/v1/credentials/{stored.credential_id}/document",
        is_erased=is_erased,
        notes=sealed.notes if sealed else (),
        unmapped=sealed.unmapped if sealed else (),
    )
