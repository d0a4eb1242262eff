"""Runs a program of our own over what strangers sent, for as long as it may take. Knows no format.

Memory, processor time and files are bounded by the program itself (`services.process_limits`). It keeps nothing: if we
crash here, its input ends, and so does it.
"""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

Work = asyncio.Future[tuple[bytes, bytes]]
Wait = Callable[[Work], Awaitable[None]]
"""Returns when the program has ended; raises `TimeoutError` where it takes too long."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a program ended: its status (0 is well), what it wrote, and what it said of a fault, in ASCII."""

    status: int
    written: bytes
    said: str


def within(seconds: float) -> Wait:
    """Return who waits for so many seconds."""

    async def wait(work: Work) -> None:
        async with asyncio.timeout(seconds):
            await asyncio.shield(work)

    return wait


async def run_bounded(
    program: Sequence[str], data: bytes, *, wait: Wait, environment: Mapping[str, str] | None = None
) -> Ended:
    """Run a Python program (the words after the interpreter) over `data` and return how it ended.

    Where `wait` raises, or we are cancelled, it is killed and waited for before that is raised on.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", *program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(environment or {}),
    )
    work = asyncio.ensure_future(process.communicate(data))
    try:
        await wait(work)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        written, said = await work  # ends with the process
    assert process.returncode is not None, "its output has ended, and it was waited for"
    return Ended(status=process.returncode, written=written, said=said.decode("ascii", "replace").strip())
