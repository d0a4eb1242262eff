"""One process that answers from what another one replays: `python -m services.verifier.processes.answer_process`.

It is told everything in one line on standard input, and ends when that is closed: whatever happens to the process that
replays, none that answers is left behind. Asked to interrupt (Ctrl-C reaches all), it waits for that too. It says each
second that it has its turns; asked by `TRACE_SIGNAL`, whatever it does, it writes to standard error where it is.
"""

import asyncio
import contextlib
import faulthandler
import os
import signal
import sys
import threading
from pathlib import Path

import msgspec
import uvloop

from services.edge import REGISTRY, Log, serve
from services.process_memory import settle_memory
from services.settings import decode_settings
from services.verifier.app import Shared, make_answering_app
from services.verifier.config import Config
from services.verifier.processes.exposition import Exposition
from services.verifier.processes.heartbeat import keep_beating

TRACE_SIGNAL = signal.SIGUSR2


class WorkerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is told; the port in `config` is the one that all share, `beats_to` an open descriptor."""

    name: str
    config: Config
    folder: Path
    shared: Shared
    beats_to: int | None = None


async def work(worker: WorkerConfig, stop: asyncio.Event) -> None:
    """Answer until told to stop."""
    log, exposition = Log("verifier", sys.stdout.buffer), Exposition(worker.folder, worker.name)
    app = make_answering_app(worker.config, worker.shared, log=log, expose=exposition.expose)
    beside: list[asyncio.Task[None]] = []

    def started(_: object) -> None:
        beside.append(asyncio.create_task(exposition.keep_writing(app[REGISTRY]), name="exposition"))

    if worker.beats_to is not None:
        beside.append(asyncio.create_task(keep_beating(worker.beats_to), name="beats"))
    try:
        await serve(
            app,
            host=worker.config.host,
            port=worker.config.port,
            stop=stop,
            on_started=started,
            reuse_port=True,
        )
    finally:
        for task in beside:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def main() -> None:
    """Read the settings and work until the end of standard input, or SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.register(TRACE_SIGNAL)
    worker = decode_settings(sys.stdin.buffer.readline(), WorkerConfig)
    settle_memory()

    async def run() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stop.set)

        def wait_for_the_end() -> None:
            os.read(sys.stdin.fileno(), 1)  # not through the buffer, whose lock would be held when this process ends
            with contextlib.suppress(RuntimeError):  # the loop may have ended before
                loop.call_soon_threadsafe(stop.set)

        threading.Thread(target=wait_for_the_end, daemon=True, name="end-of-input").start()
        await work(worker, stop)

    uvloop.run(run())


if __name__ == "__main__":
    main()
