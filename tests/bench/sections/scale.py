"""Section `scale`: a log of as many credentials as asked for, 256 to an event, and what each service makes of it.

Says what it found at once, and keeps it in its folder: stopped at any place, it goes on from there when it is called
again with the same number. The folder is removed when all is measured.
"""

import random
import secrets
import shutil
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from proto.events import GROUP_MAX
from proto.ids import CredentialId
from proto.moment import Moment, from_datetime
from tests.bench import followers
from tests.bench.figures import Goal, Row, Series, percentile
from tests.bench.groups import Order, group_requests, ids_of
from tests.bench.limits.signatures import verify_limit
from tests.bench.load import Burst, fire, request
from tests.bench.processes import MemoryWatch, memory_of
from tests.bench.results import say
from tests.bench.run import Run
from tests.bench.stand import HOST, INSTITUTIONS, Stand, port_of, stand_in

SECTION = "scale"
UNIT = "credentials/s"
CONNECTIONS, EVENTS_PER_REQUEST, EVENTS_PER_TURN = 4, 16, 1_600
FIRST_ENTRIES = 1 + INSTITUTIONS
"""The opening and the admissions."""
TENTHS = 10
TURN_SECONDS_MAX = 600.0
LIMIT_SECONDS = 1.0
LOADS = (1, 64)
"""Connections at once that ask for the status of credentials."""
ANSWERS_PER_SECOND_MAX, ASK_SECONDS = 30_000, 2.0
SAMPLED_GROUPS = 200
LEDGER_BYTES_MAX, VERIFIER_BYTES_MAX, OWN_MB_MAX = 450, 400, 300
LARGE = 10_000_000
"""From so many credentials on, times have goals: 6 minutes for a replay, 5 GB for the ledger."""
REPLAY_SECONDS_MAX, LEDGER_GB_MAX, GIB_GB = 360, 5, 1e9
VERIFYING = "PyNaCl verify, 2 processes"
_OK = 200
_MARKER, _VALID = b'"appended":', b'"verdict":"valid"'


class Progress(msgspec.Struct, kw_only=True):
    """What is kept of an unfinished run: of what all events are made, each step's rows, and how appending went so far.

    `answered` counts the events up to which all were answered; of some after that a stopped run has not heard, and they
    are sent again, the same to the byte.
    """

    seed: str
    at: Moment
    answered: int = 0
    done: dict[str, list[Row]] = msgspec.field(default_factory=dict)
    appends: list[float] = msgspec.field(default_factory=list)
    limits: list[float] = msgspec.field(default_factory=list)


