"""`python -m tests.attack [words…]`: what strangers can do to the answers that others get. A bench, never a test.

Real services of their own on loopback; while each shape of attack goes on, another client asks for `/livez` and for a
status, again and again, on new connections and on a kept one. It stops by itself and leaves nothing behind.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import random
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import aiohttp
import msgspec
import uvloop

from tests.attack.disguises import SLUG
from tests.attack.shapes import SHAPES, Shape, attack
from tests.attack.stranger import HOST, Target, head
from tests.bench.signing import EVENTS_PATH, fresh_ids, sign_issues
from tests.bench.stand import Stand, open_stand, port_of
from tests.bench.tenant import make_tenant

RUNS = 5
ATTACK_SECONDS = 6.0
QUIET_SECONDS = 2.0
ASK_EVERY_SECONDS = 0.05
TURN_EVERY_SECONDS = 0.005
ANSWER_SECONDS_MAX = 30.0
MEDIAN_MS_MAX, WORST_MS_MAX, MEMORY_MB_MAX = 250.0, 1_000.0, 600.0
SERVICES = ("ledger", "gateway", "verifier")
_STATUS = {"ledger": "/checkpoint", "gateway": "/readyz"}
_COLUMNS = "{:<40} {:>8} {:>6} {:>6} {:>6} {:>8} {:>6} {:>5} {:>5} {:>5}  {}"


class Asked(msgspec.Struct):
    """What another client saw: how long each answer took, in milliseconds."""

    livez: list[float] = []
    status: list[float] = []
    failures: list[str] = []
    own_wait_ms: float = 0.0
    """How late this client itself was woken, at worst: what the machine did, and not the service."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one shape."""

    livez: list[float]
    status: list[float]
    quiet: float
    quiet_worst: float
    memory_mb: float
    failures: list[str]
    own_wait_ms: float
    turn_ms: float
    said: str
    is_alive: bool


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def asking(url: str, status: str, until: asyncio.Event) -> Asked:
    """Ask for `/livez` and a status in turn until told to stop: each second time on a new connection."""
    asked, timeout = Asked(), aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)
    async with aiohttp.ClientSession(timeout=timeout) as kept:
        number = 0
        while not until.is_set():
            number += 1
            for path, times in (("/livez", asked.livez), (status, asked.status)):
                begun = time.perf_counter()
                try:
                    await (_ask(kept, url + path) if number % 2 else _ask_anew(url + path))
                except (aiohttp.ClientError, TimeoutError) as error:
                    asked.failures.append(f"{path}: {type(error).__name__}")
                times.append((time.perf_counter() - begun) * 1_000)
            begun = time.perf_counter()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(until.wait(), ASK_EVERY_SECONDS)
            late_ms = (time.perf_counter() - begun - ASK_EVERY_SECONDS) * 1_000
            asked.own_wait_ms = max(asked.own_wait_ms, late_ms)
    return asked


async def longest_turn(url: str, pid: int, until: asyncio.Event) -> float:
    """Return how many milliseconds of processor time the service's loop spent on others at worst, while one waited.

    It is asked every 5 ms over one kept connection, so nothing is counted but the turns of the loop that it waited for;
    and it is processor time, so a busy machine makes it no longer.
    """
    worst = 0.0
    while not until.is_set():
        with contextlib.suppress(OSError, EOFError):  # a crowded service closes what idles; then it is a new one
            reader, writer = await asyncio.open_connection(HOST, port_of(url))
            with contextlib.closing(writer):
                while not until.is_set():
                    begun = _loop_ms(pid)
                    await _answered(reader, writer)
                    worst = max(worst, _loop_ms(pid) - begun)
                    await asyncio.sleep(TURN_EVERY_SECONDS)
        await asyncio.sleep(TURN_EVERY_SECONDS)
    return worst


