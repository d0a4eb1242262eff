"""Requests that are carried out once: the same key and body get the same answer, another body is refused (DESIGN 4).

The record is written in the transaction that does the work. Of two parallel requests the second waits for the first
one's commit and then gets its answer; if the first fails, the second does the work.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import asyncpg
import msgspec

from proto.ids import CredentialId, EventId
from proto.problem import ConflictProblem
from proto.wire.gateway import EventAnswer
from services.issuer_gateway.coalescer import Coalescer
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.log.arrivals import Expected
from services.issuer_gateway.service import Gateway
from services.issuer_gateway.store import idempotency_records, outbox
from services.issuer_gateway.unit_of_work.log_writer import OutboxEvent, await_arrival, in_transaction, read_state
from services.persistence.postgres import Connection

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


class Once(msgspec.Struct, frozen=True, kw_only=True):
    """A request with an Idempotency-Key, known by fingerprints that say nothing without the master key."""

    institution_id: str
    key_fingerprint: bytes
    request_fingerprint: bytes

    @property
    def name(self) -> str:
        """What its answer is sealed for."""
        return f"{self.institution_id}\n{self.key_fingerprint.hex()}"


def once_of(gateway: Gateway, institution_id: str, key: str | None, *parts: bytes) -> Once | None:
    """Return the request that `key` and `parts` (who asks, method, path, query, body) make, or None without a key."""
    if key is None:
        return None
    return Once(
        institution_id=institution_id,
        key_fingerprint=gateway.keystore.fingerprint(b"idempotency", institution_id.encode(), key.encode()),
        request_fingerprint=gateway.keystore.fingerprint(b"request", *parts),
    )


async def _found(connection: Connection | asyncpg.Pool, once: Once) -> idempotency_records.Answered | None:
    found = await idempotency_records.find(connection, once.institution_id, once.key_fingerprint)
    if found is not None and found.request_fingerprint != once.request_fingerprint:
        raise other_request()
    return found


def other_request() -> OtherRequestProblem:
    """Return the refusal of a key that was sent with another request."""
    return OtherRequestProblem(
        "The key was sent before, with another request or by another API key; take a new key for a new request"
    )


async def check_unused(gateway: Gateway, once: Once | None) -> None:
    """Raise `OtherRequestProblem` where the request's key belongs to another request."""
    if once is not None:
        await _found(gateway.pool, once)


async def run_once(
    gateway: Gateway,
    once: Once | None,
    kind: type[Kind],
    work: Callable[[Connection], Awaitable[Kind]],
    *,
    is_secret: bool = False,
) -> Kind:
    """Do `work`, which says nothing on the log, once; return its answer, or the answer that it had the first time."""
    if once is None:
        return await in_transaction(gateway, work)

    async def recorded(connection: Connection) -> Kind:
        found = await _found(connection, once)
        if found is not None:
            return _kept(gateway, once, found, kind)
        answer = await work(connection)
        sealed = gateway.keystore.seal(_ENCODE(answer), "answer", once.name)
        await idempotency_records.add(
            connection, once.institution_id, _record(once, sealed_answer=sealed, is_secret=is_secret)
        )
        return answer

    try:
        return await in_transaction(gateway, recorded)
    except asyncpg.UniqueViolationError as error:
        return _kept(gateway, once, await _after_conflict(gateway, once, error), kind)


def _kept(gateway: Gateway, once: Once, found: idempotency_records.Answered, kind: type[Kind]) -> Kind:
    if found.sealed_answer is None:
        raise AnswerGoneProblem("Take a new Idempotency-Key, or make a new secret")
    return msgspec.json.decode(gateway.keystore.open(found.sealed_answer, "answer", once.name), type=kind)


def _record(once: Once, **fields: Any) -> idempotency_records.Answered:
    return idempotency_records.Answered(
        key_fingerprint=once.key_fingerprint, request_fingerprint=once.request_fingerprint, **fields
    )


async def _after_conflict(
    gateway: Gateway, once: Once, error: asyncpg.UniqueViolationError
) -> idempotency_records.Answered:
    """Return what a parallel request of the same key has answered; raises `error` where it was about something else."""
    found = await _found(gateway.pool, once)
    if found is None:
        raise error
    return found


class _RepeatedError(Exception):
    """Inside a transaction: the request turned out to have been carried out already."""

    def __init__(self, found: idempotency_records.Answered) -> None:
        self.found = found


