"""The gateway's side of following the log: states, published outbox rows and position move in one transaction.

Several gateways may follow into one database: whoever comes second finds that the position has moved since, drops what
was decided, and goes on from there. Positions only grow, so one that is the same as before says that nothing moved.
"""

from collections.abc import Sequence

from proto import events
from proto.envelope import Opened
from proto.ids import EventId
from proto.lifecycle import Book
from proto.problem import Problem
from proto.wire.ledger import Appended
from services.edge import Log
from services.follow import Applied, LogEvidence, Observer, Position, SinkMovedProblem
from services.issuer_gateway.keys.signing_keys import SigningKeys
from services.issuer_gateway.log.arrivals import Arrival, Arrivals
from services.issuer_gateway.log.own_elsewhere import take_in
from services.issuer_gateway.metrics import FollowingMetrics
from services.issuer_gateway.status_lists import changed
from services.issuer_gateway.store import followed_log, outbox
from services.issuer_gateway.waiting.signals import Signal
from services.persistence import postgres_states
from services.persistence.postgres import Connection, Pool, transaction


class Projector:
    """The follower's sink (`services.follow.Sink`); `advanced` fires after every transaction."""

    def __init__(self, pool: Pool, *, signing_keys: SigningKeys, arrivals: Arrivals, advanced: Signal) -> None:
        self._pool = pool
        self._signing_keys = signing_keys
        self._arrivals = arrivals
        self._advanced = advanced
        self.rules_version = 1
        """The version of the rules that judges the log's next entry, as far as it is followed."""
        self.latest: Position | None = None
        """What is known to be stored; the follower's own position is uncertain while a transaction runs."""
        self._begun_at: bytes | None = None
        """The position from which the follower goes on, as it lay there."""

    async def position(self) -> Position | None:
        """Return the position stored last, which may be another gateway's: whoever waits for more looks again."""
        self._begun_at = await followed_log.stored_position(self._pool)
        self.latest = followed_log.position_of(self._begun_at) if self._begun_at else None
        self.rules_version = await followed_log.rules_version(self._pool)
        self._signing_keys.forget()
        self._advanced.fire()
        return self.latest

    async def load(self, book: Book, batch: Sequence[Opened]) -> None:
        """Load what deciding the batch reads; raises `SinkMovedProblem` where some of it may be of a later time."""
        async with transaction(self._pool) as connection:
            await postgres_states.load_all(connection, book, batch)
            await self._refuse_moved(connection)

    async def _refuse_moved(self, connection: Connection) -> None:
        if await followed_log.stored_position(connection) != self._begun_at:
            raise SinkMovedProblem("Another gateway on this database has followed the log further")

    async def begins_with(self, event_ids: Sequence[EventId]) -> bool:
        """Tell whether one of these events is entry 0."""
        return await followed_log.first_of(self._pool, event_ids) == 0

    async def apply(self, book: Book, applied: Sequence[Applied], position: Position) -> None:
        """Store states, set status bits, close the outbox rows of what was seen, move the position: all or nothing.

        Raises `SinkMovedProblem` where another gateway was first.
        """
        async with transaction(self._pool) as connection:
            await followed_log.keep_others_out(connection)
            await self._refuse_moved(connection)
            await postgres_states.save(connection, book)
            for item in applied:
                event = item.opened.event
                if isinstance(event, events.CredentialStacked | events.CredentialStackedV2):
                    stack_id = item.opened.credential_ids[0]
                    await followed_log.add_parts(connection, stack_id, event.issuer, event.components)
            own = await _close_rows(connection, applied) if applied else []
            if applied:
                await take_in(connection, applied, own=own)
                await changed(connection, book, applied, at=applied[-1].stamp.received_at)
            begun_at = await followed_log.keep_position(connection, position)
            rules_version = await followed_log.rules_version(connection)
        # If we crash above, nothing happened; below, everything has, and whoever waited asks again.
        if book.changed_issuers:
            self._signing_keys.forget()
        book.forget_changes()
        self._begun_at = begun_at
        self.latest, self.rules_version = position, rules_version
        places = {item.opened.event_id: item for item in applied}
        for event_id in own:
            self._arrivals.arrived(event_id, Arrival(appended=_place(places[event_id]), is_published=True))
        self._advanced.fire()

    async def hand_over(self, position: Position) -> None:
        """Keep all states and go on with the log that continues this one, in one transaction.

        What waits in the outbox was signed for the log that ended, and took nothing more: the next one refuses it for
        good, and the institution is told so as of any refusal.
        """
        assert position.inherited is not None, "a log that is handed over to names the one before"
        async with transaction(self._pool) as connection:
            await followed_log.keep_others_out(connection)
            await self._refuse_moved(connection)
            begun_at = await followed_log.hand_over(connection, position, ended=position.inherited.origin)
            rules_version = await followed_log.rules_version(connection)
        self._begun_at = begun_at
        self.latest, self.rules_version = position, rules_version
        self._signing_keys.forget()
        self._advanced.fire()


async def _close_rows(connection: Connection, applied: Sequence[Applied]) -> list[EventId]:
    event_ids = [item.opened.event_id for item in applied]
    await outbox.lock_rows(connection, event_ids)
    return await outbox.mark_published(
        connection,
        event_ids,
        [item.index for item in applied],
        [item.leaf_hash for item in applied],
        [item.stamp.received_at for item in applied],
    )


def _place(item: Applied) -> Appended:
    return Appended(
        index=item.index,
        leaf_hash=item.leaf_hash.hex(),
        received_at=item.stamp.received_at,
        event_id=item.opened.event_id,
    )


class FollowObserver(Observer):
    """Turns what the follower does into metrics and log lines, and keeps what was found against the log."""

    def __init__(self, pool: Pool, log: Log, metrics: FollowingMetrics) -> None:
        self._pool = pool
        self._log = log
        self._metrics = metrics
        self._last_trouble = ""

    def advanced(self, position: Position, entry_count: int, seconds: float) -> None:
        """Note how far the projection has come."""
        self._last_trouble = ""
        self._metrics.size.set(position.size)
        self._log.event("followed", size=position.size, entries=entry_count, seconds=round(seconds, 3))

    def troubled(self, problem: Problem) -> None:
        """Note why a step failed, once per reason."""
        if problem.detail != self._last_trouble:
            self._log.warning("follow_failed", problem=problem.slug, detail=problem.detail)
        self._last_trouble = problem.detail

    async def faulted(self, evidence: LogEvidence) -> None:
        """Note that the log is faulty, with what shows it."""
        self._metrics.faults.labels(evidence.kind).inc()
        self._log.failure("log_faulty", None, **evidence.log_values())

    async def convicted(self, evidence: LogEvidence) -> None:
        """Keep conclusive evidence over restarts; raises what the database raises."""
        await followed_log.keep_fault(self._pool, evidence)

    async def unproven(self, notes: tuple[bytes, ...]) -> None:
        """Keep the checkpoints that the log signed and could not show to be of one history, over restarts."""
        await followed_log.keep_suspects(self._pool, notes)
