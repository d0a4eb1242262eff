"""What requests that say something ask of their storage, and PostgreSQL as that storage. Decides nothing.

The simulation of faults (tests/fault) puts another storage under the same unit of work, log writer and idempotency, so
this is all that they touch.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from proto.audit_trail import AuditRecord
from proto.ids import CredentialId, EventId, InstitutionId
from services.issuer_gateway.domain.places_at_hand import before_commit
from services.issuer_gateway.store import audit_trail, idempotency_records, outbox
from services.issuer_gateway.store.idempotency_records import Answered
from services.issuer_gateway.store.outbox import NewOutboxRow, OutboxRow
from services.persistence.postgres import Connection, Pool, confirm_reads, transaction


class RequestStorage(Protocol):
    """Where outbox and answers are kept: all of a transaction is kept or nothing, and what is committed stays."""

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """Run the block in one transaction; raises what `postgres.transaction` raises.

        When it is left, what it has read is kept as well: an answer that is given again is as good as the first one.
        """
        ...

    async def confirm(self) -> None:
        """Return once what was read before is kept, whatever fails; raises `NotConfirmedProblem`."""
        ...

    async def lock_streams(self, connection: Connection, streams: Sequence[CredentialId]) -> None:
        """Let nobody else say anything about these credentials until the transaction ends."""
        ...

    async def enqueue(self, connection: Connection, rows: Sequence[NewOutboxRow]) -> None:
        """Put events into the outbox, in this order."""
        ...

    async def add_audit_records(self, connection: Connection, records: Sequence[AuditRecord]) -> None:
        """Record whose requests the transaction carries out."""
        ...

    async def outbox_row(self, event_id: EventId) -> OutboxRow | None:
        """Return where an event of this gateway stands."""
        ...

    async def find_answer(
        self, connection: Connection | None, institution_id: InstitutionId, key_fingerprint: bytes
    ) -> Answered | None:
        """Return what was answered under an idempotency key, as a transaction sees it, or None as what is committed."""
        ...

    async def add_answer(self, connection: Connection, institution_id: InstitutionId, answered: Answered) -> None:
        """Remember an answer; waits for a parallel request of the same key, then raises one of `TAKEN_ERRORS`."""
        ...

    async def keep_answers(self, given: Sequence[tuple[InstitutionId, Answered]]) -> None:
        """Keep the answers that were given, each unless one is kept already."""
        ...


class PostgresStorage:
    """The database of the gateway as that storage."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Run the block in one transaction; raises what `postgres.transaction` raises.

        Places on status lists that the block has stored are lent once more where it raises.
        """
        async with transaction(self._pool, confirms_reads=True) as connection:
            with before_commit():
                yield connection

    async def confirm(self) -> None:
        """Return once what was read before is kept on the synchronous standbys too; raises `NotConfirmedProblem`."""
        async with self._pool.acquire() as connection:
            await confirm_reads(connection)

    async def lock_streams(self, connection: Connection, streams: Sequence[CredentialId]) -> None:
        """Let nobody else say anything about these credentials until the transaction ends."""
        await outbox.lock_streams(connection, streams)

    async def enqueue(self, connection: Connection, rows: Sequence[NewOutboxRow]) -> None:
        """Put events into the outbox, in this order."""
        await outbox.insert(connection, rows)

    async def add_audit_records(self, connection: Connection, records: Sequence[AuditRecord]) -> None:
        """Record whose requests the transaction carries out."""
        await audit_trail.add(connection, records)

    async def outbox_row(self, event_id: EventId) -> OutboxRow | None:
        """Return where an event of this gateway stands."""
        return await outbox.get(self._pool, event_id)

    async def find_answer(
        self, connection: Connection | None, institution_id: InstitutionId, key_fingerprint: bytes
    ) -> Answered | None:
        """Return what was answered under an idempotency key."""
        return await idempotency_records.find(connection or self._pool, institution_id, key_fingerprint)

    async def add_answer(self, connection: Connection, institution_id: InstitutionId, answered: Answered) -> None:
        """Remember an answer; waits for a parallel request of the same key, then raises one of `TAKEN_ERRORS`."""
        await idempotency_records.add(connection, institution_id, answered)

    async def keep_answers(self, given: Sequence[tuple[InstitutionId, Answered]]) -> None:
        """Keep the answers that were given, each unless one is kept already."""
        await idempotency_records.keep_answers(self._pool, given)
