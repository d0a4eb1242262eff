"""A database in memory for the write path: commits whole transactions or nothing, locks the head, loses sessions.

Speaks the interface of `services.ledger.sequencing.storage`, so the real sequencer and the real intake run on it.
Whatever happens at an await is asked of a `Gate`; what the server does (ending sessions of the dead and the frozen) is
done here.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Protocol

import asyncpg

from proto.envelope import Opened
from proto.ids import Did, EventId, LeafIndex, TreeSize
from proto.lifecycle import ROUNDS_MAX, Book, Needs, needs
from proto.log.merkle import Frontier
from proto.log.tile import TileId
from proto.log.tile_edge import Growth, TileEdge, grow
from proto.moment import from_ms, to_ms
from proto.wire.ledger import Appended
from services.ledger.domain import Head, NewEntry
from services.ledger.sequencing.storage import Transaction
from services.ledger.store import StoredEntry, Tail
from services.persistence import postgres_states
from services.persistence.postgres_errors import DATABASE_ERRORS, CommitUnknownError
from tests.support.worlds import World, replay

LOCK_TIMEOUT_SECONDS = 5.0
DECIDED_AT_ONCE = 4
"""So many events are decided between two statements at most."""
FROZEN_SECONDS = 2.5


class SessionLostError(asyncpg.ConnectionDoesNotExistError):
    """The server has ended the session: what was not committed is rolled back."""


class Gate(Protocol):
    """Where one replica waits for the database: it may be held up here, killed, or told of an error."""

    @property
    def is_dead(self) -> bool:
        """Whether the process is gone."""
        ...

    @property
    def is_frozen(self) -> bool:
        """Whether the process does not move."""
        ...

    async def at(self, place: str) -> None:
        """Return when the replica may go on; raises what the driver would raise."""
        ...


class FakeDatabase:
    """What is committed, and who holds the head."""

    def __init__(self, world: World) -> None:
        growth = grow(TileEdge(), world.leaf_hashes)
        self.origin = world.origin
        self.edge = growth.edge
        self.tiles: dict[TileId, bytes] = dict(growth.full_tiles)
        self.head = Head(
            size=growth.edge.size,
            root_hash=growth.root,
            last_leaf_hash=world.leaf_hashes[-1],
            last_received_at_ms=to_ms(world.received_at(-1)),
        )
        self.entries = [self._row(world, at) for at in range(world.size)]
        self.places = {entry.event_id: entry for entry, _ in self.entries}
        self.book: Book = world.book
        self.clock_ms = 0
        self.holder: Session | None = None
        self.waiting: deque[tuple[Session, asyncio.Future[None]]] = deque()

    @staticmethod
    def _row(world: World, at: int) -> tuple[NewEntry, int]:
        entry = NewEntry(
            index=LeafIndex(at),
            leaf_hash=world.leaf_hashes[at],
            event_id=world.opened[at].event_id,
            data=world.entries[at],
        )
        return entry, to_ms(world.received_at(at))

    def appended(self, event_ids: Iterable[EventId]) -> dict[EventId, Appended]:
        """Return where those of the events stand that are on the log."""
        found = [self.entries[self.places[each].index] for each in event_ids if each in self.places]
        return {
            entry.event_id: Appended(
                index=entry.index,
                leaf_hash=entry.leaf_hash.hex(),
                received_at=from_ms(received_at_ms),
                event_id=entry.event_id,
            )
            for entry, received_at_ms in found
        }

    async def lock(self, session: "Session") -> None:
        """Return when the session holds the head; first come, first served."""
        if self.holder is not None:
            turn = asyncio.get_running_loop().create_future()
            self.waiting.append((session, turn))
            try:
                async with asyncio.timeout(LOCK_TIMEOUT_SECONDS):
                    await turn
            except TimeoutError as error:
                raise asyncpg.LockNotAvailableError("canceling statement due to lock timeout") from error
        else:
            self.holder = session

    def unlock(self, session: "Session") -> None:
        """Give the head to the next who still waits for it."""
        if self.holder is not session:
            return
        self.holder = None
        while self.waiting and self.holder is None:
            waiter, turn = self.waiting.popleft()
            if not turn.done() and not waiter.is_ended:
                self.holder = waiter
                turn.set_result(None)

    def commit(self, session: "Session") -> None:
        """Apply a transaction; what a real database's constraints would refuse is an error of the test's subject."""
        if session.written is None:
            return
        entries, growth, received_at_ms = session.written
        assert self.holder is session, "somebody writes who does not hold the head"
        assert [entry.index for entry in entries] == list(range(self.head.size, growth.edge.size)), "a gap"
        assert not any(entry.event_id in self.places for entry in entries), "an event is appended twice"
        assert received_at_ms >= self.head.last_received_at_ms, "time goes back"
        self.entries += [(entry, received_at_ms) for entry in entries]
        self.places |= {entry.event_id: entry for entry in entries}
        self.tiles |= dict(growth.full_tiles)
        self.edge = growth.edge
        self.head = Head(
            size=TreeSize(growth.edge.size),
            root_hash=growth.root,
            last_leaf_hash=entries[-1].leaf_hash,
            last_received_at_ms=received_at_ms,
        )
        _copy(session.saved, self.book)
        for entry in entries:
            self.book.events[entry.event_id] = entry.index

    def damages(self) -> list[str]:
        """Return what is not as the entries' bytes say: an `fsck` of this database."""
        again = replay([entry.data for entry, _ in self.entries], self.origin)
        kinds = ("log", "issuers", "public_keys", "credentials", "recognitions", "statements", "groups", "events")
        found = [
            f"{kind} other than the entries give" for kind in kinds if getattr(again, kind) != getattr(self.book, kind)
        ]
        growth = grow(TileEdge(), [entry.leaf_hash for entry, _ in self.entries])
        root = Frontier().extend([entry.leaf_hash for entry, _ in self.entries]).root()
        if (growth.edge, dict(growth.full_tiles)) != (self.edge, self.tiles):
            found.append("edge or tiles are not those of the entries")
        if (self.head.size, self.head.root_hash) != (len(self.entries), root):
            found.append("the head is not that of the entries")
        return found


