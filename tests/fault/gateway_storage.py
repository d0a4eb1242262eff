"""A gateway's database in memory: outbox and answers, committed whole or not at all, with the locks of the real one.

Speaks the interfaces of `services.issuer_gateway.unit_of_work.storage` and `services.issuer_gateway.log.relay_storage`,
so the real unit of work, idempotency, log writer and relay run on it. What happens at an await is asked of a `Gate`.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol, cast

import asyncpg
import msgspec

from proto.audit_trail import AuditRecord
from proto.ids import CredentialId, EventId, InstitutionId
from proto.wire.ledger import Appended
from services.issuer_gateway.log.arrivals import Arrival
from services.issuer_gateway.log.relay_storage import Answers, Postponed
from services.issuer_gateway.store.idempotency_records import Answered
from services.issuer_gateway.store.outbox import NewOutboxRow, OutboxRow, Pending
from services.persistence.postgres import Connection
from services.persistence.postgres_errors import DATABASE_ERRORS, CommitUnknownError

LOCK_TIMEOUT_SECONDS = 5.0
SILENT_SECONDS = 10.0
"""A session that is silent in its transaction for so long is ended by the server."""
_ISSUES = ("credential-issued.v1",)
Key = tuple[InstitutionId, bytes]


class Gate(Protocol):
    """Where one process waits for its database: it may be held up here, killed, or told of an error."""

    async def at(self, place: str) -> None:
        """Return when the process may go on; raises what the driver would raise."""
        ...


class Row(msgspec.Struct):
    """One row of the outbox."""

    new: NewOutboxRow
    number: int
    place: OutboxRow
    next_attempt_at: float = 0.0
    attempt_count: int = 0


class Session:
    """One transaction; what it has written is seen by nobody else before it is committed."""

    def __init__(self) -> None:
        self.rows: list[NewOutboxRow] = []
        self.answers: dict[Key, Answered] = {}
        self.effects: list[Callable[[], None]] = []
        """What else it has written: done at its COMMIT."""
        self.locks: set[object] = set()
        self.is_ended = False
        self.is_kept_alive = False
        self._heard_at = asyncio.get_running_loop().time()

    def hear(self) -> None:
        """Take a statement, unless the server has ended the session for its silence."""
        now = asyncio.get_running_loop().time()
        if now - self._heard_at > SILENT_SECONDS and not self.is_kept_alive:
            raise asyncpg.IdleInTransactionSessionTimeoutError("terminating connection due to idle-in-transaction")
        self._heard_at = now


class FakeDatabase:
    """What is committed, and who holds which lock."""

    def __init__(self) -> None:
        self.outbox: dict[EventId, Row] = {}
        self.answers: dict[Key, Answered] = {}
        self.trail: list[AuditRecord] = []
        self.unconfirmed: set[EventId] = set()
        """What is committed, and could still be lost by a failover: its COMMIT was not answered."""
        self.holders: dict[object, Session] = {}
        self._freed = asyncio.Event()

    async def lock(self, session: Session, name: object) -> None:
        """Return when the session holds the lock; raises what the server raises where that takes too long."""
        try:
            async with asyncio.timeout(LOCK_TIMEOUT_SECONDS):
                while self.holders.get(name, session) is not session:
                    await self._freed.wait()
        except TimeoutError as error:
            raise asyncpg.LockNotAvailableError("canceling statement due to lock timeout") from error
        if not session.is_ended:
            self.holders[name] = session
            session.locks.add(name)

    def end(self, session: Session) -> None:
        """Let everything go that the session holds; what was not committed is gone."""
        session.is_ended = True
        for name in session.locks:
            del self.holders[name]
        session.locks.clear()
        self._freed.set()
        self._freed = asyncio.Event()

    def commit(self, session: Session) -> None:
        """Keep what the session has written."""
        assert not self.answers.keys() & session.answers.keys(), "the unique key of answers"
        self.answers |= session.answers
        self.unconfirmed |= {new.opened.event_id for new in session.rows}
        for new in session.rows:
            event_id = new.opened.event_id
            assert event_id not in self.outbox, "the unique key of the outbox"
            place = OutboxRow(
                event_id=event_id,
                institution_id=new.institution_id,
                streams=new.streams,
                event_type=str(new.opened.event.__struct_config__.tag),
                state="pending",
                index=None,
                leaf_hash=None,
                received_at=None,
                problem=None,
            )
            self.outbox[event_id] = Row(new=new, number=len(self.outbox), place=place)
        for effect in session.effects:
            effect()


class FakeStorage:
    """The database as one process sees it, through its gate."""

    def __init__(self, database: FakeDatabase, gate: Gate) -> None:
        self._database = database
        self._gate = gate
        self._sessions: set[Session] = set()

    def end_sessions(self) -> None:
        """Do what the server does when the process is gone."""
        for session in tuple(self._sessions):
            self._database.end(session)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Run the block in one transaction."""
        await self._gate.at("begin")
        session = Session()
        self._sessions.add(session)
        try:
            yield cast(Connection, session)
            await self._commit(session)
        finally:
            self._database.end(session)
            self._sessions.discard(session)

    async def _commit(self, session: Session) -> None:
        """Commit: an error before it leaves nothing behind, one after it everything, and nobody can tell which."""
        try:
            await self._gate.at("commit: before")
            self._database.commit(session)
            self._database.end(session)
            await self._confirmed("commit: after")
        except DATABASE_ERRORS as error:
            raise CommitUnknownError("COMMIT was not answered") from error

    async def confirm(self) -> None:
        """Confirm what was read before."""
        await self._confirmed("confirm")

    async def _confirmed(self, place: str) -> None:
        """Pass an await behind which everything that was committed before it stays, whatever fails."""
        before = frozenset(self._database.unconfirmed)
        await self._gate.at(place)
        self._database.unconfirmed -= before

    async def lock_streams(self, connection: Connection, streams: Sequence[CredentialId]) -> None:
        """Lock in one order."""
        await self._gate.at("lock")
        for stream in sorted(set(streams)):
            await self._database.lock(session_of(connection), stream)

    async def enqueue(self, connection: Connection, rows: Sequence[NewOutboxRow]) -> None:
        """Write events."""
        await self._gate.at("enqueue")
        session_of(connection).rows += rows

    async def add_audit_records(self, connection: Connection, records: Sequence[AuditRecord]) -> None:
        """Record whose request it is."""
        await self._gate.at("audit record")
        session_of(connection).effects.append(functools.partial(self._database.trail.extend, records))

    async def outbox_row(self, event_id: EventId) -> OutboxRow | None:
        """Read what is committed."""
        await self._gate.at("outbox row")
        row = self._database.outbox.get(event_id)
        return row.place if row else None

    async def find_answer(
        self, connection: Connection | None, institution_id: InstitutionId, key_fingerprint: bytes
    ) -> Answered | None:
        """Read what is committed, and what the transaction has written itself."""
        await self._gate.at("find answer")
        own = session_of(connection).answers if connection is not None else {}
        key = institution_id, key_fingerprint
        return own.get(key) or self._database.answers.get(key)

    async def add_answer(self, connection: Connection, institution_id: InstitutionId, answered: Answered) -> None:
        """Write an answer; whoever writes the same key at the same time is waited for."""
        await self._gate.at("add answer")
        key = institution_id, answered.key_fingerprint
        await self._database.lock(session_of(connection), key)
        if key in self._database.answers:
            raise asyncpg.UniqueViolationError("duplicate key value violates unique constraint")
        session_of(connection).answers[key] = answered

    async def keep_answers(self, given: Sequence[tuple[InstitutionId, Answered]]) -> None:
        """Seal answers that are not sealed yet, in a statement of its own."""
        await self._gate.at("keep: before")
        for institution_id, answered in given:
            key = institution_id, answered.key_fingerprint
            if self._database.answers[key].sealed_answer is None:
                self._database.answers[key] = msgspec.structs.replace(
                    self._database.answers[key], status=answered.status, sealed_answer=answered.sealed_answer
                )
        await self._gate.at("keep: after")

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[Connection | None]:
        """Give a session as the one relay."""
        await self._gate.at("turn")
        if "relay" in self._database.holders:
            yield None
            return
        session = Session()
        self._sessions.add(session)
        await self._database.lock(session, "relay")
        try:
            yield cast(Connection, session)
        finally:
            self._database.end(session)
            self._sessions.discard(session)

    async def due(self, connection: Connection, *, limit: int) -> list[Pending]:
        """Return of each stream the first that waits, if its pause is over; it is confirmed before."""
        await self._confirmed("due")
        assert not session_of(connection).is_ended, "nobody else sends meanwhile"
        first: dict[CredentialId, Row] = {}
        for row in self._database.outbox.values():
            if row.place.state == "pending":
                first.setdefault(row.new.streams[0], row)
        now = asyncio.get_running_loop().time()
        found = [row for row in first.values() if row.next_attempt_at <= now]
        return [
            Pending(
                outbox_id=row.number,
                event_id=row.place.event_id,
                institution_id=row.new.institution_id,
                streams=row.new.streams,
                event_type=row.place.event_type,
                envelope=row.new.opened.envelope,
                attempt_count=row.attempt_count,
            )
            for row in found[:limit]
        ]

    async def keep(self, waiting: Sequence[Pending], answers: Answers) -> dict[EventId, Arrival]:
        """Note answers in one transaction; what waits behind an issue that was refused is refused with it."""
        assert len(waiting) == len(answers.taken) + len(answers.refused) + len(answers.later), "each has an answer"
        arrived = {place.event_id: Arrival(appended=place) for place in answers.taken}
        async with self.transaction() as connection:
            await self._gate.at("keep answers of the ledger")
            effects = session_of(connection).effects
            effects += [functools.partial(self._take, place) for place in answers.taken]
            for refused in answers.refused:
                followers = self._followers(refused.item) if refused.item.event_type in _ISSUES else []
                for event_id in (refused.item.event_id, *followers):
                    effects.append(functools.partial(self._refuse, event_id, refused.problem))
                    arrived[event_id] = Arrival(problem=refused.problem)
            now = asyncio.get_running_loop().time()
            effects += [functools.partial(self._postpone, each, now) for each in answers.later]
        return arrived

    def _followers(self, issue: Pending) -> list[EventId]:
        return [
            event_id
            for event_id, row in self._database.outbox.items()
            if row.new.streams == issue.streams and row.place.state == "pending" and event_id != issue.event_id
        ]

    def _take(self, place: Appended) -> None:
        row = self._database.outbox[place.event_id]
        if row.place.state == "pending":
            row.place = msgspec.structs.replace(
                row.place,
                state="sequenced",
                index=place.index,
                leaf_hash=place.leaf_hash,
                received_at=place.received_at,
            )

    def _refuse(self, event_id: EventId, problem: dict[str, Any]) -> None:
        row = self._database.outbox[event_id]
        if row.place.state == "pending":
            row.place = msgspec.structs.replace(row.place, state="refused", problem=problem)

    def _postpone(self, each: Postponed, now: float) -> None:
        row = self._database.outbox[each.item.event_id]
        row.attempt_count += 1
        row.next_attempt_at = now + each.pause_seconds

    async def forget_secrets(self, *, hours: int) -> None:
        """Nothing here is old."""
        assert hours > 0, "a bound"
        await self._gate.at("forget secrets")


def session_of(connection: Connection | None) -> Session:
    """Return the transaction that a connection stands for here; raises where it has been silent for too long."""
    session = cast(Session, connection)
    session.hear()
    return session
