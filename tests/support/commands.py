"""Runs `credentify` as a user does: a process of its own, what is typed, and what it prints. Knows no command."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 300.0
STRICT = {"PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "error"}
"""An environment in which a warning is an error, and nothing is set that a test did not set."""


class Ran(NamedTuple):
    """How a command ended: its exit status, and what it printed on standard output and standard error."""

    status: int
    out: str
    err: str


async def credentify(*words: object, typed: str = "", environ: Mapping[str, str] | None = None) -> Ran:
    """Run the command to its end, in `environ` or in our own environment."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services", *map(str, words)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(os.environ if environ is None else environ),
    )
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            out, err = await process.communicate(typed.encode())
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())
