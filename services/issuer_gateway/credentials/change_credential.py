"""Revoking, suspending, reinstating: one event each, about a credential that exists already."""

from collections.abc import Mapping
from typing import Any

from proto.ids import CredentialId, EventId
from proto.lifecycle import Book, changes_that_count, life_of, living_end
from proto.moment import Moment, from_ms, to_ms
from proto.problem import ConflictProblem, NotFoundProblem
from proto.wire.gateway import ChangeRequest, EventAnswer
from services.issuer_gateway.domain.awarding import change_event
from services.issuer_gateway.domain.log_refusals import refusal_of
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.store import credentials, outbox
from services.issuer_gateway.unit_of_work.decision_book import book_for
from services.issuer_gateway.unit_of_work.idempotency import Idempotency, KeyedRequest
from services.issuer_gateway.unit_of_work.log_writer import LogWriter, OutboxEvent
from services.persistence.postgres import Connection, Pool


class UnknownCredentialProblem(NotFoundProblem):
    """The institution has no credential of that id here, and does not answer for it."""

    slug = "unknown-credential-here"
    title = "The institution has no such credential"


class UnknownEventProblem(NotFoundProblem):
    """The institution has said no such event through this gateway."""

    slug = "unknown-event-here"
    title = "The institution has said no such event"


class NotIssuedYetProblem(ConflictProblem):
    """The credential begins in the future and its issue is not on the log yet, so no time fits."""

    slug = "not-issued-yet"
    title = "The credential is not on the log yet"


class IssueRefusedProblem(ConflictProblem):
    """The log refused the issue of this credential: there is nothing to change."""

    slug = "issue-refused"
    title = "The log refused this credential"


class ChangeCredential:
    """Changes credentials; a change holds since `effective_margin_ms` before now."""

    def __init__(self, pool: Pool, writer: LogWriter, idempotency: Idempotency, *, effective_margin_ms: int) -> None:
        self._pool = pool
        self._writer = writer
        self._idempotency = idempotency
        self._effective_margin_ms = effective_margin_ms

    async def change(
        self,
        tenant: Tenant,
        credential_id: CredentialId,
        *,
        verb: str,
        request: ChangeRequest,
        keyed: KeyedRequest | None,
    ) -> EventAnswer:
        """Revoke, suspend or reinstate a credential of the institution, or of one that it succeeds.

        Raises `UnknownCredentialProblem` for another's, and the rules' refusals.
        """
        self._writer.check_followed()

        async def work(connection: Connection) -> OutboxEvent:
            now = self._writer.now()
            book = await book_for(connection, [], also=[credential_id], now=now)
            await check_tenant(connection, tenant, book, credential_id)
            effective_at = effective_from(book, credential_id, now, margin_ms=self._effective_margin_ms)
            event = change_event(
                self._writer.common_fields(tenant, now=now),
                verb,
                credential_id,
                request,
                effective_at=effective_at,
                zone=tenant.zone,
            )
            item = OutboxEvent(opened=await self._writer.sign(tenant, event), stream=credential_id)
            return await self._append(connection, tenant, item, now=now)

        return await self._idempotency.append_once(keyed, work, locks=[credential_id])

    async def _append(self, connection: Connection, tenant: Tenant, item: OutboxEvent, *, now: Moment) -> OutboxEvent:
        book = await book_for(connection, [item.opened], also=[item.stream], now=now)
        await self._writer.append(connection, tenant, [item], book, now=now)
        return item


async def check_tenant(connection: Connection, tenant: Tenant, book: Book, credential_id: CredentialId) -> None:
    """Raise `UnknownCredentialProblem` or `IssueRefusedProblem` where this institution has nothing to change."""
    own = await credentials.refused_issues(connection, tenant.institution_id, [credential_id])
    check_answers(tenant, book, credential_id, own)


def check_answers(
    tenant: Tenant, book: Book, credential_id: CredentialId, own: Mapping[CredentialId, dict[str, Any] | None]
) -> None:
    """Raise as `check_tenant`; `own` are the institution's own credentials, each with why the log refused its issue."""
    if credential_id in own:
        refusal = own[credential_id]
        if refusal is not None:
            said = refusal_of(refusal, credential_id)
            raise IssueRefusedProblem("The log refused to issue it", members={"log_problem": said})
        return
    credential = book.credential(credential_id)
    if credential is None or living_end(book, credential.issuer) != tenant.did:
        raise UnknownCredentialProblem(f"{tenant.slug} has no credential {credential_id}")


def effective_from(book: Book, credential_id: CredentialId, now: Moment, *, margin_ms: int) -> Moment:
    """Return since when a change holds that does not say so: now, a little back, but not before it may.

    The bounds are the rules': not before the credential's beginning, nor before an earlier change (DESIGN 3.6).
    """
    dated_back = from_ms(to_ms(now) - margin_ms)
    credential = book.credential(credential_id)
    life = (life_of(book, credential) or credential.lives[-1]) if credential else None
    if life is None:
        return dated_back
    begun = min(life.valid_from, life.stamp.received_at)
    if credential_id in book.changed_credentials and life.valid_from > now:
        raise NotIssuedYetProblem("It begins in the future and is still on its way to the log; try again in a second")
    return max(dated_back, begun, *(change.effective_at for change in changes_that_count(book, life)))


async def own_event(connection: Connection | Pool, tenant: Tenant, event_id: EventId) -> outbox.OutboxRow:
    """Return where an event of the institution stands; raises `UnknownEventProblem` for another's."""
    row = await outbox.get(connection, event_id)
    if row is None or row.institution_id != tenant.institution_id:
        raise UnknownEventProblem(f"{tenant.slug} has said no event {event_id} here")
    return row
