"""`make soak HOURS=n`: a mixed load with faults for n hours, and whether memory, descriptors, tables and WAL stay flat.

Exit status: 0 where all is well, 1 where something grows, was lost or is damaged. Everything runs on loopback in a
temporary folder, and ends with this.
"""

import argparse
import asyncio
import contextlib
import random
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from proto.log.checkpoint import open_checkpoint
from proto.log.note_key import parse_vkey
from proto.problem import Problem
from services.clients.http_session import HTTP_ERRORS
from services.command import fsck
from services.command.child import ServiceStartProblem
from services.command.fsck import Targets
from tests.bench.results import say
from tests.bench.stand import Stand, open_stand
from tests.bench.stopping import run_until_signal
from tests.bench.tenant import make_tenant
from tests.soak.faults import SERVICES, Faults
from tests.soak.load import Load
from tests.soak.samples import DATABASES, Sample, look
from tests.soak.verdict import Line, judge, recovered

SAMPLE_SECONDS = 5.0
FAULTS_PER_HOUR = 90
STILL_SECONDS = 300.0
"""What has not moved for so long never will; as long as it moves, a slow machine is waited for."""
RESULTS = Path(__file__).parents[2] / "bench-results"


def main() -> None:
    """Run the soak that the arguments ask for."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0, help="how long the load lasts; 0.1 is enough to try it")
    parser.add_argument("--seed", type=int, default=None, help="order and times of load and faults; printed")
    options = parser.parse_args()
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    sys.exit(run_until_signal(soak(options.hours, seed)))


async def soak(hours: float, seed: int) -> int:
    """Return the exit status of a soak of so many hours."""
    seconds, rng = hours * 3600, random.Random(seed)
    say(f"soak of {hours:g} h, seed {seed}: load from clients, {FAULTS_PER_HOUR} faults an hour")
    samples, lines = list[Sample](), list[Line]()
    async with open_stand(rules_version=2) as stand:
        await stand.only(*SERVICES)
        load, faults = Load(stand, await make_tenant(stand, "soak"), rng), Faults(stand, rng, say)
        try:
            lines = await _under_load(stand, load, faults, samples, seconds)
        except* ServiceStartProblem as gone:
            lines = [*judge(samples), *(Line("ready again", str(each), is_well=False) for each in gone.exceptions)]
    return _report(lines, load, faults, samples, seed)


async def _under_load(stand: Stand, load: Load, faults: Faults, samples: list[Sample], seconds: float) -> list[Line]:
    """Return what is judged once the load is over; a service that never comes back ends all of it."""
    async with asyncio.TaskGroup() as beside:
        watching = beside.create_task(faults.watch())
        sampling = beside.create_task(_sampling(stand, time.monotonic(), samples))
        dealing = beside.create_task(faults.run(seconds=seconds, every_seconds=3600 / FAULTS_PER_HOUR))
        await load.run(seconds)
        faults.end()
        await dealing
        sampling.cancel()
        lines = [*judge(samples), *recovered(faults.recoveries), *await _settled(stand, load)]
        watching.cancel()
    return lines


async def _sampling(stand: Stand, began: float, samples: list[Sample]) -> None:
    urls = {name: stand.postgres.url(role=f"{name}_owner", database=name) for name in DATABASES}
    while True:
        await asyncio.sleep(SAMPLE_SECONDS)
        try:
            projection = Path(stand.addresses.verifier_file)
            samples.append(await look(began, stand.running, stand.postgres.admin_url, urls, projection))
        except Exception as error:  # noqa: BLE001 - our own sessions are ended by a fault, too
            say(f"no sample: {type(error).__name__}")


async def _settled(stand: Stand, load: Load) -> list[Line]:
    """Return whether all that was acknowledged is there, and what `fsck` says, once the load is over."""
    lines = [await _files(stand, load)]
    await _caught_up(stand)
    await load.settle()
    count = len(load.issued)
    kept = f"{count:,} single issues and {len(load.revoked):,} revocations, {load.counts['wrong']} lost or wrong"
    lines.append(Line("acknowledged", kept, not load.wrong))
    addresses = stand.addresses
    reports = await fsck.check(
        Targets(
            ledger_database=addresses.ledger_database,
            gateway_database=addresses.gateway_database,
            master_key_file=Path(addresses.master_key_file),
            verifier_file=Path(addresses.verifier_file),
            ledger=addresses.ledger,
            log_verifier_key=addresses.log_verifier_key,
        )
    )
    for name, report in reports.items():
        lines.append(Line(f"fsck {name}", " ".join(fsck.lines(name, report)), report.is_clean))
    return lines


async def _files(stand: Stand, load: Load) -> Line:
    """Wait until every row of every file that was taken is on the log, and none twice."""
    wanted = len(load.issued) + load.in_files
    async with stand.counted() as count:
        found = await _still_or(wanted, count)
    return Line("credentials on the log", f"{found:,} of {wanted:,}", found == wanted)


async def _caught_up(stand: Stand) -> None:
    """Wait until the verifier follows the log up to what it holds now; what it lacks then is found one by one."""
    key = parse_vkey(stand.addresses.log_verifier_key)

    async def size() -> int:
        with contextlib.suppress(*HTTP_ERRORS, Problem):
            async with stand.session.get(stand.addresses.verifier + "/v1/checkpoint") as response:
                return open_checkpoint(await response.read(), key).checkpoint.size
        return 0

    await _still_or((await stand.log()).tree_size, size)


async def _still_or(wanted: int, look: Callable[[], Awaitable[int]]) -> int:
    """Return what is there once it is what is wanted, or more, or has not moved for `STILL_SECONDS`."""
    found, moved_at = await look(), time.monotonic()
    while found < wanted and time.monotonic() - moved_at < STILL_SECONDS:
        await asyncio.sleep(0.5)
        now = await look()
        found, moved_at = now, (moved_at if now == found else time.monotonic())
    return found


def _report(lines: list[Line], load: Load, faults: Faults, samples: list[Sample], seed: int) -> int:
    is_well = all(line.is_well for line in lines)
    for line in lines:
        say(f"{'well ' if line.is_well else 'WRONG'} {line.what}: {line.found}")
    for words in load.wrong[:10]:
        say(f"      {words}")
    if faults.recoveries:
        say("longest: " + ", ".join(f"{what} {max(each):.1f} s" for what, each in sorted(faults.recoveries.items())))
    say("load: " + ", ".join(f"{number} {what}" for what, number in load.counts.items()))
    say("faults: " + ", ".join(f"{number} {what}" for what, number in sorted(faults.counts.items())))
    say("flat and whole" if is_well else "NOT well: see the lines that say WRONG")
    RESULTS.mkdir(exist_ok=True)
    found = {"seed": seed, "lines": lines, "load": load.counts, "faults": faults.counts, "samples": samples}
    found["recoveries"] = faults.recoveries
    (RESULTS / "soak.json").write_bytes(msgspec.json.encode(found))
    return 0 if is_well else 1


if __name__ == "__main__":
    main()
