"""What the relay asks of its storage, and PostgreSQL as that storage. Sends nothing.

The simulation of faults (tests/fault) puts another storage under the same relay, so this is all that it touches.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec

from proto.ids import Did, EventId
from proto.lifecycle import profile
from proto.wire.ledger import Appended
from services.issuer_gateway.log.arrivals import Arrival
from services.issuer_gateway.store import followed_log, idempotency_records, outbox, status_lists
from services.persistence.postgres import Connection, Pool, session_lock, transaction

_ISSUES = frozenset({"credential-issued.v1", "credential-stacked.v1"})
_DID_LENGTH_MAX = 600


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

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def turn(self) -> AbstractAsyncContextManager[Connection | None]:
        """Give a session as the one relay of the database while the block runs; None where another one is at work."""
        return session_lock(self._pool, outbox.RELAY_LOCK)

    async def due(self, connection: Connection, *, limit: int) -> list[outbox.Pending]:
        """Return the next events to send, of each credential only its first that waits."""
        return await outbox.due(connection, limit=limit)

    async def keep(self, waiting: Sequence[outbox.Pending], answers: Answers) -> dict[EventId, Arrival]:
        """Note every answer in one transaction; a credential whose issue was refused is one that never held."""
        arrived = {place.event_id: Arrival(appended=place) for place in answers.taken}
        async with transaction(self._pool) as connection:
            await outbox.lock_rows(connection, [item.event_id for item in waiting])
            await outbox.mark_sequenced(connection, answers.taken)
            for refused in answers.refused:
                item, problem = refused.item, await with_holder(connection, refused.problem)
                await outbox.mark_refused(connection, item.event_id, problem)
                arrived[item.event_id] = Arrival(problem=problem)
                if item.event_type in _ISSUES:
                    await status_lists.lock_bits(connection)
                    await status_lists.set_bits(connection, {item.stream: True})
                    followers = await outbox.refuse_followers(connection, item.stream, problem)
                    arrived |= {event_id: Arrival(problem=problem) for event_id in followers}
            later = answers.later
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


async def with_holder(connection: Connection, problem: dict[str, Any]) -> dict[str, Any]:
    """Return a refusal with the legal name of the institution that holds the id before us, where it tells of one."""
    did = problem.get("held_by")
    if not isinstance(did, str) or len(did) > _DID_LENGTH_MAX or not did.isprintable():
        return problem  # the ledger's word, and no DID
    book = await followed_log.book_of_issuers(connection, {Did(did)})
    issuer = book.issuer(Did(did))
    known = profile(book, issuer) if issuer else None
    if known is None:
        return problem
    detail = f"{problem.get('detail')} (it is {known.legal_name} that holds it)"
    return problem | {"held_by_name": known.legal_name, "detail": detail}
