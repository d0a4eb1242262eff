"""Section `verifier`: status by id, whole documents, and the replay of a log, each by one verifier process."""

import asyncio
import contextlib
import itertools
import os
import random
import time
from collections.abc import AsyncIterator

import aiohttp

from proto.ids import CredentialId
from tests.bench.crew import Measure, interleaved
from tests.bench.figures import Goal, Row, Series, percentile
from tests.bench.limits import digitalbazaar
from tests.bench.limits.signatures import verify_limit
from tests.bench.load import Burst, Outcome, fire, request
from tests.bench.run import Run
from tests.bench.signing import NDJSON, append_requests, fresh_ids, sign_documents, sign_issues
from tests.bench.stand import HOST, port_of, resident_mb

SECTION = "verifier"
CONNECTIONS = 64
STATUS_PER_SECOND_MAX = 30_000
DOCUMENT_COUNT = 200
"""Documents on the log; each is verified several times in a round."""
DOCUMENTS_PER_SECOND_MAX = 15_000
REPLAY_COUNTS = (3_000, 30_000)
"""Events on the log, in a quick run and in a full one."""
SAME_BYTES = f"aiohttp POST of one such document, decoded, {CONNECTIONS}"
PER_REQUEST = 500
LINES, LINES_ROUNDS = (100, 10_000), 5
APPEND_CONNECTIONS = 4
CAUGHT_UP_TIMEOUT_S = 120.0
POLL_S = 0.01
OK = 200
VALID = b'"verdict":"valid"'
APPENDED = b'"status":201'
JSON = {"Content-Type": "application/json"}


async def measure(run: Run) -> list[Row]:
    """Return the rows of this section: first the log is filled, then it is replayed, then the questions are asked."""
    await run.stand.only("ledger")
    await run.stand.admit()
    ids = fresh_ids(REPLAY_COUNTS[run.size.seconds >= 1])
    await _append(run, await run.crew.run(sign_issues, run.stand.origin, 1, ids))
    documents, lines = await run.crew.run(sign_documents, run.stand.origin, 0, DOCUMENT_COUNT)
    await _append(run, lines)
    rows = await _replay(run, ids[-1])
    return rows + await _questions(run, ids, documents)


async def _append(run: Run, lines: list[bytes]) -> None:
    """Append envelopes and return when they are published."""
    requests = append_requests(lines, PER_REQUEST)
    port = port_of(run.stand.addresses.ledger)
    outcome = await run.crew.run(
        fire,
        Burst(
            host=HOST,
            port=port,
            requests=requests,
            connections=APPEND_CONNECTIONS,
            seconds=CAUGHT_UP_TIMEOUT_S,
            marker=APPENDED,
        ),
    )
    outcome.check(status=OK, markers=len(lines))
    async with asyncio.timeout(CAUGHT_UP_TIMEOUT_S):
        while (log := await run.stand.log()).published_size < log.tree_size:  # noqa: ASYNC110 - another process's
            await asyncio.sleep(POLL_S)


async def _replay(run: Run, last: CredentialId) -> list[Row]:
    """Replay the whole log into an empty file, from the first answer of the process to the last credential known."""
    against, name = "PyNaCl verify, 2 processes", "replay, events"

    async def replay(_round: int) -> float:
        await run.stand.forget_verifier()
        count = (await run.stand.log()).published_size
        await run.stand.launch("verifier")
        url = run.stand.addresses.verifier
        await _until(run.stand.session, f"{url}/livez")
        started = time.perf_counter()
        await _until(run.stand.session, f"{url}/v1/credentials/{last}")
        return count / (time.perf_counter() - started)

    limits: dict[str, Measure] = {against: verify_limit(run.crew, run.size.seconds)}
    found = await interleaved(limits | {name: replay}, run.size, is_warm=True)
    return [
        Row(
            section=SECTION,
            what=name,
            ours=Series(name=name, unit="events/s", samples=found[name]),
            limit=Series(name=against, unit="/s", samples=found[against]),
            goals=(Goal(on="ratio", at_least=0.60),),
        )
    ]


