"""Events of an institution that a condemned key made void, said again under the key of now (DESIGN 3.7).

Only what this gateway said for the institution: what a thief said past it is in no outbox. What is true if we crash
here: the new event, which credentials and rows have it, and that it is said again are one transaction.
"""

from collections.abc import Collection
from typing import NamedTuple

import msgspec

from proto import events
from proto.envelope import Opened, open_envelope
from proto.ids import CredentialId, EventId
from proto.lifecycle import Book, Stamp, effective, is_void
from proto.lifecycle.refusals import CredentialsRefusal
from proto.moment import Moment
from proto.number_words import number_of
from proto.problem import ConflictProblem
from proto.wire.gateway import EventAnswer
from proto.wire.said_again import LeftOut, MissingPart, SaidAgain
from services.edge import ForbiddenProblem
from services.issuer_gateway.credentials.change_credential import own_event
from services.issuer_gateway.domain.issuing import COMMITMENTS_FROM
from services.issuer_gateway.domain.log_refusals import refusal_of
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.domain.void_events import (
    is_named_by_version_1,
    named_events,
    parts_in,
    said_anew,
    scope_of,
)
from services.issuer_gateway.store import batches, credentials, said_again
from services.issuer_gateway.store.outbox import OutboxRow
from services.issuer_gateway.unit_of_work.decision_book import book_for, check_admissible
from services.issuer_gateway.unit_of_work.idempotency import Idempotency
from services.issuer_gateway.unit_of_work.log_writer import LogWriter, OutboxEvent
from services.persistence import postgres_states
from services.persistence.postgres import Connection, Pool, transaction


class EventHoldsProblem(ConflictProblem):
    """The event is not void by what the log says, as far as it is followed: there is nothing to say again."""

    slug = "event-holds"
    title = "The event is not void"


class PartsMissingProblem(ConflictProblem):
    """Parts of a void stack do not hold now; `parts` names every one, with its state, None where the log has it not."""

    slug = "parts-missing"
    title = "Parts of the stack do not hold now"


class IdOfVersion1Problem(ConflictProblem):
    """A credential of rules version 1 cannot be issued under its id again: the rules of now compute every id."""

    slug = "id-of-version-1"
    title = "The id is one of rules version 1"


class _SaidBeforeError(Exception):
    """Inside a transaction: the event turned out to be said again already."""

    def __init__(self, again: EventId) -> None:
        super().__init__(again)
        self.again = again


class _Decided(NamedTuple):
    said: OutboxEvent
    left_out: tuple[LeftOut, ...]


