"""What a log begins with that continues another: the predecessor's final state, replayed and proven. Once, at init.

The predecessor is followed over HTTP to its last checkpoint as any follower does: signature, consistency, leaves,
chain, rules. Its entries stay there; here are the states that they give, a copy of them that never changes (for fsck),
and where its events stand. All of it belongs to the transaction that writes entry 0, so there is all of it or nothing.
"""

from collections.abc import AsyncIterator, Sequence

import msgspec

from proto.envelope import Opened
from proto.events import Predecessor
from proto.ids import CredentialId, EventId, LeafIndex
from proto.lifecycle import Book, Credential, Issuer, Life, LogState, Recognition, Statement
from proto.moment import Moment
from proto.problem import ConflictProblem
from services.follow import Applied, Follower, Position, PredecessorLog, follow_predecessors
from services.persistence import postgres_states
from services.persistence.postgres import Connection

_COPY = """
    INSERT INTO inherited_state (kind, name, state)
    SELECT 'log', '', state FROM log_state
    UNION ALL SELECT 'issuer', did, state FROM issuer
    UNION ALL SELECT 'credential', encode(credential_id, 'hex'), state FROM credential_state WHERE state IS NOT NULL
    UNION ALL SELECT 'shared_credential', encode(credential_id, 'hex'), convert_to(shared::text, 'UTF8')
        FROM credential_state WHERE shared IS NOT NULL
    UNION ALL SELECT 'shared_lives', place::text, lives FROM shared_lives
    UNION ALL SELECT 'recognition', encode(event_id, 'hex'), state FROM recognition
    UNION ALL SELECT 'statement', encode(event_id, 'hex'), state FROM statement"""
_SAVE_EVENTS = "INSERT INTO inherited_event (event_id, leaf_index) SELECT * FROM unnest($1::bytea[], $2::bigint[])"
_LOAD_EVENTS = "SELECT event_id, leaf_index FROM inherited_event WHERE event_id = ANY($1::bytea[])"
_ROWS_PER_BOOK = 1_000
_ROWS = """
    SELECT own.kind, own.name, own.state, shared.state AS lives FROM inherited_state own
    LEFT JOIN inherited_state shared ON shared.kind = 'shared_lives'
        AND shared.name = CASE own.kind WHEN 'shared_credential' THEN convert_from(own.state, 'UTF8') END"""
_DECODE_LOG = msgspec.msgpack.Decoder(LogState).decode
_DECODE_ISSUER = msgspec.msgpack.Decoder(Issuer).decode
_DECODE_CREDENTIAL = msgspec.msgpack.Decoder(Credential).decode
_DECODE_LIVES = msgspec.msgpack.Decoder(tuple[Life, ...]).decode
_DECODE_RECOGNITION = msgspec.msgpack.Decoder(Recognition).decode
_DECODE_STATEMENT: msgspec.msgpack.Decoder[Statement] = msgspec.msgpack.Decoder(Statement)


class OtherPredecessorProblem(ConflictProblem):
    """The log at that address does not end where the opening says that its predecessor ends."""

    slug = "other-predecessor"
    title = "The predecessor is not what the opening names"


class _States:
    """The sink: this log's own state tables, before its first entry, in the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._position: Position | None = None

    async def position(self) -> Position | None:
        """Return how far the predecessor has been replayed in this transaction."""
        return self._position

    async def load(self, book: Book, batch: Sequence[Opened]) -> None:
        """Load what the batch reads, also which of its events the predecessor had already."""
        await postgres_states.load_all(self._connection, book, batch)
        names = [bytes.fromhex(opened.event_id) for opened in batch]
        for row in await self._connection.fetch(_LOAD_EVENTS, names):
            book.events[EventId(row["event_id"].hex())] = LeafIndex(row["leaf_index"])

    async def apply(self, book: Book, applied: Sequence[Applied], position: Position) -> None:
        """Save the states, and where the events stand on the predecessor."""
        await postgres_states.save(self._connection, book, with_events=False)
        if applied:
            names = [bytes.fromhex(each.opened.event_id) for each in applied]
            await self._connection.execute(_SAVE_EVENTS, names, [each.index for each in applied])
        self._position = position

    async def begins_with(self, event_ids: Sequence[EventId]) -> bool:
        """Tell whether one of these events is the predecessor's entry 0."""
        rows = await self._connection.fetch(_LOAD_EVENTS, [bytes.fromhex(event_id) for event_id in event_ids])
        return any(row["leaf_index"] == 0 for row in rows)

    async def hand_over(self, position: Position) -> None:
        """Go on with the log that continues this one: the states stay as they are."""
        self._position = position


async def inherit(connection: Connection, logs: Sequence[PredecessorLog], named: Predecessor, *, now: Moment) -> Moment:
    """Replay the predecessor into the empty state tables, and return when it received its last entry.

    `logs` ends with the predecessor; before it stand those that it continues itself, oldest first.

    Raises `OtherPredecessorProblem` unless its last checkpoint is the named tree, and what a follower raises where the
    log cannot be reached or proven. Part of the caller's transaction.
    """
    sink, log = _States(connection), logs[-1]
    if len(logs) > 1:
        await follow_predecessors(sink, logs[:-1], log, clock=lambda: now)
    follower = Follower(log.client, sink, verifier_key=log.verifier_key, clock=lambda: now)
    if follower.origin != named.origin:
        raise OtherPredecessorProblem(f"The key is that of {follower.origin}; the opening continues {named.origin}")
    await follower.step()
    position = await sink.position()
    if position is None or position.last_received_at is None:
        raise OtherPredecessorProblem(f"The log at {log.client.url} has no entries")
    if (position.size, position.root_hash.hex()) != (named.size, named.root_hash):
        raise OtherPredecessorProblem(
            f"{named.origin} ends with {position.size} entries and the root {position.root_hash.hex()}; the opening "
            f"continues it from {named.size} and {named.root_hash}. Freeze the predecessor, then sign a new opening"
        )
    await connection.execute(_COPY)
    return position.last_received_at


async def inherited_books(connection: Connection) -> AsyncIterator[Book]:
    """Yield what this log began with, some states to a book, all of them changed; nothing where it continues none."""
    cursor = await connection.cursor(_ROWS)
    while rows := await cursor.fetch(_ROWS_PER_BOOK):
        book = Book()
        for row in rows:
            _put(book, row["kind"], row["name"], row["state"], row["lives"])
        yield book


def _put(book: Book, kind: str, name: str, state: bytes, lives: bytes) -> None:
    match kind:
        case "log":
            book.put_log(_DECODE_LOG(state))
        case "issuer":
            book.put_issuer(_DECODE_ISSUER(state))
        case "credential":
            book.put_credential(_DECODE_CREDENTIAL(state))
        case "shared_lives":
            book.shared_lives[int(name)] = _DECODE_LIVES(state)
        case "shared_credential":
            credential_id = CredentialId(name)
            book.put_credential(Credential(credential_id=credential_id, lives=_DECODE_LIVES(lives)))
            book.shared_by[credential_id] = int(state)
        case "statement":
            book.put_statement(_DECODE_STATEMENT.decode(state))
        case _:
            book.put_recognition(_DECODE_RECOGNITION(state))
