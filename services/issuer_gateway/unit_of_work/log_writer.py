"""Saying something on the log: sign, decide by the own projection, put into the outbox, wait a little for the log.

The rules are those of the ledger (`proto.lifecycle`), over the followed states and over what this gateway has said and
not yet met on the log. So a refusal is given at once and nothing is stored; what the ledger refuses even so is kept.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import TypeVar

import msgspec
import uuid_utils

from proto import events
from proto.envelope import Envelope, Opened, open_envelope, seal_opened
from proto.ids import CredentialId, EventId, LeafIndex
from proto.lifecycle import Book, Refusal, decide, evolve
from proto.lifecycle.refusals import UnknownIssuerRefusal
from proto.moment import Moment
from proto.problem import BusyProblem, OutcomeUnknownProblem, Problem, UnavailableProblem
from proto.wire.gateway import EventAnswer
from services.issuer_gateway.domain.awarding import Common, named_credentials
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.log.arrivals import Expected
from services.issuer_gateway.service import Gateway
from services.issuer_gateway.store import followed_log, outbox
from services.persistence import postgres_states
from services.persistence.postgres import Connection, transaction
from services.persistence.postgres_errors import WAITED_ERRORS, CommitUnknownError

T = TypeVar("T")

# Where events are put that the log has not placed yet: behind all that it has.
_UNPLACED = LeafIndex(2**52)
_MS = 1000
_READ_TRIES = 5


class LogNotFollowedProblem(UnavailableProblem):
    """The gateway does not know the log's state yet, or cannot rely on it."""

    slug = "log-not-followed"
    title = "The log's state is not known here now"
    retry_after_seconds = 2


class RefusedByLogProblem(Problem):
    """The log's rules refuse for good what the gateway had accepted; `log_problem` is the log's own document."""

    slug = "refused-by-log"
    title = "The log refused this"
    status = 422


class OutboxEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that this transaction has put into the outbox."""

    opened: Opened
    stream: CredentialId

    @property
    def event_type(self) -> str:
        """The event's type, as the outbox names it."""
        return str(self.opened.event.__struct_config__.tag)


def _not_opened() -> LogNotFollowedProblem:
    return LogNotFollowedProblem("The gateway has not met the log's opening yet; is the ledger running?")


def common_fields(gateway: Gateway, tenant: Tenant, *, now: Moment) -> Common:
    """Return what the institution's next event carries."""
    return Common(log=gateway.origin, issuer=tenant.did, at=now, nonce=str(uuid_utils.uuid7()))


async def sign_event(gateway: Gateway, tenant: Tenant, event: events.Event) -> Opened:
    """Return the event, signed with the institution's event key."""
    signer = await gateway.signing_keys.signer(tenant, "event")
    return seal_opened(event, signer.key_id, signer.sign)


def check_followed(gateway: Gateway) -> None:
    """Raise `LogNotFollowedProblem` where the log is faulty or speaks of rules that are not known here."""
    health = gateway.follower.health()
    if health.state in {"faulty", "unknown_rules"}:
        raise LogNotFollowedProblem(f"Nothing is said to a log that cannot be relied on: {health.detail}")
    if not gateway.beginning.is_reached:
        raise LogNotFollowedProblem("The log before this one is still being followed to its end; ask again in a moment")


async def book_for(
    connection: Connection, batch: Sequence[Opened], *, also: Collection[CredentialId] = (), now: Moment
) -> Book:
    """Return a book that holds what deciding the batch reads, and what was said here and is not followed yet.

    `also` names credentials that the caller reads besides. Raises `LogNotFollowedProblem` before the first checkpoint.
    A book is of one position: where the projection moved while it was read, what was said may be missing both from the
    states and from the outbox, so it is read again.
    """
    for _ in range(_READ_TRIES):
        before = await followed_log.stored_position(connection)
        book = await _book_for(connection, batch, also=also, now=now)
        if await followed_log.stored_position(connection) == before:
            break
    return book


async def _book_for(
    connection: Connection, batch: Sequence[Opened], *, also: Iterable[CredentialId], now: Moment
) -> Book:
    book = Book()
    explicit = {*also, *(name for opened in batch for name in named_credentials(opened.event))}
    unfollowed = await outbox.unfollowed(connection, sorted(explicit)) if explicit else []
    await postgres_states.load_log(connection, book)
    if book.log is None:
        raise _not_opened()
    await _load(connection, book, batch, explicit)
    implicit = book.credentials.keys() - explicit
    if implicit:
        unfollowed += await outbox.unfollowed(connection, sorted(implicit))
    for envelope in unfollowed:
        await _replay(connection, book, envelope, now)
    if unfollowed:
        await _load(connection, book, batch, explicit)
    return book


async def _load(
    connection: Connection, book: Book, batch: Sequence[Opened], credential_ids: Iterable[CredentialId]
) -> None:
    await postgres_states.load_all(connection, book, batch)
    await followed_log.load_credentials(connection, book, credential_ids)


async def _replay(connection: Connection, book: Book, envelope: Envelope, now: Moment) -> None:
    """Add what was said and is not followed yet; what the rules refuse of it will be refused by the ledger too."""
    opened = open_envelope(envelope)
    await postgres_states.load_all(connection, book, [opened])
    if book.index_of(opened.event_id) is None:
        with contextlib.suppress(Refusal):
            admit(book, opened, now=max(now, opened.event.at))


