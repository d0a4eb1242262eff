"""What the log, or a proxy before it, does not take together is sent in parts; one event holds up nobody else."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

from prometheus_client import CollectorRegistry

from proto.envelope import Envelope, Signature
from proto.ids import CredentialId, EventId, InstitutionId, LeafIndex
from proto.moment import from_ms
from proto.wire.ledger import Appended, AppendLine
from services.clients.log_client import LogProblem, LogUnreachableProblem
from services.edge import Log
from services.issuer_gateway.config import Config
from services.issuer_gateway.log.arrivals import Arrival, Arrivals
from services.issuer_gateway.log.relay import Relay
from services.issuer_gateway.log.relay_storage import Answers
from services.issuer_gateway.metrics import Metrics
from services.issuer_gateway.store.outbox import Pending
from services.persistence.postgres import Connection


def _pending(number: int, size: int = 100) -> Pending:
    return Pending(
        outbox_id=number,
        event_id=EventId(f"{number:064x}"),
        institution_id=InstitutionId("00000000-0000-4000-8000-000000000000"),
        streams=(CredentialId(f"{number:064x}"),),
        event_type="credential-issued.v1",
        envelope=Envelope(payload="A" * size, payload_type="t", signatures=(Signature(keyid=f"{number}", sig="s"),)),
        attempt_count=0,
    )


class Outbox:
    """Events in memory, the oldest first; those that were not taken yet wait for ever."""

    def __init__(self, waiting: Sequence[Pending]) -> None:
        self.waiting = list(waiting)
        self.taken: list[EventId] = []
        self.later: dict[EventId, dict[str, Any]] = {}
        self.moved = asyncio.Event()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[Connection | None]:
        yield cast(Connection, object())

    async def due(self, connection: Connection, *, limit: int) -> list[Pending]:
        assert connection is not None
        return self.waiting[:limit]

    async def keep(self, waiting: Sequence[Pending], answers: Answers) -> dict[EventId, Arrival]:
        assert not answers.refused
        self.taken += [each.event_id for each in answers.taken]
        self.later |= {each.item.event_id: each.problem for each in answers.later}
        over = {item.event_id for item in waiting}
        self.waiting = [item for item in self.waiting if item.event_id not in over]
        self.moved.set()
        return {}

    async def forget_secrets(self, *, hours: int) -> None:
        assert hours


class NarrowLog:
    """A log behind a proxy that takes only so many bytes, and only so many lines, of one request."""

    def __init__(self, *, bytes_max: int = 10**9, lines_max: int = 10**9) -> None:
        self.bytes_max, self.lines_max = bytes_max, lines_max
        self.sent: list[int] = []

    async def submit(self, envelopes: Sequence[Envelope]) -> list[AppendLine]:
        self.sent.append(len(envelopes))
        if len(envelopes) > self.lines_max:
            raise LogUnreachableProblem("The log has no room for so many at once")
        if sum(len(each.payload) for each in envelopes) > self.bytes_max:
            raise LogProblem({"title": "Request Entity Too Large"}, 413)
        return [
            AppendLine(
                line=line,
                status=201,
                appended=Appended(
                    index=LeafIndex(line),
                    leaf_hash="00" * 32,
                    received_at=from_ms(0),
                    event_id=EventId(f"{int(each.signatures[0].keyid):064x}"),
                ),
            )
            for line, each in enumerate(envelopes, start=1)
        ]


@contextlib.asynccontextmanager
async def _relaying(outbox: Outbox, log: NarrowLog) -> AsyncIterator[Relay]:
    config = Config(
        public_url="http://127.0.0.1:1",
        database_url="postgresql://127.0.0.1:1/none",
        ledger_url="http://127.0.0.1:1",
        log_verifier_key="none",
        master_key_file=Path("none"),
        operator_token_file=Path("none"),
        relay_backoff_ms_min=1,
        relay_backoff_ms_max=2,
        relay_poll_ms=1,
    )
    relay = Relay(
        outbox,
        log,
        config=config,
        arrivals=Arrivals(),
        log=Log("gateway", io.BytesIO()),
        metrics=Metrics(CollectorRegistry()).outbox,
    )
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _until_empty(outbox: Outbox) -> None:
    async with asyncio.timeout(120):
        while outbox.waiting:
            outbox.moved.clear()
            await outbox.moved.wait()


async def test_what_is_too_large_together_is_sent_in_parts_and_then_in_larger_ones_again() -> None:
    events = [_pending(number) for number in range(600)]
    outbox, log = Outbox(events), NarrowLog(bytes_max=5_000)
    async with _relaying(outbox, log):
        await _until_empty(outbox)
        assert outbox.taken == [event.event_id for event in events]
        log.bytes_max, outbox.waiting = 10**9, [_pending(number) for number in range(1_000, 3_000)]
        await _until_empty(outbox)
    assert max(log.sent[-5:]) == 500, "as many as are set, once there is room again"


async def test_a_log_that_has_room_for_few_at_once_gets_few_at_once() -> None:
    events = [_pending(number) for number in range(100)]
    outbox = Outbox(events)
    async with _relaying(outbox, NarrowLog(lines_max=7)):
        await _until_empty(outbox)
    assert outbox.taken == [event.event_id for event in events]


async def test_one_event_that_is_too_large_alone_waits_alone() -> None:
    events = [_pending(number, 9_000 if number == 3 else 100) for number in range(20)]
    outbox = Outbox(events)
    async with _relaying(outbox, NarrowLog(bytes_max=5_000)):
        await _until_empty(outbox)
    assert outbox.taken == [event.event_id for event in events if event is not events[3]]
    (problem,) = outbox.later.values()
    assert problem["final"] is False
    assert "Request Entity Too Large" in problem["detail"]


async def test_a_refusal_that_says_nothing_of_the_event_lets_none_wait_alone() -> None:
    class Elsewhere(NarrowLog):
        async def submit(self, envelopes: Sequence[Envelope]) -> list[AppendLine]:
            self.sent.append(len(envelopes))
            if len(self.sent) < 20:
                raise LogProblem({"title": "Not Found"}, 404)
            return await super().submit(envelopes)

    outbox = Outbox([_pending(number) for number in range(5)])
    async with _relaying(outbox, Elsewhere()) as relay:
        await _until_empty(outbox)
        assert relay.last_failure is None
    assert not outbox.later
    assert len(outbox.taken) == 5