async def append_once(
    gateway: Gateway,
    once: Once | None,
    work: Callable[[Connection], Awaitable[OutboxEvent]],
    *,
    locks: Sequence[CredentialId] = (),
) -> EventAnswer:
    """Do `work`, which puts one event into the outbox, once; wait a little for the log and return where it stands.

    `locks` are the credentials that nobody else may say anything about meanwhile. A repeated request gets the answer
    that was given, or, where that was "pending", how it stands now.
    """
    expected: Expected | None = None
    said: OutboxEvent | None = None

    async def recorded(connection: Connection) -> None:
        nonlocal expected, said
        # (1) After the locks nobody else is at it; (2) so a repeated request is found here; (3) work; (4) remember it.
        if locks:
            await outbox.lock_streams(connection, locks)
        if once is not None and (found := await _found(connection, once)) is not None:
            raise _RepeatedError(found)
        said = await work(connection)
        if once is not None:
            await idempotency_records.add(connection, once.institution_id, _record(once, event_id=said.opened.event_id))
        expected = gateway.arrivals.expect(said.opened.event_id)

    try:
        await in_transaction(gateway, recorded)
        assert expected is not None, "the work said something"
        assert said is not None, "the work said something"
        return await await_and_keep(gateway, once, said, expected)
    except _RepeatedError as repeated:
        assert once is not None, "only a request with a key is repeated"
        return await replay_answer(gateway, once, repeated.found)
    except asyncpg.UniqueViolationError as error:
        if once is None:
            raise
        return await replay_answer(gateway, once, await _after_conflict(gateway, once, error))
    finally:
        gateway.arrivals.forget(expected)


async def await_and_keep(gateway: Gateway, once: Once | None, said: OutboxEvent, expected: Expected) -> EventAnswer:
    """Wait a little for what was said and committed to come to the log; keep how it stands then, and return it."""
    answer = await await_arrival(gateway, expected, event_type=said.event_type, stream=said.stream)
    await _keep(gateway, once, answer)
    return answer


async def replay_answer(gateway: Gateway, once: Once, found: idempotency_records.Answered) -> EventAnswer:
    """Return the answer that was given, or how the event stands now if it was still on its way."""
    if found.sealed_answer is not None:
        return _DECODE_EVENT(gateway.keystore.open(found.sealed_answer, "answer", once.name))
    assert found.event_id is not None, "an answer without a body is that of an event"
    answer = await read_state(gateway, found.event_id)
    await _keep(gateway, once, answer)
    return answer


async def _keep(gateway: Gateway, once: Once | None, answer: EventAnswer) -> None:
    """Keep an answer that is not going to change much: what is still pending is asked for again."""
    if once is None or answer.state == "pending":
        return
    sealed = gateway.keystore.seal(_ENCODE(answer), "answer", once.name)
    kept = _record(once, status=status_code(answer), sealed_answer=sealed)
    await _keeping(gateway).submit((once.institution_id, kept))


def _keeping(gateway: Gateway) -> Coalescer[tuple[str, idempotency_records.Answered], None]:
    async def keep(given: Sequence[tuple[str, idempotency_records.Answered]]) -> Sequence[None]:
        await idempotency_records.keep_answers(gateway.pool, given)
        return [None] * len(given)

    return gateway.coalescers.setdefault("answers", Coalescer(keep, count_max=LIMITS.coalesced_max))


async def find_answers(
    connection: Connection, onces: Sequence[Once | None]
) -> dict[bytes, idempotency_records.Answered]:
    """Return what was answered under the keys of these requests of one institution, by fingerprint of the key."""
    given = [once for once in onces if once is not None]
    if not given:
        return {}
    return await idempotency_records.find_many(
        connection, given[0].institution_id, [once.key_fingerprint for once in given]
    )


async def remember_events(connection: Connection, said: Sequence[tuple[Once, EventId]]) -> None:
    """Remember which requests said which events; raises `asyncpg.UniqueViolationError` where a key was used."""
    for_each = [(once.institution_id, _record(once, event_id=event_id)) for once, event_id in said]
    await idempotency_records.add_many(connection, for_each)


def status_code(answer: EventAnswer) -> int:
    """Return the HTTP status under which an event's answer is kept."""
    return {"pending": _ACCEPTED, "refused": _REFUSED}.get(answer.state, _CREATED)
