"""The book that a decision is made by: what the log says, as far as it is followed, and what was said here since.

The rules are those of the ledger (`proto.lifecycle`). So a refusal is given at once and nothing is stored; what the
ledger refuses even so is kept.
"""

import contextlib
from collections.abc import Collection, Iterable, Sequence

from proto.envelope import Envelope, Opened, open_envelope
from proto.ids import CredentialId, LeafIndex
from proto.lifecycle import Book, Refusal, decide, evolve
from proto.moment import Moment
from services.issuer_gateway.domain.awarding import named_credentials
from services.issuer_gateway.log.log_state import LogNotFollowedProblem
from services.issuer_gateway.store import followed_log, outbox
from services.persistence import postgres_states
from services.persistence.postgres import Connection

# Where events are put that the log has not placed yet: behind all that it has.
_UNPLACED = LeafIndex(2**52)
_READ_TRIES = 5


def not_opened() -> LogNotFollowedProblem:
    """Return the refusal of what needs the log before its opening was met."""
    return LogNotFollowedProblem("The gateway has not met the log's opening yet; is the ledger running?")


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
        book = await _book_for(connection, batch, also=also, now=now, stored=before)
        if await followed_log.stored_position(connection) == before:
            break
    return book


async def _book_for(
    connection: Connection,
    batch: Sequence[Opened],
    *,
    also: Iterable[CredentialId],
    now: Moment,
    stored: bytes | None,
) -> Book:
    book = Book()
    explicit = {*also, *(name for opened in batch for name in named_credentials(opened.event))}
    unfollowed = await outbox.unfollowed(connection, sorted(explicit)) if explicit else []
    await postgres_states.load_log(connection, book)
    if book.log is None or stored is None:
        raise not_opened()
    book.log = followed_log.rules_in_force(book.log, followed_log.position_of(stored))
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
    check_admissible(book, opened, now=now)
    evolve(book, opened, index=_place(book), received_at=now)


def check_admissible(book: Book, opened: Opened, *, now: Moment) -> None:
    """Raise the `Refusal` that the ledger would give of an event, by the book."""
    decide(book, opened, index=_place(book), received_at=now)


def _place(book: Book) -> LeafIndex:
    return LeafIndex(_UNPLACED + len(book.changed_events))