class SayAgain:
    """Says void events of institutions again, each once."""

    def __init__(self, pool: Pool, writer: LogWriter, idempotency: Idempotency) -> None:
        self._pool = pool
        self._writer = writer
        self._idempotency = idempotency

    async def say_again(
        self, tenant: Tenant, event_id: EventId, *, scopes: Collection[str], is_dry: bool = False
    ) -> SaidAgain:
        """Say an event again, of those of its credentials of which the rules admit it; return what came of it.

        Raises `UnknownEventProblem` for what was not said here, `EventHoldsProblem`, `ForbiddenProblem` where `scopes`
        lack what it needed the first time, `PartsMissingProblem`, `IdOfVersion1Problem`, and the rules' refusals where
        they admit nothing of it.
        """
        self._writer.check_followed()
        row = await own_event(self._pool, tenant, event_id)
        opened = open_envelope(await said_again.envelope(self._pool, event_id))
        if (needed := scope_of(row.event_type)) not in scopes:
            raise ForbiddenProblem(f"To say this again needs the scope {needed}")
        if is_dry:
            async with transaction(self._pool) as connection:
                known = (await said_again.again(connection, [event_id])).get(event_id)
                if known is None:
                    return _answer(row, await self._decide(connection, tenant, row, opened))
            return await self._before(row, known)
        decided: _Decided | None = None

        async def work(connection: Connection) -> OutboxEvent:
            nonlocal decided
            if known := (await said_again.again(connection, [event_id])).get(event_id):
                raise _SaidBeforeError(known)
            decided = await self._decide(connection, tenant, row, opened)
            await self._say(connection, tenant, row, decided.said)
            return decided.said

        try:
            answer = await self._idempotency.append_once(None, work, locks=[*row.streams, *parts_in(opened.event)])
        except _SaidBeforeError as before:
            return await self._before(row, before.again)
        assert decided is not None, "the work has decided"
        return _answer(row, decided, answer)

    async def _before(self, row: OutboxRow, again: EventId) -> SaidAgain:
        """Return what is answered of an event that was said again before."""
        answer = await self._writer.read_state(again)
        about = answer.credential_ids or ((answer.credential_id,) if answer.credential_id else ())
        return SaidAgain(event_id=row.event_id, event_type=row.event_type, credential_ids=about, again=answer)

    async def _decide(self, connection: Connection, tenant: Tenant, row: OutboxRow, opened: Opened) -> _Decided:
        """Return the event of now, without those of whom the rules refuse it; raises where that leaves nobody."""
        now = self._writer.now()
        book = await book_for(connection, [opened], also=row.streams, now=now)
        _check_void(book, row, opened)
        self._check_id(opened)
        _check_parts(book, opened, now)
        renamed = await said_again.again(connection, list(named_events(opened.event).values()))
        left_out: dict[CredentialId, LeftOut] = {}
        while True:
            common = self._writer.common_fields(tenant, now=now)
            event = said_anew(
                opened, common, without=left_out.keys(), renamed=renamed, rules_version=self._writer.rules_version
            )
            signed = await self._writer.sign(tenant, event)
            await postgres_states.load_all(connection, book, [signed])
            try:
                check_admissible(book, signed, now=max(now, signed.event.at))
            except CredentialsRefusal as refusal:
                named = [each["credential_id"] for each in refusal.members["refused"]]
                left_out |= {each: _left_out(refusal, each) for each in named}
                if not refusal.is_final or left_out.keys() >= set(opened.credential_ids):
                    raise
                continue
            return _Decided(OutboxEvent(opened=signed, stream=row.streams[0]), tuple(left_out.values()))

    def _check_id(self, opened: Opened) -> None:
        """Raise `IdOfVersion1Problem` where the rules in force do not let a speaker choose the credential's id."""
        if is_named_by_version_1(opened.event) and self._writer.rules_version >= COMMITMENTS_FROM:
            raise IdOfVersion1Problem(
                "The credential was issued by rules version 1, and since version 2 an id follows from what is issued: "
                "nothing can be issued under this one any more. Award it anew (credentify batch), and give the learner "
                "the new credential in place of the void one"
            )

    async def _say(self, connection: Connection, tenant: Tenant, row: OutboxRow, said: OutboxEvent) -> None:
        """(1) Into the outbox; (2) its credentials, or the rows that changed them, have it; (3) it is noted."""
        await self._writer.enqueue(connection, tenant, [said])  # (1)
        give = credentials.give_event if row.event_type in events.ISSUE_TYPES else batches.give_event
        await give(connection, said.streams, before=row.event_id, now=said.opened.event_id)  # (2)
        await said_again.add(connection, row.event_id, said.opened.event_id)  # (3)


def _check_void(book: Book, row: OutboxRow, opened: Opened) -> None:
    """Raise `EventHoldsProblem` unless the event is on the log, and void there."""
    if row.state != "published" or row.index is None or row.received_at is None:
        raise EventHoldsProblem("The event is not on the log: it was refused, or is on its way. Ask where it stands")
    stamp = Stamp(index=row.index, event_id=row.event_id, key_id=opened.key_id, received_at=row.received_at)
    if not is_void(book, stamp):
        raise EventHoldsProblem(
            "Its key is not condemned since then, as far as the log is followed here, so it holds as it stands. Right "
            "after a condemnation, ask again in a few seconds"
        )


def _check_parts(book: Book, opened: Opened, now: Moment) -> None:
    """Raise `PartsMissingProblem` unless all parts of a stack hold now: the rules would name the first one alone."""
    parts = parts_in(opened.event)
    missing: list[MissingPart] = []
    for part in parts:
        credential = book.credential(part)
        found = effective(book, credential, at=now) if credential else None
        if found is None or found.state != "active":
            missing.append(MissingPart(credential_id=part, state=found.state if found else None))
    if missing:
        raise PartsMissingProblem(
            f"Of the stack's {number_of(len(parts), 'part')} {len(missing)} do not hold now. Say void ones again first "
            "and this afterwards; where a part is gone for good, stack what is left anew",
            members={"parts": msgspec.to_builtins(missing)},
        )


def _left_out(refusal: CredentialsRefusal, credential_id: CredentialId) -> LeftOut:
    said = refusal_of(refusal.document(), credential_id)
    return LeftOut(credential_id=credential_id, code=str(said["code"]), detail=str(said["detail"]))


def _answer(row: OutboxRow, decided: _Decided, again: EventAnswer | None = None) -> SaidAgain:
    return SaidAgain(
        event_id=row.event_id,
        event_type=row.event_type,
        credential_ids=decided.said.opened.credential_ids,
        left_out=decided.left_out,
        again=again,
    )
