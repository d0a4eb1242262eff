"""`python -m tests.ha`: the services on a database of three nodes, on loopback; stays up until Ctrl-C or SIGTERM.

With `--failovers N`, faults are brought about, and what came of them is judged. Exit status 1: something was lost,
doubled or forked, or a revoked credential was called valid; 3: what it needs cannot be had here.
"""

import argparse
import asyncio
import secrets
import sys
from pathlib import Path

from tests.bench.results import say
from tests.bench.stopping import run_until_signal
from tests.ha.faults import FAULTS, TOGETHER_MAX
from tests.ha.packages import MissingError, find_programs
from tests.ha.report import kept, lines
from tests.ha.run import dealt_kinds, run_failovers, speed_of_one
from tests.ha.stand import open_ha_stand

MISSING = 3


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.ha", description=__doc__)
    parser.add_argument("--proxy", choices=("none", "haproxy"), default="none", help="what leads to the writing node")
    parser.add_argument("--data", type=Path, default=None, help="a new folder for all files; else a temporary one")
    parser.add_argument("--failovers", type=int, default=0, help="bring so many faults about, judge, and end")
    parser.add_argument("--minutes", type=float, default=None, help="begin no further fault after so many minutes")
    parser.add_argument("--seed", type=int, default=None, help="the seed of an earlier run: the same faults again")
    parser.add_argument(
        "--together", type=int, choices=range(1, TOGETHER_MAX + 1), default=1, help="faults at one time"
    )
    parser.add_argument(
        "--standby-required",
        choices=("true", "false"),
        default="true",
        help="DATABASE_STANDBY_REQUIRED of ledgers and gateways",
    )
    parser.add_argument("--without-speed", action="store_true", help="do not measure appends a second")
    parser.add_argument("--only", action="append", choices=sorted(FAULTS), help="these kinds of faults, in this order")
    return parser.parse_args()


async def _run(given: argparse.Namespace) -> int:
    try:
        programs = await asyncio.to_thread(find_programs, with_haproxy=given.proxy == "haproxy")
    except MissingError as error:
        say(f"skipped      {error}")
        return MISSING
    is_run = given.failovers > 0 or given.only
    one = await speed_of_one(say) if is_run and not given.only and not given.without_speed else None
    is_standby_required = given.standby_required == "true"
    async with open_ha_stand(programs, folder=given.data, is_standby_required=is_standby_required) as stand:
        say("\n".join(["", *stand.lines(), "stop         Ctrl-C", ""]))
        if not is_run:
            await asyncio.Event().wait()
        seed = secrets.randbelow(1_000_000_000) if given.seed is None else given.seed
        say(f"seed         {seed}")
        dealt = dealt_kinds(seed, given.failovers, together=given.together)
        rounds = [(kind,) for kind in given.only] if given.only else dealt
        run = await run_failovers(
            stand, rounds=rounds, seed=seed, one=one, tell=say, proxy=given.proxy, minutes=given.minutes
        )
        say("\n".join(lines(run, kept(run))))
    return 0 if run.judgement.is_clean else 1


if __name__ == "__main__":
    sys.exit(run_until_signal(_run(_arguments())))