async def _until(session: aiohttp.ClientSession, url: str) -> None:
    """Return once this address answers 200."""
    async with asyncio.timeout(CAUGHT_UP_TIMEOUT_S):
        while True:
            try:
                async with session.get(url) as response:
                    if response.status == OK:
                        return
            except aiohttp.ClientError:
                pass  # it does not listen yet
            await asyncio.sleep(POLL_S)


async def _questions(run: Run, ids: list[CredentialId], documents: list[bytes]) -> list[Row]:
    await run.stand.only("ledger", "verifier")
    await _until(run.stand.session, f"{run.stand.addresses.verifier}/v1/credentials/{ids[-1]}")
    chosen = random.choices(ids, k=run.size.prepare(STATUS_PER_SECOND_MAX))
    gets = [request("GET", f"/v1/credentials/{credential_id}") for credential_id in chosen]
    posts = [request("POST", "/v1/verifications", document, headers=JSON) for document in documents]
    posts = list(itertools.islice(itertools.cycle(posts), run.size.prepare(DOCUMENTS_PER_SECOND_MAX)))
    status, documented = Questions(run, gets), Questions(run, posts)
    get_limit, post_limit = f"aiohttp GET JSON, {CONNECTIONS} connections", f"aiohttp POST 1 KB, {CONNECTIONS}"
    body = sign_issues(run.stand.origin, 0, fresh_ids(1))[0]
    names = (f"status by id, {CONNECTIONS} connections", "documents verified, one process")
    measures: dict[str, Measure] = {
        get_limit: run.http_limits.get_json(CONNECTIONS),
        names[0]: status.measure,
        post_limit: run.http_limits.post_envelope(body, CONNECTIONS),
        names[1]: documented.measure,
        SAME_BYTES: run.http_limits.post_any(documents[0], CONNECTIONS),
    }
    async with _with_peer(run, measures):
        found = await interleaved(measures, run.size)
    return [
        Row(
            section=SECTION,
            what=names[0],
            ours=Series(name=names[0], unit="answers/s", samples=found[names[0]]),
            limit=Series(name=get_limit, unit="/s", samples=found[get_limit]),
            goals=(Goal(on="ratio", at_least=0.70),),
        ),
        Row(section=SECTION, what="the same, p99", ours=status.latency(99)),
        Row(
            section=SECTION,
            what=names[1],
            ours=Series(name=names[1], unit="documents/s", samples=found[names[1]]),
            limit=Series(name=post_limit, unit="/s", samples=found[post_limit]),
            goals=(Goal(on="ratio", at_least=0.45),),
        ),
        Row(section=SECTION, what="the same, p99", ours=documented.latency(99)),
        _against_same_bytes(names[1], found),
        *_against_peer(names[1], found),
        *await _lines(run, documents),
        *await _on_all_cores(run, posts, body, ids[-1]),
    ]


async def _on_all_cores(run: Run, posts: list[bytes], body: bytes, last: CredentialId) -> list[Row]:
    """Ask a verifier of as many processes as there are cores, which those who ask and one that replays share."""
    workers, limit = os.cpu_count() or 1, f"aiohttp POST 1 KB, {CONNECTIONS}"
    name = f"documents verified, {workers} processes"
    await run.stand.only("ledger")
    run.stand.verifier_workers = workers
    try:
        await run.stand.only("ledger", "verifier")
        await _until(run.stand.session, f"{run.stand.addresses.verifier}/v1/credentials/{last}")
        documented = Questions(run, posts)
        measures: dict[str, Measure] = {
            limit: run.http_limits.post_envelope(body, CONNECTIONS),
            name: documented.measure,
        }
        found = await interleaved(measures, run.size)
        await run.stand.only("ledger")
    finally:
        run.stand.verifier_workers = 1
    return [
        Row(
            section=SECTION,
            what=name,
            ours=Series(name=name, unit="documents/s", samples=found[name]),
            limit=Series(name=f"{limit}, one process", unit="/s", samples=found[limit]),
            goals=(Goal(on="ratio", at_least=0.45),),
        ),
        Row(section=SECTION, what="the same, p99", ours=documented.latency(99)),
    ]


