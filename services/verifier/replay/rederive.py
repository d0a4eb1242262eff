"""Replays the log beside an imported projection and compares the two: `python -m services.verifier.replay.rederive`.

A process of its own, of low priority, told its settings on standard input and ended with it; the report of
`services.verifier.fsck` is its only line of output.
"""

import asyncio
import contextlib
import os
import sys
import threading

import msgspec

from services.settings import decode_settings
from services.verifier.config import Config
from services.verifier.fsck import Report, check
from services.verifier.replay.settings_pipe import hand_settings

NICE = 10
_DECODE = msgspec.json.Decoder(Report).decode


class RederivationError(Exception):
    """The process ended without a report."""


async def rederived(config: Config) -> Report:
    """Return what the replay found; raises `RederivationError` and `OSError`. Cancelled, it ends the process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.verifier.replay.rederive"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        await hand_settings(process.stdin, config)
        line = await process.stdout.readline()
        status = await process.wait()
    finally:
        process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if status or not line:
        raise RederivationError(f"The process that replays the log again ended with status {status}")
    return _DECODE(line)


def main() -> None:
    """Read the settings, check, write the report."""
    config = decode_settings(sys.stdin.buffer.readline(), Config)
    threading.Thread(target=_end_with_parent, daemon=True, name="end-of-input").start()
    os.nice(NICE)
    report = asyncio.run(check(config))
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # not through the buffer, whose lock would be held when this process ends
    os._exit(1)


if __name__ == "__main__":
    main()