def _loop_ms(pid: int) -> float:
    """Return how long a process's first thread, which runs its loop, has been on a processor; 0 once it is gone."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1_000_000
    return 0.0


async def _answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(head("GET", "/livez"))
    length = (await reader.readuntil(b"\r\n\r\n")).lower().partition(b"content-length:")[2].split()[0]
    await reader.readexactly(int(length))


async def _ask(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(url) as response:
        await response.read()
        response.raise_for_status()


async def _ask_anew(url: str) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)) as session:
        await _ask(session, url)


def _is_running(pid: int | None) -> bool:
    return pid is not None and Path(f"/proc/{pid}").exists()


def _memory_mb(pid: int) -> float:
    """Return the memory of a process and of those that it started (0 for one that is gone)."""
    total = 0.0
    for each in _family(pid):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{each}/status").read_text().splitlines()
            total += next((int(line.split()[1]) / 1_024 for line in lines if line.startswith("VmRSS")), 0.0)
    return total


def _family(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from _family(int(child))


class Bench:
    """The services under attack, and who attacks them."""

    def __init__(self, stand: Stand, pool: ProcessPoolExecutor, seconds: float) -> None:
        self._stand = stand
        self._pool = pool
        self._seconds = seconds
        self._status = dict(_STATUS)
        self._envelope = b""
        self._credential_id = ""

    async def prepare(self) -> None:
        """Start everything, and have a credential on the log that others ask for."""
        await self._stand.only("ledger")
        await self._stand.admit()
        credential_id = fresh_ids(1)[0]
        self._envelope = sign_issues(self._stand.origin, 0, [credential_id])[0]
        async with self._stand.session.post(
            self._stand.addresses.ledger + EVENTS_PATH,
            data=self._envelope,
            headers={"Content-Type": "application/json"},
        ) as response:
            response.raise_for_status()
        await self._stand.only(*SERVICES)
        self._status["verifier"] = f"/v1/credentials/{credential_id}"
        self._credential_id = credential_id
        self._tenant = await make_tenant(self._stand, SLUG)

    def _url(self, service: str) -> str:
        return str(getattr(self._stand.addresses, service))

    async def run(self, shape: Shape, seed: int) -> Figures:
        """Attack once, and return what another client saw of it."""
        await self._alive(shape.service)
        process = self._stand.running[shape.service]
        quiet = await self._watched(shape.service, asyncio.sleep(QUIET_SECONDS))
        target = Target(
            port=port_of(self._url(shape.service)),
            seed=seed,
            until=time.time() + self._seconds,
            envelope=self._envelope,
            credential_id=self._credential_id,
            api_key=self._tenant.api_key,
            achievement=self._tenant.achievement,
        )
        said: list[str] = []
        asked = await self._watched(shape.service, self._attack(shape, target, said))
        return Figures(
            livez=asked[0].livez,
            status=asked[0].status,
            quiet=statistics.median(quiet[0].livez),
            quiet_worst=max(*quiet[0].livez, *quiet[0].status),
            memory_mb=asked[1],
            failures=asked[0].failures,
            own_wait_ms=asked[0].own_wait_ms,
            turn_ms=asked[2],
            said=said[0],
            is_alive=_is_running(process.pid),
        )

    async def _attack(self, shape: Shape, target: Target, said: list[str]) -> None:
        name = next(name for name, each in SHAPES.items() if each is shape)
        said.append(await asyncio.get_running_loop().run_in_executor(self._pool, attack, name, target))
        await asyncio.sleep(QUIET_SECONDS)  # what it left behind counts too

    async def _watched(self, service: str, work: "asyncio.Future[None] | object") -> tuple[Asked, float, float]:
        """Do the work while another client asks; return what it saw, the service's largest memory, its longest turn."""
        until, peak = asyncio.Event(), [0.0]
        pid = self._stand.running[service].pid or 0

        async def weigh() -> None:
            while not until.is_set():
                peak[0] = max(peak[0], _memory_mb(pid))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(until.wait(), ASK_EVERY_SECONDS)

        client = asyncio.create_task(asking(self._url(service), self._status[service], until))
        scales = asyncio.create_task(weigh())
        turns = asyncio.create_task(longest_turn(self._url(service), pid, until))
        try:
            await work  # type: ignore[misc]  # anything that can be waited for
        finally:
            until.set()
        await scales
        return await client, peak[0], await turns

    async def _alive(self, service: str) -> None:
        """Start a service again that an attack ended, or that does not answer any more."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with asyncio.timeout(5):
                await _ask_anew(self._url(service) + "/livez")
                return
        _say(f"  {service} does not answer: it is started again")
        await self._stand.running.pop(service).stop()
        await self._stand.only(*SERVICES)


def _row(name: str, runs: list[Figures]) -> tuple[str, bool]:
    """Return the line of a shape, and whether it stays within the goal."""
    livez = [statistics.median(run.livez) for run in runs]
    worst = max(max(run.livez) for run in runs)
    status = [statistics.median(run.status) for run in runs]
    status_worst = max(max(run.status) for run in runs)
    memory = max(run.memory_mb for run in runs)
    quiet = statistics.median([run.quiet for run in runs])
    faults = [
        *(["ENDED"] if not all(run.is_alive for run in runs) else []),
        *([f"{sum(len(run.failures) for run in runs)} unanswered"] if any(run.failures for run in runs) else []),
        *(["slow"] if max(*livez, *status) > MEDIAN_MS_MAX or max(worst, status_worst) > WORST_MS_MAX else []),
        *(["memory"] if memory > MEMORY_MB_MAX else []),
        *(["BROKE"] if any(" of 500" in run.said for run in runs) else []),
    ]
    median = statistics.median(livez)
    line = _COLUMNS.format(
        name[:40],
        f"{median:.1f}",
        f"{worst:.0f}",
        f"{median / quiet:.1f}" if quiet else "-",
        f"{max(run.quiet_worst for run in runs):.0f}",
        f"{statistics.median(status):.1f}",
        f"{status_worst:.0f}",
        f"{max(run.own_wait_ms for run in runs):.0f}",
        f"{max(run.turn_ms for run in runs):.0f}",
        f"{memory:.0f}",
        f"{'within' if not faults else ' '.join(faults)}; {runs[-1].said}",
    )
    return line, not faults


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make attack ARGS=…", description=__doc__)
    parser.add_argument("words", nargs="*", help="only shapes with one of these words in their name or service")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each shape")
    parser.add_argument("--seconds", type=float, default=ATTACK_SECONDS, help="that one attack lasts at most")
    parser.add_argument("--seed", type=int, default=None, help="to repeat a run")
    parser.add_argument("--list", action="store_true", help="name the shapes and end")
    return parser.parse_args()


async def _main(chosen: argparse.Namespace) -> None:
    shapes = {
        name: shape
        for name, shape in SHAPES.items()
        if not chosen.words or any(word in f"{shape.service}: {name}" for word in chosen.words)
    }
    seed = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(10**9)
    _say(f"seed {seed}; {len(shapes)} shapes, {chosen.runs} runs each of at most {chosen.seconds:g} s")
    _say(f"goal: median {MEDIAN_MS_MAX:.0f} ms, worst {WORST_MS_MAX:.0f} ms, memory {MEMORY_MB_MAX:.0f} MB, none ends")
    _say("quiet: the worst without an attack; own: how late the asking client itself was woken, at worst")
    _say("turn: processor time, in ms, that the service's loop spent on others at worst while one question waited")
    titles = (
        "shape",
        "livez ms",
        "worst",
        "ratio",
        "quiet",
        "status",
        "worst",
        "own",
        "turn",
        "MB",
        "goal; what was answered",
    )
    _say(_COLUMNS.format(*titles))
    missed = []
    context = multiprocessing.get_context("spawn")
    async with open_stand() as stand:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            bench = Bench(stand, pool, chosen.seconds)
            await bench.prepare()
            for name, shape in shapes.items():
                line, is_within = _row(name, [await bench.run(shape, seed + number) for number in range(chosen.runs)])
                _say(line)
                missed += [] if is_within else [name]
    _say(
        f"{len(shapes) - len(missed)} of {len(shapes)} within the goal"
        + (f"; not: {', '.join(missed)}" if missed else "")
    )


if __name__ == "__main__":
    arguments = _arguments()
    if arguments.list:
        _say("\n".join(f"{shape.service:<9} {name}" for name, shape in SHAPES.items()))
        sys.exit()
    uvloop.run(_main(arguments))
