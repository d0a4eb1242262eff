"""SQL of the followed log: how far it has come, which stacks count a part, and books of what it says of somebody.

The states themselves are `services.persistence.postgres_states`'s.
"""

from collections.abc import Collection, Iterable, Sequence

import msgspec

from proto.ids import CredentialId, Did, EventId, Origin
from proto.keys import PublicKey
from proto.lifecycle import ROUNDS_MAX, Book, LogState, Needs, credential_needs
from services.follow import LogEvidence, Position
from services.persistence import postgres_states
from services.persistence.postgres import Connection, Pool

_DECODE = msgspec.msgpack.Decoder(Position).decode
_DECODE_LOG = msgspec.msgpack.Decoder(LogState).decode
_DECODE_FAULT = msgspec.msgpack.Decoder(LogEvidence).decode
_DECODE_SUSPECTS = msgspec.msgpack.Decoder(tuple[bytes, ...]).decode
_ENCODE = msgspec.msgpack.Encoder().encode
_FINDING = "SELECT value FROM log_finding WHERE name = $1"
_KEEP_FINDING = """
    INSERT INTO log_finding (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"""


async def stored_position(connection: Connection | Pool) -> bytes | None:
    """Return how far the projection has come as it lies there: enough to tell whether it moved."""
    stored: bytes | None = await connection.fetchval("SELECT position FROM followed")
    return stored


async def are_known(connection: Connection | Pool, credential_ids: Sequence[CredentialId]) -> bool:
    """Tell whether all of these credentials are on the log, as far as it is followed."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM credential_state WHERE credential_id = ANY($1::bytea[])",
        [bytes.fromhex(each) for each in credential_ids],
    )
    return count == len(set(credential_ids))


async def is_key_on_log(connection: Connection | Pool, public_key: PublicKey) -> bool:
    """Tell whether a public key was somebody's on the log, as far as it is followed."""
    found: bool = await connection.fetchval("SELECT EXISTS (SELECT FROM public_key WHERE public_key = $1)", public_key)
    return found


def position_of(stored: bytes) -> Position:
    """Return a position that `stored_position` returned."""
    return _DECODE(stored)


def rules_in_force(log: LogState, position: Position) -> LogState:
    """Return the log's state without versions of the rules that are announced for entries still to come.

    What is said now, by whatever version, is decided on by the one that judges the next entry. A log that continues
    another, and of which nothing was met, has at least the last version of that one.
    """
    if position.size == 0:
        return log
    in_force = tuple(rule for rule in log.rules if rule.from_index <= position.size)
    return msgspec.structs.replace(log, rules=in_force)


async def rules_version(connection: Connection | Pool) -> int:
    """Return the version of the rules for the log's next entry, as far as it is followed; 1 before its opening."""
    stored = await stored_position(connection)
    state = await connection.fetchval("SELECT state FROM log_state")
    if stored is None or state is None:
        return 1
    log = rules_in_force(_DECODE_LOG(state), position_of(stored))
    return max(rule.version for rule in log.rules)


async def position(connection: Connection | Pool) -> Position | None:
    """Return how far the projection has come."""
    stored = await stored_position(connection)
    return _DECODE(stored) if stored else None


async def keep_others_out(connection: Connection) -> None:
    """Let no other process move the projection until this transaction ends; whoever reads is not held up."""
    await connection.execute("LOCK TABLE followed IN SHARE ROW EXCLUSIVE MODE")


async def keep_position(connection: Connection, value: Position) -> bytes:
    """Keep how far the projection has come; return it as it lies there."""
    stored = _ENCODE(value)
    await connection.execute(
        """INSERT INTO followed (position) VALUES ($1)
           ON CONFLICT (is_only) DO UPDATE SET position = excluded.position""",
        stored,
    )
    return stored


async def first_of(connection: Connection | Pool, event_ids: Sequence[EventId]) -> int | None:
    """Return the place of that of these events which stands first on the log, or None where none is on it."""
    place: int | None = await connection.fetchval(
        "SELECT min(leaf_index) FROM event WHERE event_id = ANY($1::bytea[])",
        [bytes.fromhex(event_id) for event_id in event_ids],
    )
    return place


async def kept_fault(connection: Connection | Pool) -> LogEvidence | None:
    """Return conclusive evidence against the log that was kept, or None."""
    stored = await connection.fetchval(_FINDING, "fault")
    return _DECODE_FAULT(stored) if stored else None


async def kept_suspects(connection: Connection | Pool) -> tuple[bytes, ...]:
    """Return the checkpoints that the log signed and that could not be compared yet."""
    stored = await connection.fetchval(_FINDING, "suspects")
    return _DECODE_SUSPECTS(stored) if stored else ()