def admit(book: Book, opened: Opened, *, now: Moment) -> None:
    """Decide on an event by the book and add it; raises the `Refusal` that the ledger would give."""
    index = LeafIndex(_UNPLACED + len(book.changed_events))
    decide(book, opened, index=index, received_at=now)
    evolve(book, opened, index=index, received_at=now)


async def append(
    gateway: Gateway, connection: Connection, tenant: Tenant, said: Sequence[OutboxEvent], book: Book, *, now: Moment
) -> None:
    """Decide on events by the book, in order, and put them into the outbox; raises the first `Refusal`."""
    for item in said:
        admit(book, item.opened, now=now)
    await enqueue(gateway, connection, tenant, said)


async def enqueue(gateway: Gateway, connection: Connection, tenant: Tenant, said: Sequence[OutboxEvent]) -> None:
    """Put events that were decided on into the outbox."""
    await outbox.insert(
        connection,
        [outbox.NewOutboxRow(institution_id=tenant.institution_id, stream=s.stream, opened=s.opened) for s in said],
    )
    for item in said:
        gateway.metrics.said.labels(item.event_type).inc()


async def in_transaction(gateway: Gateway, work: Callable[[Connection], Awaitable[T]], *, waits: bool = True) -> T:
    """Run `work` in one transaction and return what it returns.

    A refusal that may be over once the gateway has followed the log further is tried again until the request's wait is
    over. Raises what `work` raises, `BusyProblem` and `OutcomeUnknownProblem`.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + (gateway.config.sequencing_wait_ms / _MS if waits else 0.0)
    while True:
        try:
            async with transaction(gateway.pool) as connection:
                return await work(connection)
        except (Refusal, LogNotFollowedProblem) as refusal:
            if getattr(refusal, "is_final", False) or not await gateway.advanced.wait(deadline - loop.time()):
                raise
        except WAITED_ERRORS as error:
            raise BusyProblem("Another request is working on the same thing; send this one again") from error
        except CommitUnknownError as error:
            raise OutcomeUnknownProblem(
                "The database went away while committing. Send the same request with the same Idempotency-Key again"
            ) from error


async def require_admitted(gateway: Gateway, tenant: Tenant) -> None:
    """Raise `UnknownIssuerRefusal` where the log, as far as it is followed, does not know the institution.

    Waits first, as `in_transaction` does: an admission is followed a moment after the registrar has said it. For lists
    and files, each row of which would be refused, in the background for good.
    """

    async def work(connection: Connection) -> None:
        book = await followed_log.book_of_issuers(connection, {tenant.did})
        if book.log is None:
            raise _not_opened()
        if book.issuer(tenant.did) is None:
            raise UnknownIssuerRefusal(
                f"{tenant.did} is not admitted to this log, as far as it is followed here, so nothing was begun. Have "
                "the registrar admit it, and send the same again"
            )

    await in_transaction(gateway, work)


async def await_arrival(gateway: Gateway, expected: Expected, *, event_type: str, stream: CredentialId) -> EventAnswer:
    """Call the relay, wait the configured time for the log to take the event, and return where it stands."""
    gateway.relay.call()
    arrival = await expected.within(gateway.config.sequencing_wait_ms / _MS)
    if arrival is not None and arrival.appended is not None:
        return EventAnswer(
            event_id=expected.event_id,
            event_type=event_type,
            state="published" if arrival.is_published else "sequenced",
            credential_id=stream,
            index=arrival.appended.index,
            leaf_hash=arrival.appended.leaf_hash,
            received_at=arrival.appended.received_at,
            location=location_of(expected.event_id),
        )
    row = await outbox.get(gateway.pool, expected.event_id)
    assert row is not None, "it was committed, and nothing leaves the outbox"
    return row.answer(location_of(expected.event_id))


async def read_state(gateway: Gateway, event_id: EventId) -> EventAnswer:
    """Return where an event that was said earlier stands, after waiting the configured time if it is on its way."""
    expected = gateway.arrivals.expect(event_id)
    try:
        row = await outbox.get(gateway.pool, event_id)
        assert row is not None, "nothing leaves the outbox"
        if row.state != "pending":
            return row.answer(location_of(event_id))
        return await await_arrival(gateway, expected, event_type=row.event_type, stream=row.stream)
    finally:
        gateway.arrivals.forget(expected)


def location_of(event_id: EventId) -> str:
    """Return where an institution asks how an event of its own stands."""
    return f"/v1/events/{event_id}"


def status_of(answer: EventAnswer) -> int:
    """Return the HTTP status for an event: 201 once it is on the log, 202 while it is on its way.

    Raises `RefusedByLogProblem` where the log refused it.
    """
    if answer.state == "refused":
        problem = answer.problem or {}
        raise RefusedByLogProblem(
            f"The log refused this: {str(problem.get('detail'))[:600]}",
            pointer=problem.get("pointer"),
            members={"log_problem": problem, "event_id": answer.event_id},
        )
    return 202 if answer.state == "pending" else 201
