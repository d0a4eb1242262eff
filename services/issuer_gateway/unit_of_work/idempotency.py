"""Requests that are carried out once: the same key and body get the same answer, another body is refused (DESIGN 4).

The record is written in the transaction that does the work. Of two parallel requests the second waits for the first
one's commit and then gets its answer; if the first fails, the second does the work. After a crash record and work are
both there or both are not.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec

from proto.ids import CredentialId, EventId, InstitutionId
from proto.problem import ConflictProblem
from proto.wire.gateway import EventAnswer
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.log.arrivals import Expected
from services.issuer_gateway.store import idempotency_records
from services.issuer_gateway.store.idempotency_records import Answered
from services.issuer_gateway.unit_of_work import audited_call
from services.issuer_gateway.unit_of_work.log_writer import LogWriter, OutboxEvent
from services.issuer_gateway.unit_of_work.storage import RequestStorage
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.issuer_gateway.waiting.coalescer import Coalescer
from services.persistence.postgres import Connection
from services.persistence.postgres_errors import TAKEN_ERRORS

Kind = TypeVar("Kind", bound=msgspec.Struct)
_ENCODE = msgspec.json.Encoder().encode
_DECODE_EVENT = msgspec.json.Decoder(EventAnswer).decode
_CREATED, _ACCEPTED, _REFUSED = 201, 202, 422


class OtherRequestProblem(ConflictProblem):
    """The Idempotency-Key was used for another request."""

    slug = "idempotency-conflict"
    title = "This Idempotency-Key belongs to another request"


class AnswerGoneProblem(ConflictProblem):
    """The request was answered, and its answer held a secret that is not kept any more."""

    slug = "answer-gone"
    title = "This was answered before, and the secret in the answer is not kept"


class KeyedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request with an Idempotency-Key, known by fingerprints that say nothing without the master key."""

    institution_id: InstitutionId
    key_fingerprint: bytes
    request_fingerprint: bytes

    @property
    def name(self) -> str:
        """What its answer is sealed for."""
        return f"{self.institution_id}\n{self.key_fingerprint.hex()}"


class _RepeatedError(Exception):
    """Inside a transaction: the request turned out to have been carried out already."""

    def __init__(self, found: Answered) -> None:
        self.found = found