def _copy(source: Book, target: Book) -> None:
    """Write what changed in one book to another."""
    if source.is_log_changed:
        target.log = source.log
    for did in source.changed_issuers:
        target.issuers[did] = source.issuers[did]
    for key in source.changed_public_keys:
        target.public_keys[key] = source.public_keys[key]
    for credential in source.changed_credentials:
        target.credentials[credential] = source.credentials[credential]
    for recognition in source.changed_recognitions:
        target.recognitions[recognition] = source.recognitions[recognition]
    for name in source.changed_statements:
        if (statement := source.statements[name]) is not None:
            target.put_statement(statement)


class Session:
    """One transaction of one replica; the server may end it at any time."""

    def __init__(self, database: FakeDatabase, gate: Gate) -> None:
        self.database = database
        self.gate = gate
        self.is_ended = False
        self.written: tuple[Sequence[NewEntry], Growth, int] | None = None
        self.saved: Book = Book()
        self._book, self._decided_count = Book(), 0

    def end(self) -> None:
        """Roll back and let the head go."""
        self.is_ended = True
        self.database.unlock(self)

    async def step(self, place: str) -> None:
        """Pass the gate, and then the server's own look at the session, which must not be silent for much work."""
        before, self._decided_count = self._decided_count, len(self._book.changed_events)
        assert self._decided_count - before <= DECIDED_AT_ONCE, "the server hears too little of who decides so much"
        await self.gate.at(place)
        if self.is_ended:
            raise SessionLostError("terminating connection due to idle-in-transaction timeout")

    async def locked_head(self) -> tuple[Head, int]:
        """Lock the head."""
        await self.step("lock: before")
        await self.database.lock(self)
        await self.step("lock: after")
        return self.database.head, self.database.clock_ms

    async def clock_ms(self) -> int:
        """Read the server's clock."""
        await self.step("clock")
        return self.database.clock_ms

    async def tail(self) -> Tail:
        """Return edge and last entry."""
        await self.step("tail")
        last, _ = self.database.entries[-1]
        return Tail(edge=self.database.edge, entry=StoredEntry(last.index, last.leaf_hash, last.data))

    async def load_all(self, book: Book, batch: Sequence[Opened]) -> None:
        """Load in rounds, as `services.persistence.postgres_states` does."""
        self._book = book
        if book.log is None:
            await self.step("load: log")
            book.log = self.database.book.log
        for number in range(ROUNDS_MAX + 1):
            missing = needs(book, batch)
            if missing.is_empty:
                return
            await self.step(f"load: round {number}")
            _load(self.database.book, book, missing)

    async def places(self, event_ids: Iterable[EventId]) -> dict[EventId, Appended]:
        """Return where events stand."""
        wanted = list(event_ids)
        if wanted:
            await self.step("places")
        return self.database.appended(wanted)

    async def append(self, entries: Sequence[NewEntry], growth: Growth, received_at_ms: int) -> None:
        """Keep what is to be committed."""
        await self.step("append: entries")
        await self.step("append: head")
        self.written = (list(entries), growth, received_at_ms)

    async def save(self, book: Book) -> None:
        """Keep the states that are to be committed."""
        await self.step("save")
        self.saved.is_log_changed, self.saved.log = book.is_log_changed, book.log
        for name in ("issuers", "public_keys", "credentials", "recognitions", "statements"):
            changed = getattr(book, f"changed_{name}")
            setattr(self.saved, f"changed_{name}", set(changed))
            getattr(self.saved, name).update({key: getattr(book, name)[key] for key in changed})


