"""Section `groups`: events about 256 credentials (rules version 2), counted in credentials: appended and followed."""

import asyncio
import secrets
from datetime import UTC, datetime
from typing import NamedTuple

from proto.events import GROUP_MAX
from proto.ids import CredentialId
from proto.moment import from_datetime
from tests.bench.crew import WORKERS, Measure, interleaved
from tests.bench.figures import Goal, Row, Series
from tests.bench.followers import (
    audited,
    database_bytes,
    gateway_followed,
    replayed,
    until_published,
    verifier_bytes,
)
from tests.bench.groups import Order, group_requests, ids_of
from tests.bench.limits.peer_eventsourcing import NAME, peer
from tests.bench.limits.signatures import verify_limit
from tests.bench.load import Burst, Outcome, fire
from tests.bench.run import Run
from tests.bench.stand import HOST, Stand, open_stand, port_of

SECTION = "groups"
UNIT = "credentials/s"
CONNECTIONS = 4
EVENTS_PER_REQUEST = 16
PER_SECOND_MAX = 200_000
"""Credentials for which events are made ready: nobody appends more of them in a second."""
PEER_AT_ONCE, PEER_CONNECTIONS = 100, 32
"""The peer saves a hundred at once with as many writers as it is quickest with; so do we."""
FOLLOWED_MIN = (10_000, 400_000)
"""Credentials that are on the log before it is followed, in a quick run and in a full one."""
FILL_SECONDS_MAX = 600.0
LEDGER_BYTES_MAX, VERIFIER_BYTES_MAX = 450, 400
VERIFYING = "PyNaCl verify, 2 processes"
_OK, _CREATED = 200, 201
_MARKER = b'"status":201'


async def measure(run: Run) -> list[Row]:
    """Return the rows of this section, on a log of its own."""
    async with open_stand(rules_version=2) as stand:
        await stand.only("ledger", "gateway")
        await stand.admit()
        empty = {name: await database_bytes(stand, name) for name in ("ledger", "gateway")}
        await stand.only("ledger")
        groups = Groups(run, stand)
        rows = await _appends(run, groups)
        await groups.fill(FOLLOWED_MIN[run.size.seconds >= 1])
        return rows + await _followers(run, groups, empty)


async def _appends(run: Run, groups: "Groups") -> list[Row]:
    ours, beside = (
        f"appends, events of {GROUP_MAX}",
        f"appends, one event of {PEER_AT_ONCE} per request, {PEER_CONNECTIONS} connections",
    )
    peer_name = f"{NAME}, {PEER_AT_ONCE} at once"
    measures: dict[str, Measure] = {
        VERIFYING: verify_limit(run.crew, run.size.seconds),
        ours: groups.appended,
        peer_name: peer(run.crew, groups.stand.peer_url, PEER_AT_ONCE, run.size.seconds),
        beside: groups.appended_hundreds,
    }
    found = await interleaved(measures, run.size)
    return [
        Row(
            section=SECTION,
            what=ours,
            ours=Series(name=ours, unit=UNIT, samples=found[ours]),
            limit=Series(name=VERIFYING, unit="/s", samples=found[VERIFYING]),
            goals=(Goal(on="ratio", at_least=1.5), Goal(on="ratio", at_least=2.5)),
        ),
        Row(
            section=SECTION,
            what=beside,
            ours=Series(name=beside, unit=UNIT, samples=found[beside]),
            limit=Series(name=peer_name, unit="events/s", samples=found[peer_name]),
            goals=(Goal(on="ratio", at_least=5),),
        ),
    ]


async def _followers(run: Run, groups: "Groups", empty: dict[str, int]) -> list[Row]:
    stand, count = groups.stand, groups.count
    last = groups.last_id

    async def replay(_round: int) -> float:
        return count / await replayed(stand, last)

    async def audit(_round: int) -> float:
        return count / await audited(stand)

    names = "replay, every check", "audit, command and all"
    limits: dict[str, Measure] = {VERIFYING: verify_limit(run.crew, run.size.seconds)}
    found = await interleaved(limits | {names[0]: replay, names[1]: audit}, run.size, is_warm=True)
    goals = {
        names[0]: (Goal(on="ratio", at_least=1.0), Goal(on="ratio", at_least=2.0)),
        names[1]: (),
    }
    rows = [
        Row(
            section=SECTION,
            what=f"{name}, events of {GROUP_MAX}",
            ours=Series(name=name, unit=UNIT, samples=found[name]),
            limit=Series(name=VERIFYING, unit="/s", samples=found[VERIFYING]),
            goals=goals[name],
        )
        for name in names
    ]
    followed = count / await gateway_followed(stand)
    rows.append(_one("followed by the gateway", UNIT, followed))
    await stand.only("ledger")
    ledger, gateway = [await database_bytes(stand, name) - before for name, before in empty.items()]
    return [
        *rows,
        _one("ledger's database for each credential", "B", ledger / count, LEDGER_BYTES_MAX),
        _one("gateway's database for each credential of others", "B", gateway / count),
        _one("verifier's file for each credential", "B", verifier_bytes(stand) / count, VERIFIER_BYTES_MAX),
    ]


