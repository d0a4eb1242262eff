"""`python -m tests.ha`: the services on a database of three nodes, on loopback; stays up until Ctrl-C or SIGTERM.

With `--failovers N`, faults are brought about, and what came of them is judged. Exit status 1: something was lost,
doubled or forked, or a revoked credential was called valid; 3: what it needs cannot be had here.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from tests.bench.results import say
from tests.bench.stopping import run_until_signal
from tests.ha.packages import MissingError, find_programs
from tests.ha.stand import open_ha_stand

MISSING = 3


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.ha", description=__doc__)
    parser.add_argument("--proxy", choices=("none", "haproxy"), default="none", help="what leads to the writing node")
    parser.add_argument("--data", type=Path, default=None, help="a new folder for all files; else a temporary one")
    return parser.parse_args()


async def _run(given: argparse.Namespace) -> int:
    try:
        programs = await asyncio.to_thread(find_programs, with_haproxy=given.proxy == "haproxy")
    except MissingError as error:
        say(f"skipped      {error}")
        return MISSING
    async with open_ha_stand(programs, folder=given.data) as stand:
        say("\n".join(["", *stand.lines(), "stop         Ctrl-C", ""]))
        await asyncio.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(run_until_signal(_run(_arguments())))