async def keep_fault(connection: Connection | Pool, evidence: LogEvidence) -> None:
    """Keep conclusive evidence against the log."""
    await connection.execute(_KEEP_FINDING, "fault", _ENCODE(evidence))


async def keep_suspects(connection: Connection | Pool, notes: tuple[bytes, ...]) -> None:
    """Keep the checkpoints that are still to be compared, in place of those that were."""
    await connection.execute(_KEEP_FINDING, "suspects", _ENCODE(notes))


async def hand_over(connection: Connection, value: Position, *, ended: Origin) -> bytes:
    """Keep all states and go on with the log that continues `ended`: places of events were that one's.

    Returns the position as it lies there.
    """
    await connection.execute(
        "UPDATE outbox SET ended_log = $1 WHERE state = 'published' AND ended_log IS NULL", str(ended)
    )
    await connection.execute("DELETE FROM event")
    return await keep_position(connection, value)


async def add_parts(
    connection: Connection, stack_id: CredentialId, issuer: Did, components: Sequence[CredentialId]
) -> None:
    """Note which credentials a stack is made of."""
    await connection.execute(
        """INSERT INTO stack_part (part_id, stack_id, issuer)
           SELECT part_id, $2::bytea, $3::text FROM unnest($1::bytea[]) AS part_id
           ON CONFLICT DO NOTHING""",
        [bytes.fromhex(part) for part in components],
        bytes.fromhex(stack_id),
        issuer,
    )


async def stacks_of(
    connection: Connection | Pool, issuer: Did, parts: Sequence[CredentialId]
) -> dict[CredentialId, list[CredentialId]]:
    """Return by part the stacks of this issuer that it was put into, whatever became of them."""
    rows = await connection.fetch(
        "SELECT part_id, stack_id FROM stack_part WHERE issuer = $1 AND part_id = ANY($2::bytea[]) ORDER BY 1, 2",
        issuer,
        [bytes.fromhex(part) for part in parts],
    )
    found: dict[CredentialId, list[CredentialId]] = {}
    for row in rows:
        found.setdefault(CredentialId(row["part_id"].hex()), []).append(CredentialId(row["stack_id"].hex()))
    return found


async def book_of_issuers(connection: Connection, dids: set[Did]) -> Book:
    """Return a book with what the followed log says of these institutions and of the registrar."""
    book = Book()
    await postgres_states.load_log(connection, book)
    await load_issuers(connection, book, dids)
    return book


async def book_of_speakers(pool: Pool, dids: Collection[Did], registrar: Did | None) -> Book:
    """Return what `book_of_issuers` does, by one statement where it is known already who the registrar is."""
    book = Book()
    await postgres_states.load_log_and_issuers(pool, book, {*dids, *([registrar] if registrar else [])})
    if book.log is not None and book.log.registrar not in book.issuers:
        await postgres_states.load_log_and_issuers(pool, book, [book.log.registrar])
    return book


async def load_issuers(connection: Connection, book: Book, dids: set[Did]) -> None:
    """Put institutions and the registrar into a book that holds the log's own state."""
    wanted = {*dids, book.log.registrar} if book.log else dids
    await postgres_states.load(connection, book, Needs(issuers=wanted))


async def book_of_credentials(connection: Connection, credential_ids: Iterable[CredentialId]) -> Book:
    """Return a book that holds these credentials with all that their state rests on, as the log is followed."""
    book = Book()
    await postgres_states.load_log(connection, book)
    await load_credentials(connection, book, credential_ids)
    return book


async def book_of_own_credentials(
    pool: Pool, credential_ids: Collection[CredentialId], issuer: Did, registrar: Did | None
) -> Book:
    """Return what `book_of_credentials` does, by fewer statements where the registrar and who issued them are known.

    Keys are read after what was said with them: whatever is followed meanwhile, nothing has a key that is not there.
    """
    book = Book()
    await postgres_states.load(pool, book, Needs(credentials=set(credential_ids)))
    await postgres_states.load_log_and_issuers(pool, book, [issuer, *([registrar] if registrar else [])])
    await load_credentials(pool, book, credential_ids)
    return book


async def load_credentials(connection: Connection | Pool, book: Book, credential_ids: Iterable[CredentialId]) -> None:
    """Put credentials into a book with all that their state rests on."""
    wanted = list(credential_ids)
    for _ in range(ROUNDS_MAX + 1):
        missing = credential_needs(book, wanted)
        if missing.is_empty:
            return
        await postgres_states.load(connection, book, missing)
