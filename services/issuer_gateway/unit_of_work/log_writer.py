"""Writes to the log: signs, decides by the own projection, puts into the outbox, waits a little for the log.

What is true if we crash here: before the COMMIT of the caller's transaction nothing was said; after it the relay sends
what is in the outbox, byte for byte the same, whether anybody waits for it or not.
"""

from collections.abc import Sequence

import msgspec
import uuid_utils

from proto import events
from proto.envelope import Opened, seal_opened
from proto.ids import CredentialId, EventId
from proto.lifecycle import Book
from proto.lifecycle.refusals import UnknownIssuerRefusal
from proto.moment import Moment
from proto.sentence import sentence
from proto.wire.gateway import EventAnswer
from services.issuer_gateway.domain.awarding import Common
from services.issuer_gateway.domain.statements import credential_of
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.signing_keys import SigningKeys
from services.issuer_gateway.log.arrivals import Arrivals, Expected
from services.issuer_gateway.log.log_state import FollowedLogState
from services.issuer_gateway.log.relay import Relay
from services.issuer_gateway.metrics import OutboxMetrics
from services.issuer_gateway.store import followed_log, outbox
from services.issuer_gateway.store.outbox import streams_of
from services.issuer_gateway.unit_of_work.decision_book import admit, not_opened
from services.issuer_gateway.unit_of_work.event_answer import location_of
from services.issuer_gateway.unit_of_work.storage import RequestStorage
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.persistence.postgres import Connection


class OutboxEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A signed event for the outbox, in the stream of each credential that it is about.

    `stream` is the one for whose sake it was said, or, of a withdrawal, that of what it takes back; what is about no
    credential is ordered by the group of statements that it belongs to.
    """

    opened: Opened
    stream: CredentialId

    @property
    def streams(self) -> tuple[CredentialId, ...]:
        """All of them."""
        return streams_of(self.opened, self.stream)

    @property
    def event_type(self) -> str:
        """The event's type, as the outbox names it."""
        return str(self.opened.event.__struct_config__.tag)


class LogWriter:
    """What institutions say on the log goes through here. A request waits at most `wait_seconds` for the log."""

    def __init__(
        self,
        storage: RequestStorage,
        unit_of_work: UnitOfWork,
        signing_keys: SigningKeys,
        *,
        log_state: FollowedLogState,
        relay: Relay,
        arrivals: Arrivals,
        metrics: OutboxMetrics,
        wait_seconds: float,
    ) -> None:
        self._storage = storage
        self._unit_of_work = unit_of_work
        self._signing_keys = signing_keys
        self._log_state = log_state
        self._relay = relay
        self._arrivals = arrivals
        self._metrics = metrics
        self._wait_seconds = wait_seconds

    def now(self) -> Moment:
        """Return the time, never before what the log said last."""
        return self._log_state.now()

    def check_followed(self) -> None:
        """Raise `LogNotFollowedProblem` where nothing is said to the log now."""
        self._log_state.check_followed()

    @property
    def rules_version(self) -> int:
        """The version of the rules by which the log judges what is said now, as far as it is followed."""
        return self._log_state.rules_version

    async def require_admitted(self, tenant: Tenant) -> None:
        """Raise `UnknownIssuerRefusal` where the log, as far as it is followed, does not know the institution.

        Waits first, as `in_transaction` does: an admission is followed a moment after the registrar has said it. For
        lists and files, each row of which would be refused, in the background for good.
        """

        async def work(connection: Connection) -> None:
            book = await followed_log.book_of_issuers(connection, {tenant.did})
            if book.log is None:
                raise not_opened()
            if book.issuer(tenant.did) is None:
                raise UnknownIssuerRefusal(
                    sentence(
                        "{institution} is not admitted to this log, as far as it is followed here, so nothing was "
                        "begun. Have the registrar admit it, and send the same again",
                        institution=tenant.did,
                    )
                )

        await self._unit_of_work.in_transaction(work)

    def common_fields(self, tenant: Tenant, *, now: Moment) -> Common:
        """Return what the institution's next event carries."""
        return Common(log=self._log_state.origin, issuer=tenant.did, at=now, nonce=str(uuid_utils.uuid7()))

    async def sign(self, tenant: Tenant, event: events.Event) -> Opened:
        """Return the event, signed with the institution's event key; raises `NoKeyProblem`."""
        signer = await self._signing_keys.signer(tenant, "event")
        return seal_opened(event, signer.key_id, signer.sign)

    async def append(
        self, connection: Connection, tenant: Tenant, said: Sequence[OutboxEvent], book: Book, *, now: Moment
    ) -> None:
        """Decide on events by the book, in order, and put them into the outbox; raises the first `Refusal`."""
        for item in said:
            admit(book, item.opened, now=now)
        await self.enqueue(connection, tenant, said)

    async def enqueue(self, connection: Connection, tenant: Tenant, said: Sequence[OutboxEvent]) -> None:
        """Put events that were decided on into the outbox."""
        rows = [
            outbox.NewOutboxRow(institution_id=tenant.institution_id, streams=item.streams, opened=item.opened)
            for item in said
        ]
        await self._storage.enqueue(connection, rows)
        self._relay.said(item.opened.event_id for item in said)
        for item in said:
            self._metrics.said.labels(item.event_type).inc()

    def expect(self, event_id: EventId) -> Expected:
        """Begin to wait for an event, before it is committed; to be ended with `forget`."""
        return self._arrivals.expect(event_id)

    def forget(self, expected: Expected | None) -> None:
        """End a wait, whatever came of it."""
        self._arrivals.forget(expected)

    def call_relay(self) -> None:
        """Have what is in the outbox sent now, and wait for nothing."""
        self._relay.call()

    async def await_arrival(
        self, expected: Expected, *, event_type: str, streams: Sequence[CredentialId]
    ) -> EventAnswer:
        """Call the relay, wait the configured time for the log to take the event, and return where it stands."""
        self._relay.said([expected.event_id])  # it may have been put there together with others', for the first of us
        return await self._arrival(expected, event_type=event_type, streams=streams)

    async def _arrival(self, expected: Expected, *, event_type: str, streams: Sequence[CredentialId]) -> EventAnswer:
        self._relay.call()
        arrival = await expected.within(self._wait_seconds)
        if arrival is not None and arrival.appended is not None:
            return EventAnswer(
                event_id=expected.event_id,
                event_type=event_type,
                state="published" if arrival.is_published else "sequenced",
                credential_id=credential_of(event_type, streams[0]) if len(streams) == 1 else None,
                credential_ids=tuple(streams) if len(streams) > 1 else (),
                index=arrival.appended.index,
                leaf_hash=arrival.appended.leaf_hash,
                received_at=arrival.appended.received_at,
                location=location_of(expected.event_id),
            )
        return (await self._row(expected.event_id)).answer(location_of(expected.event_id))

    async def read_state(self, event_id: EventId) -> EventAnswer:
        """Return where an event that was said earlier stands, after the configured time if it is on its way.

        Raises `NotConfirmedProblem` where nobody confirms that it is kept.
        """
        expected = self._arrivals.expect(event_id)
        try:
            row = await self._row(event_id)
            await self._storage.confirm()
            if row.state != "pending":
                return row.answer(location_of(event_id))
            return await self._arrival(expected, event_type=row.event_type, streams=row.streams)
        finally:
            self._arrivals.forget(expected)

    async def _row(self, event_id: EventId) -> outbox.OutboxRow:
        row = await self._storage.outbox_row(event_id)
        assert row is not None, "it was committed, and nothing leaves the outbox"
        return row