class Idempotency:
    """Answers of requests with an Idempotency-Key, sealed under the master key."""

    def __init__(
        self, storage: RequestStorage, unit_of_work: UnitOfWork, writer: LogWriter, keystore: Keystore
    ) -> None:
        self._storage = storage
        self._unit_of_work = unit_of_work
        self._writer = writer
        self._keystore = keystore
        self._answers = Coalescer(self._keep_answers, count_max=LIMITS.coalesced_max)

    def keyed(self, institution_id: InstitutionId, key: str | None, *parts: bytes) -> KeyedRequest | None:
        """Return the request that `key` and `parts` (who asks, method, path, query, body) make; None without a key."""
        if key is None:
            return None
        return KeyedRequest(
            institution_id=institution_id,
            key_fingerprint=self._keystore.fingerprint(b"idempotency", institution_id.encode(), key.encode()),
            request_fingerprint=self._keystore.fingerprint(b"request", *parts),
        )

    async def _find(self, connection: Connection | None, keyed: KeyedRequest) -> Answered | None:
        found = await self._storage.find_answer(connection, keyed.institution_id, keyed.key_fingerprint)
        if found is not None and found.request_fingerprint != keyed.request_fingerprint:
            raise other_request()
        return found

    async def check_unused(self, keyed: KeyedRequest | None) -> None:
        """Raise `OtherRequestProblem` where the request's key belongs to another request."""
        if keyed is not None:
            await self._find(None, keyed)

    async def answered(self, keyed: KeyedRequest | None, kind: type[Kind]) -> Kind | None:
        """Return the answer that the request had before, which `run_once` keeps; None where it is new.

        Raises `OtherRequestProblem`, and `AnswerGoneProblem` where the answer is not kept any more.
        """
        found = await self._find(None, keyed) if keyed is not None else None
        if keyed is None or found is None:
            return None
        await self._storage.confirm()
        return self._opened(keyed, found, kind)

    async def run_once(
        self,
        keyed: KeyedRequest | None,
        kind: type[Kind],
        work: Callable[[Connection], Awaitable[Kind]],
        *,
        is_secret: bool = False,
    ) -> Kind:
        """Do `work`, which says nothing on the log, once; return its answer, or the one that it had the first time."""
        if keyed is None:
            return await self._unit_of_work.in_transaction(work)

        async def recorded(connection: Connection) -> Kind:
            found = await self._find(connection, keyed)
            if found is not None:
                return self._opened(keyed, found, kind)
            answer = await work(connection)
            sealed = self._keystore.seal(_ENCODE(answer), "answer", keyed.name)
            await self._storage.add_answer(
                connection, keyed.institution_id, _record(keyed, sealed_answer=sealed, is_secret=is_secret)
            )
            return answer

        try:
            return await self._unit_of_work.in_transaction(recorded)
        except TAKEN_ERRORS as error:
            return self._opened(keyed, await self._after_conflict(keyed, error), kind)

    def _opened(self, keyed: KeyedRequest, found: Answered, kind: type[Kind]) -> Kind:
        if found.sealed_answer is None:
            raise AnswerGoneProblem("Take a new Idempotency-Key, or make a new secret")
        return msgspec.json.decode(self._keystore.open(found.sealed_answer, "answer", keyed.name), type=kind)

    async def _after_conflict(self, keyed: KeyedRequest, error: Exception) -> Answered:
        """Return what a parallel request of the same key has answered; raises `error` where that was not why."""
        found = await self._find(None, keyed)
        if found is None:
            raise error
        await self._storage.confirm()
        return found

    async def append_once(
        self,
        keyed: KeyedRequest | None,
        work: Callable[[Connection], Awaitable[OutboxEvent]],
        *,
        locks: Sequence[CredentialId] = (),
    ) -> EventAnswer:
        """Do `work`, which puts one event into the outbox, once; wait a little for the log, return where it stands.

        `locks` are the credentials that nobody else may say anything about meanwhile. A repeated request gets the
        answer that was given, or, where that was "pending", how it stands now.
        """
        expected: Expected | None = None
        said: OutboxEvent | None = None

        async def recorded(connection: Connection) -> None:
            nonlocal expected, said
            # (1) After the locks nobody else is at it; (2) so a repeated request is found here; (3) work; (4) remember.
            if locks:
                await self._storage.lock_streams(connection, locks)
            if keyed is not None and (found := await self._find(connection, keyed)) is not None:
                raise _RepeatedError(found)
            said = await work(connection)
            audited_call.note(event_id=said.opened.event_id)
            if keyed is not None:
                record = _record(keyed, event_id=said.opened.event_id)
                await self._storage.add_answer(connection, keyed.institution_id, record)
            expected = self._writer.expect(said.opened.event_id)

        try:
            await self._unit_of_work.in_transaction(recorded)
            assert expected is not None, "the work said something"
            assert said is not None, "the work said something"
            return await self.await_and_keep(keyed, said, expected)
        except _RepeatedError as repeated:
            assert keyed is not None, "only a request with a key is repeated"
            return await self.replay_answer(keyed, repeated.found)
        except TAKEN_ERRORS as error:
            if keyed is None:
                raise
            return await self.replay_answer(keyed, await self._after_conflict(keyed, error))
        finally:
            self._writer.forget(expected)

    async def await_and_keep(self, keyed: KeyedRequest | None, said: OutboxEvent, expected: Expected) -> EventAnswer:
        """Wait a little for what was said and committed to come to the log; keep how it stands then, and return it."""
        answer = await self._writer.await_arrival(expected, event_type=said.event_type, streams=said.streams)
        await self._keep(keyed, answer)
        return answer

    async def replay_answer(self, keyed: KeyedRequest, found: Answered) -> EventAnswer:
        """Return the answer that was given, or how the event stands now if it was still on its way.

        A commit whose wait for a standby was cancelled is found here too, and a failover may lose it: so it is
        confirmed first.
        """
        await self._storage.confirm()
        if found.sealed_answer is not None:
            return _DECODE_EVENT(self._keystore.open(found.sealed_answer, "answer", keyed.name))
        assert found.event_id is not None, "an answer without a body is that of an event"
        answer = await self._writer.read_state(found.event_id)
        await self._keep(keyed, answer)
        return answer

    async def _keep(self, keyed: KeyedRequest | None, answer: EventAnswer) -> None:
        """Keep an answer that is not going to change much: what is still pending is asked for again."""
        if keyed is None or answer.state == "pending":
            return
        sealed = self._keystore.seal(_ENCODE(answer), "answer", keyed.name)
        kept = _record(keyed, status=status_code(answer), sealed_answer=sealed)
        await self._answers.submit((keyed.institution_id, kept))

    async def _keep_answers(self, given: Sequence[tuple[InstitutionId, Answered]]) -> Sequence[None]:
        await self._storage.keep_answers(given)
        return [None] * len(given)


def other_request() -> OtherRequestProblem:
    """Return the refusal of a key that was sent with another request."""
    return OtherRequestProblem(
        "The key was sent before, with another request or by another API key; take a new key for a new request"
    )


def _record(keyed: KeyedRequest, **fields: Any) -> Answered:
    return Answered(key_fingerprint=keyed.key_fingerprint, request_fingerprint=keyed.request_fingerprint, **fields)


async def find_answers(connection: Connection, requests: Sequence[KeyedRequest | None]) -> dict[bytes, Answered]:
    """Return what was answered under the keys of these requests of one institution, by fingerprint of the key."""
    given = [keyed for keyed in requests if keyed is not None]
    if not given:
        return {}
    return await idempotency_records.find_many(
        connection, given[0].institution_id, [keyed.key_fingerprint for keyed in given]
    )


async def remember_events(connection: Connection, said: Sequence[tuple[KeyedRequest, EventId]]) -> None:
    """Remember which requests said which events; raises one of `TAKEN_ERRORS` where a key was used."""
    for_each = [(keyed.institution_id, _record(keyed, event_id=event_id)) for keyed, event_id in said]
    await idempotency_records.add_many(connection, for_each)


def status_code(answer: EventAnswer) -> int:
    """Return the HTTP status under which an event's answer is kept."""
    return {"pending": _ACCEPTED, "refused": _REFUSED}.get(answer.state, _CREATED)