async def measure(run: Run) -> list[Row]:
    """Return the rows of all steps, those of an earlier call too; the folder is gone then."""
    folder = run.results.folder / f"scale-{run.size.scale_credentials}"
    if folder.exists():
        say(f"going on with what is in {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)  # as root, PostgreSQL runs as another user, who must pass through
    async with stand_in(folder, rules_version=2) as stand:
        scale = Scale(run, stand, folder)
        rows = [row for name, step in scale.steps.items() for row in await scale.once(name, step)]
    shutil.rmtree(folder)
    return rows


class Scale:
    """The steps, in the order in which they need each other; each is measured once per folder."""

    def __init__(self, run: Run, stand: Stand, folder: Path) -> None:
        self._run = run
        self._stand = stand
        self._file = folder / "progress.json"
        self._count = -(-run.size.scale_credentials // GROUP_MAX) * GROUP_MAX
        if self._file.exists():
            self._progress = msgspec.json.decode(self._file.read_bytes(), type=Progress)
        else:
            self._progress = Progress(seed=secrets.token_hex(8), at=from_datetime(datetime.now(UTC)))
        self.steps: dict[str, Callable[[], Awaitable[list[Row]]]] = {
            "append": self._append,
            "replay": self._replay,
            "answers": self._answers,
            "snapshot": self._snapshot,
            "audit": self._audit,
            "gateway": self._gateway,
        }

    async def once(self, name: str, step: Callable[[], Awaitable[list[Row]]]) -> list[Row]:
        """Return the rows of a step, which is gone through unless that was done before."""
        if name not in self._progress.done:
            self._progress.done[name] = await step()
            self._keep()
            for row in self._progress.done[name]:
                say("         " + " | ".join(cell for cell in row.cells() if cell != "-"))
        return self._progress.done[name]

    def _keep(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(self._progress))
        new.replace(self._file)

    # The log.

    async def _append(self) -> list[Row]:
        """Append what is missing, a tenth of all at a time, the limit measured before each."""
        stand, progress = self._stand, self._progress
        await stand.only("ledger")
        await stand.admit()
        events = self._count // GROUP_MAX
        while (done := progress.answered) < events:
            limit = await verify_limit(self._run.crew, LIMIT_SECONDS)(0)
            seconds, appended = await self._append_up_to(done, min(events, done + -(-events // TENTHS)))
            progress.limits.append(limit)
            progress.appends.append(appended * GROUP_MAX / seconds)
            self._keep()
        assert (await stand.log()).tree_size == FIRST_ENTRIES + events, "each event is on the log once"
        await followers.until_published(stand)
        memory = memory_of(stand.running["ledger"])
        byte_count = await followers.database_bytes(stand, "ledger")
        ours = Series(name="appends", unit=UNIT, samples=tuple(progress.appends))
        limits = Series(name=VERIFYING, unit="/s", samples=tuple(progress.limits))
        goals = (Goal(on="ratio", at_least=1.5), Goal(on="ratio", at_least=2.5))
        gigabytes = (Goal(on="ours", at_most=LEDGER_GB_MAX),) if self._count >= LARGE else ()
        rows = [
            Row(section=SECTION, what=self._named("appends"), ours=ours, limit=limits, goals=goals),
            self._row("ledger's database", "GB", byte_count / GIB_GB, gigabytes),
            self._row("ledger's database for each", "B", byte_count / self._count, _at_most(LEDGER_BYTES_MAX)),
        ]
        return rows if memory is None else [*rows, self._row("ledger, resident", "MB", memory.resident)]

    async def _append_up_to(self, done: int, events: int) -> tuple[float, int]:
        """Append events up to that many; return the seconds of appending alone, and how many events they were."""
        spent_s, begun = 0.0, done
        while done < events:
            count = min(EVENTS_PER_TURN, events - done)
            requests = await self._sign(done, count)
            started = time.perf_counter()
            burst = Burst(
                host=HOST,
                port=port_of(self._stand.addresses.ledger),
                requests=requests,
                connections=CONNECTIONS,
                seconds=TURN_SECONDS_MAX,
                marker=_MARKER,
            )
            (await self._run.crew.run(fire, burst)).check(status=_OK, markers=count)
            spent_s += time.perf_counter() - started
            done += count
            self._progress.answered = done
            self._keep()
        rate = _rate((done - begun) * GROUP_MAX, spent_s)
        say(f"         {done * GROUP_MAX:,} of {self._count:,} credentials, {rate}")
        return spent_s, done - begun

    async def _sign(self, first: int, count: int) -> list[bytes]:
        order = Order(self._stand.origin, self._progress.at, self._progress.seed, range(first, first + count))
        return await self._run.crew.run(group_requests, order, EVENTS_PER_REQUEST)

    # Who follows it.

    async def _replay(self) -> list[Row]:
        stand = self._stand
        await stand.only("ledger")
        limit = await verify_limit(self._run.crew, LIMIT_SECONDS)(0)
        watch = MemoryWatch()
        seconds = await self._timed("replay", lambda: followers.replayed(stand, self._last_id(), watch))
        file_bytes = followers.verifier_bytes(stand)
        times = _at_most(REPLAY_SECONDS_MAX) if self._count >= LARGE else ()
        rows = [
            Row(
                section=SECTION,
                what=self._named("replay from nothing"),
                ours=Series(name="replay", unit=UNIT, samples=(self._count / seconds,)),
                limit=Series(name=VERIFYING, unit="/s", samples=(limit,)),
                goals=(Goal(on="ratio", at_least=1.0), Goal(on="ratio", at_least=2.0)),
            ),
            self._row("replay from nothing, time", "s", seconds, times),
            self._row("verifier's file for each", "B", file_bytes / self._count, _at_most(VERIFIER_BYTES_MAX)),
        ]
        if watch.most is None:
            return rows
        own = self._row("verifier while it replays, without page cache", "MB", watch.most.own, _at_most(OWN_MB_MAX))
        return [*rows, own, self._row("the same, resident", "MB", watch.most.resident)]

    async def _answers(self) -> list[Row]:
        """Ask for credentials from everywhere in the log."""
        stand, seed = self._stand, self._progress.seed
        await stand.only("ledger", "verifier")
        await followers.until_ok(stand.session, stand.running["verifier"], f"/v1/credentials/{self._last_id()}")
        groups = random.choices(range(self._count // GROUP_MAX), k=SAMPLED_GROUPS)
        ids = [each for number in groups for each in ids_of(seed, number)]
        rows = []
        for load in LOADS:
            chosen = random.choices(ids, k=round(ANSWERS_PER_SECOND_MAX * ASK_SECONDS))
            requests = [request("GET", f"/v1/credentials/{each}") for each in chosen]
            port = port_of(stand.addresses.verifier)
            burst = Burst(host=HOST, port=port, requests=requests, connections=load, seconds=ASK_SECONDS, marker=_VALID)
            outcome = await self._run.crew.run(fire, burst)
            outcome.check(status=_OK, markers=outcome.count)
            name = f"status by id, {load} connections"
            rows.append(self._row(name, "answers/s", outcome.per_second))
            rows += [self._row(f"{name}, p{p}", "ms", percentile(outcome.latencies_ms, p)) for p in (50, 99)]
        memory = memory_of(stand.running["verifier"])
        return rows if memory is None else [*rows, self._row("verifier after them, resident", "MB", memory.resident)]

    async def _snapshot(self) -> list[Row]:
        stand = self._stand
        await stand.only("ledger", "verifier")
        exported = await self._timed("snapshot export", lambda: followers.snapshot(stand))
        await stand.only("ledger")
        imported = await self._timed("snapshot import", lambda: followers.imported(stand, self._last_id()))
        return [
            self._row("snapshot exported", "s", exported),
            self._row("replica from a snapshot, to its first answer", "s", imported, _at_most(60)),
        ]

    async def _audit(self) -> list[Row]:
        await self._stand.only("ledger")
        seconds = await self._timed("audit", lambda: followers.audited(self._stand))
        return [
            self._row("audit from nothing", UNIT, self._count / seconds),
            self._row("audit from nothing, time", "s", seconds),
        ]

    async def _gateway(self) -> list[Row]:
        stand = self._stand
        await stand.only("ledger")
        seconds = await self._timed("gateway follows", lambda: followers.gateway_followed(stand))
        memory = memory_of(stand.running["gateway"])
        await stand.only("ledger")
        byte_count = await followers.database_bytes(stand, "gateway")
        rows = [
            self._row("followed by the gateway", UNIT, self._count / seconds),
            self._row("gateway's database for each of others", "B", byte_count / self._count),
        ]
        return rows if memory is None else [*rows, self._row("gateway, resident", "MB", memory.resident)]

    # Words.

    async def _timed(self, name: str, work: Callable[[], Awaitable[float]]) -> float:
        say(f"         {name} …")
        seconds = await work()
        say(f"         {name}: {seconds:.1f} s, {_rate(self._count, seconds)}")
        return seconds

    def _last_id(self) -> CredentialId:
        return ids_of(self._progress.seed, self._count // GROUP_MAX - 1)[-1]

    def _named(self, what: str) -> str:
        return f"{what}, {self._count:,} credentials"

    def _row(self, what: str, unit: str, value: float, goals: tuple[Goal, ...] = ()) -> Row:
        series = Series(name=what, unit=unit, samples=(value,))
        return Row(section=SECTION, what=self._named(what), ours=series, goals=goals)


def _at_most(most: float) -> tuple[Goal, ...]:
    return (Goal(on="ours", at_most=most),)


def _rate(count: int, seconds: float) -> str:
    return f"{count / seconds:,.0f} credentials/s"