@contextlib.asynccontextmanager
async def _with_peer(run: Run, measures: dict[str, Measure]) -> AsyncIterator[None]:
    """Measure the peer too, where it is installed, else say why not."""
    if (reason := digitalbazaar.missing()) is not None:
        print(f"         {digitalbazaar.NAME} is not measured: {reason}", flush=True)  # noqa: T201 - a command prints
        yield
        return
    async with digitalbazaar.digitalbazaar(run.size.seconds) as measure:
        measures[digitalbazaar.NAME] = measure
        yield


def _against_same_bytes(name: str, found: dict[str, tuple[float, ...]]) -> Row:
    """A document has several kilobytes: what aiohttp makes of as many, decoded, is the nearer limit; it has no goal."""
    return Row(
        section=SECTION,
        what=f"{name}, to the same bytes",
        ours=Series(name=name, unit="documents/s", samples=found[name]),
        limit=Series(name=SAME_BYTES, unit="/s", samples=found[SAME_BYTES]),
    )


def _against_peer(name: str, found: dict[str, tuple[float, ...]]) -> list[Row]:
    if digitalbazaar.NAME not in found:
        return []
    return [
        Row(
            section=SECTION,
            what=f"{name}, against a peer",
            ours=Series(name=name, unit="documents/s", samples=found[name]),
            limit=Series(name=digitalbazaar.NAME, unit="documents/s", samples=found[digitalbazaar.NAME]),
            goals=(Goal(on="ratio", at_least=20),),
        )
    ]


async def _lines(run: Run, documents: list[bytes]) -> list[Row]:
    """Return what one NDJSON request takes: documents per second, and how the process grows from a small to a large."""
    port, process = port_of(run.stand.addresses.verifier), run.stand.running["verifier"]
    resident: dict[int, float] = {}
    speeds: list[float] = []
    for count in (LINES[0], *[LINES[1]] * LINES_ROUNDS):
        body = b"\n".join(itertools.islice(itertools.cycle(documents), count))
        sent = request("POST", "/v1/verifications", body, headers={"Content-Type": NDJSON})
        burst = Burst(host=HOST, port=port, requests=[sent], connections=1, seconds=1, marker=VALID)
        outcome = await run.crew.run(fire, burst)
        outcome.check(status=OK, markers=count)
        speeds.append(count / outcome.seconds)
        resident.setdefault(count, resident_mb(process) or 0.0)
        if count == LINES[1]:
            resident[count] = max(resident[count], resident_mb(process) or 0.0)
    name = f"documents verified, NDJSON of {LINES[1]:,} in one request"
    rows = [Row(section=SECTION, what=name, ours=Series(name=name, unit="documents/s", samples=tuple(speeds[1:])))]
    if resident[LINES[0]]:
        growth = resident[LINES[1]] / resident[LINES[0]]
        ours = Series(name="resident", unit="x", samples=(growth,))
        what = f"resident memory after them, to that after {LINES[0]}"
        rows.append(Row(section=SECTION, what=what, ours=ours, goals=(Goal(on="ours", at_most=1.2),)))
    return rows


class Questions:
    """Asks the verifier; every answer must be that the credential is valid."""

    def __init__(self, run: Run, requests: list[bytes]) -> None:
        self._run = run
        self._requests = requests
        self._outcomes: list[Outcome] = []

    async def measure(self, _round: int) -> float:
        """Return answers per second; raises `LoadError` unless each verdict is `valid`."""
        port = port_of(self._run.stand.addresses.verifier)
        burst = Burst(
            host=HOST,
            port=port,
            requests=self._requests,
            connections=CONNECTIONS,
            seconds=self._run.size.seconds,
            marker=VALID,
        )
        outcome = await self._run.crew.run(fire, burst)
        outcome.check(status=OK, markers=outcome.count)
        self._outcomes.append(outcome)
        return outcome.per_second

    def latency(self, percent: int) -> Series:
        """Return a percentile of each counted round in milliseconds."""
        samples = tuple(percentile(outcome.latencies_ms, percent) for outcome in self._outcomes[1:])
        return Series(name=f"p{percent}", unit="ms", samples=samples)