def _one(what: str, unit: str, value: float, at_most: float | None = None) -> Row:
    goals = (Goal(on="ours", at_most=at_most),) if at_most is not None else ()
    return Row(section=SECTION, what=what, ours=Series(name=what, unit=unit, samples=(value,)), goals=goals)


class Sent(NamedTuple):
    """How events go to the ledger: so many to a request, each about so many credentials, over so many connections."""

    per_request: int
    size: int
    connections: int


class Groups:
    """Appends events about many credentials; what was not answered as newly appended does not count."""

    def __init__(self, run: Run, stand: Stand) -> None:
        self._run = run
        self.stand = stand
        self._seed = secrets.token_hex(8)
        self._numbers = 0
        self._last = (0, GROUP_MAX)
        self.count = 0
        """Credentials on the log."""

    @property
    def last_id(self) -> CredentialId:
        """A credential of the event that was appended last."""
        number, size = self._last
        return ids_of(self._seed, number, size)[-1]

    async def appended(self, _round: int) -> float:
        """Return durable credentials per second, 256 to an event, some events to a request."""
        events = self._run.size.prepare(PER_SECOND_MAX // GROUP_MAX)
        sent = Sent(EVENTS_PER_REQUEST, GROUP_MAX, CONNECTIONS)
        return await self._append(events, sent, seconds=self._run.size.seconds)

    async def appended_hundreds(self, _round: int) -> float:
        """Return durable credentials per second, one event of a hundred to a request."""
        events = self._run.size.prepare(PER_SECOND_MAX // PEER_AT_ONCE)
        sent = Sent(1, PEER_AT_ONCE, PEER_CONNECTIONS)
        return await self._append(events, sent, seconds=self._run.size.seconds)

    async def fill(self, count: int) -> None:
        """Append until the log has so many credentials, and all of it is published; an event of 256 comes last."""
        filling = Sent(EVENTS_PER_REQUEST, GROUP_MAX, CONNECTIONS)
        while True:
            missing = max(EVENTS_PER_REQUEST, (count - self.count) // GROUP_MAX)
            await self._append(min(missing, 1_600), filling, seconds=FILL_SECONDS_MAX)
            if self.count >= count:
                break
        await until_published(self.stand)

    async def _append(self, events: int, how: Sent, *, seconds: float) -> float:
        per_request, size, connections = how
        first = self._numbers
        requests = await self._sign(-(-events // per_request) * per_request, per_request, size)
        burst = Burst(
            host=HOST,
            port=port_of(self.stand.addresses.ledger),
            requests=requests,
            connections=connections,
            seconds=seconds,
            marker=b"" if per_request == 1 else _MARKER,
        )
        outcome: Outcome = await self._run.crew.run(fire, burst)
        sent = outcome.count * per_request
        outcome.check(status=_CREATED if per_request == 1 else _OK, markers=0 if per_request == 1 else sent)
        self.count += sent * size
        if sent:
            self._last = (first + sent - 1, size)
        return outcome.per_second * per_request * size

    async def _sign(self, count: int, per_request: int, size: int) -> list[bytes]:
        """Return requests for so many events, in the order of their numbers; both workers sign."""
        half = count // per_request // WORKERS * per_request
        first, self._numbers = self._numbers, self._numbers + count
        parts = (range(first, first + half), range(first + half, first + count))
        made = await asyncio.gather(
            *(
                self._run.crew.run(
                    group_requests,
                    Order(self.stand.origin, from_datetime(datetime.now(UTC)), self._seed, numbers, size),
                    per_request,
                )
                for numbers in parts
            )
        )
        return [each for requests in made for each in requests]
