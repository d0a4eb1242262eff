"""What the relay asks of its storage, and PostgreSQL as that storage. Sends nothing.

The simulation of faults (tests/fault) puts another storage under the same relay, so this is all that it touches.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec

from proto.ids import EventId
from proto.subjects import BATCH_IDS_MAX
from proto.wire.ledger import Appended
from services.issuer_gateway.keys.signing_keys import NoKeyProblem
from services.issuer_gateway.log.arrivals import Arrival
from services.issuer_gateway.log.refused_events import RefusedEvents
from services.issuer_gateway.store import idempotency_records, outbox
from services.persistence.postgres import Connection, Pool, confirm_reads, session_lock, transaction

_KEYLESS_PAUSE_SECONDS = 5.0
_FOLLOWED_PAUSE_SECONDS = 0.5


class RefusedEvent(msgspec.Struct, frozen=True):
    """An event that the ledger refused, and why."""

    item: outbox.Pending
    problem: dict[str, Any]


class Postponed(msgspec.Struct, frozen=True):
    """An event that the ledger did not take yet, why, and for how many seconds it is not sent again."""

    item: outbox.Pending
    problem: dict[str, Any]
    pause_seconds: float


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger said of the events of one submission."""

    taken: Sequence[Appended]
    refused: Sequence[RefusedEvent]
    later: Sequence[Postponed]


class RelayStorage(Protocol):
    """Where the outbox is kept: all of an answer is kept or nothing, and what is committed stays."""

    def turn(self) -> AbstractAsyncContextManager[Connection | None]:
        """Give a session as the one relay of the database while the block runs; None where another one is at work."""
        ...

    async def due(self, connection: Connection, *, limit: int) -> list[outbox.Pending]:
        """Return the next events to send, of each credential only its first that waits."""
        ...

    async def keep(self, waiting: Sequence[outbox.Pending], answers: Answers) -> dict[EventId, Arrival]:
        """Note every answer in one transaction; return what became of which events, for whoever waits for them."""
        ...

    async def forget_secrets(self, *, hours: int) -> None:
        """Drop answers with secrets in them that are older than so many hours."""
        ...


class PostgresRelayStorage:
    """The database of the gateway as that storage."""

    def __init__(self, pool: Pool, refused_events: RefusedEvents) -> None:
        self._pool = pool
        self._refused_events = refused_events

    def turn(self) -> AbstractAsyncContextManager[Connection | None]:
        """Give a session as the one relay of the database while the block runs; None where another one is at work."""
        return session_lock(self._pool, outbox.RELAY_LOCK)

    async def due(self, connection: Connection, *, limit: int) -> list[outbox.Pending]:
        """Return the next events to send, of each credential only its first that waits.

        What a failover could still lose is not sent: the log would hold what nobody here knows of. Raises
        `NotConfirmedProblem` while no standby confirms it.
        """
        found = await outbox.due(connection, limit=limit, ids_max=BATCH_IDS_MAX)
        if found:
            await confirm_reads(connection)
        return found

    async def keep(self, waiting: Sequence[outbox.Pending], answers: Answers) -> dict[EventId, Arrival]:
        """Note every answer in one transaction; a credential whose issue was refused is one that never held."""
        arrived = {place.event_id: Arrival(appended=place) for place in answers.taken}
        async with transaction(self._pool) as connection:
            await outbox.lock_rows(connection, [item.event_id for item in waiting])
            await outbox.mark_sequenced(connection, answers.taken)
            later = list(answers.later)
            for refused in answers.refused:
                if await self._refused_events.is_to_be_met(connection, refused.item, refused.problem):
                    later.append(Postponed(refused.item, refused.problem, _FOLLOWED_PAUSE_SECONDS))
                    continue
                try:
                    arrived |= await self._refused_events.settle(connection, refused.item, refused.problem)
                except NoKeyProblem as problem:
                    later.append(Postponed(refused.item, problem.document(), _KEYLESS_PAUSE_SECONDS))
            await outbox.postpone(
                connection,
                [each.item.event_id for each in later],
                [each.problem for each in later],
                [each.pause_seconds for each in later],
            )
        return arrived

    async def forget_secrets(self, *, hours: int) -> None:
        """Drop answers with secrets in them that are older than so many hours."""
        await idempotency_records.forget_secrets(self._pool, hours=hours)