def _load(source: Book, book: Book, wanted: Needs) -> None:
    """Copy what is wanted; an issuer brings all that may succeed it."""
    issuers: set[Did] = set()
    rest = set(wanted.issuers)
    while rest:
        did = rest.pop()
        issuers.add(did)
        found = source.issuer(did)
        rest |= {each.successor for each in (found.standings if found else ()) if each.successor} - issuers
    for did in issuers:
        book.issuers.setdefault(did, source.issuer(did))
    for event_id in wanted.events:
        book.events[event_id] = source.index_of(event_id)
    for key in wanted.public_keys:
        book.public_keys[key] = source.key_id_of(key)
    for credential_id in wanted.credentials:
        book.credentials[credential_id] = source.credential(credential_id)
    for name in wanted.statements:
        book.statements[name] = source.statement(name)
    for group in wanted.groups:
        book.groups[group] = source.statements_in(group) or None
    for prefix in wanted.prefixes:
        book.overlapping[prefix] = source.overlapping_with(prefix)
    postgres_states.mark_absent(book, wanted)


class ReplicaStorage:
    """The database as one replica sees it, through its gate."""

    def __init__(self, database: FakeDatabase, gate: Gate) -> None:
        self.database = database
        self.gate = gate
        self.sessions: set[Session] = set()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Run the block in one transaction."""
        await self.gate.at("begin")
        session = Session(self.database, self.gate)
        self.sessions.add(session)
        try:
            yield session
            await self._commit(session)
        finally:
            session.end()
            self.sessions.discard(session)

    async def _commit(self, session: Session) -> None:
        """Commit: an error before it leaves nothing, known only if the server says so; after it nothing is known."""
        try:
            await session.step("commit: before")
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError) as error:
            raise CommitUnknownError("COMMIT was not answered") from error
        self.database.commit(session)
        session.end()
        try:
            await self.gate.at("commit: after")
        except DATABASE_ERRORS as error:
            raise CommitUnknownError("COMMIT was not answered") from error

    def end_sessions(self) -> None:
        """Do what the server does when the process is gone, or has been silent for too long."""
        for session in tuple(self.sessions):
            session.end()

    async def places(self, event_ids: Iterable[EventId]) -> dict[EventId, Appended]:
        """Return where events stand, without a lock."""
        await self.gate.at("intake: places")
        return self.database.appended(event_ids)

    async def load_issuers(self, book: Book, owners: set[Did]) -> None:
        """Load issuers, without a lock."""
        await self.gate.at("intake: keys")
        _load(self.database.book, book, Needs(issuers=owners))
