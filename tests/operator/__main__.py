"""`make operator-walk`: as an operator who has only deploy/OPERATIONS.md, on a bare machine, with a stopwatch."""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.operator.machine import bare, booted, nspawn
from tests.operator.walk import Walk, carried_in
from tests.upgrade.releases import previous_code

NEEDED = ("mmdebstrap", "nsenter", "dpkg-deb")


async def main() -> None:
    """Make a machine, walk, and take it away."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the machine's files, and say where")
    options = parser.parse_args()
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        sys.exit(f"unrun: it needs root, and on Debian {', '.join(missing) or 'what is there'}")
    folder = Path(tempfile.mkdtemp(prefix="credentify-operator-"))
    try:
        began = time.monotonic()
        program, files = nspawn(folder), bare(folder)
        _, before = previous_code(folder)
        carried_in(files, before)
        sys.stdout.write(f"{time.monotonic() - began:7.1f} s  a bare machine, and what is carried to it\n")
        async with booted(program, files) as machine:
            await Walk(machine).all()
        sys.stdout.write("operator walk: ok\n")
    finally:
        if options.keep:
            sys.stdout.write(f"the machine is in {folder}\n")
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    asyncio.run(main())
