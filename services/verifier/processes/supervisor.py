"""A verifier of several processes: this one replays, and starts and watches those that answer, on one shared port.

The kernel deals connections out (SO_REUSEPORT). What the others need to know of the replay stands in a state in memory
that they share; the projection's file they read themselves. If this process hangs, what they know grows old, and their
answers become indeterminate; if it ends, however, they end with it. One that ends is started again, and one that hangs
(`heartbeat`) is ended and started again.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvloop
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

from services.edge import ListenFault, Log
from services.edge.service_manager import service_manager
from services.edge.sockets import bound_sockets
from services.process_memory import settle_memory
from services.settings import SettingsFault
from services.tracing import Tracing, open_tracing
from services.verifier.app import Shared
from services.verifier.config import Config
from services.verifier.limits.api_keys import read_keys
from services.verifier.limits.quotas import Usage
from services.verifier.processes.answer_process import TRACE_SIGNAL, WorkerConfig
from services.verifier.processes.exposition import SUFFIX, Exposition, forget
from services.verifier.processes.heartbeat import LOOK_SECONDS, Silence, beats
from services.verifier.replay.replay import replaying
from services.verifier.replay.settings_pipe import hand_settings
from services.verifier.replay.shared_state import SharedState
from services.verifier.witness.witness import open_witness

REPLAY = "replay"
RESTART_SECONDS = (0.2, 30.0)
_DOUBLINGS_MAX = 16
"""Far more than the longest pause needs; a number of thousands of digits is no float any more."""
GOOD_SECONDS = 60.0
"""Who ran for so long is started again at once when it ends."""
STOP_SECONDS = 5.0
"""Beyond the time that running requests have."""
TRACE_SECONDS = 1.0
"""A process that hangs has so long to write where."""
_LOOK_SECONDS = 0.02


def run(config: Config) -> None:
    """Serve with `config.workers` processes and one more, until SIGTERM or SIGINT, then stop."""
    settle_memory()
    uvloop.run(_main(config))


async def _main(config: Config) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await serve_workers(config, log=Log("verifier", sys.stdout.buffer), stop=stop)


async def serve_workers(config: Config, *, log: Log, stop: asyncio.Event) -> None:
    """Replay here and answer there until `stop` is set.

    Raises what `replaying` raises, `SettingsFault` and `WitnessMemoryProblem` for files that no process could use,
    and `ListenFault`.
    """
    await asyncio.to_thread(_check_files, config)
    with _own_folder(config) as folder, reserved(config.host, config.port) as port:
        shared = Shared(state_file=folder / "state", quotas_file=folder / "quotas")
        with contextlib.closing(_made(shared)) as shared_state:
            async with (
                _tracing(config, log) as tracing,
                replaying(config, log, tell=shared_state.write, tracing=tracing) as replay,
                asyncio.TaskGroup() as group,
            ):
                names = [f"worker-{number}" for number in range(1, config.workers + 1)]
                registry = CollectorRegistry()
                registry.register(replay.metrics)
                ProcessCollector(registry=registry)
                pool = WorkerPool(
                    log,
                    registry,
                    stop_seconds=config.shutdown_timeout_seconds + STOP_SECONDS,
                    silence_seconds_max=config.worker_silence_seconds_max,
                )
                writing = group.create_task(Exposition(folder, REPLAY).keep_writing(registry))
                for name in names:
                    worker = WorkerConfig(name=name, config=replace(config, port=port), folder=folder, shared=shared)
                    group.create_task(pool.keep(worker, stop))
                await _listening(folder, names, stop)
                if not stop.is_set():
                    log.event("started", host=config.host, port=port, workers=config.workers)
                    async with service_manager().told():
                        await stop.wait()
                writing.cancel()
    log.flush()


@contextlib.asynccontextmanager
async def _tracing(config: Config, log: Log) -> AsyncIterator[Tracing | None]:
    """Have traces of what this process asks the log, where there are any, while the block runs."""
    tracing = open_tracing(
        url=config.traces_url,
        share=config.traces_share,
        service="verifier",
        version=version("credentify"),
        say=log.warning,
    )
    if tracing is None:
        yield None
        return
    async with tracing.running():
        yield tracing


def _made(shared: Shared) -> SharedState:
    """Make the files that all share."""
    try:
        Usage.make(shared.quotas_file)
        return SharedState(shared.state_file)
    except OSError as error:
        raise SettingsFault(f"{shared.state_file.parent} has no room for what the processes share: {error}") from error


def _check_files(config: Config) -> None:
    """Raise for a file that no process could use, before any is started."""
    if config.api_keys_file is not None:
        read_keys(config.api_keys_file)
    if (opened := open_witness(config, lambda *_: None)) is not None:
        opened[1].close()


async def _listening(folder: Path, names: list[str], stop: asyncio.Event) -> None:
    """Return once all have said that they listen, which they do by writing their first figures."""
    while not stop.is_set() and not all((folder / f"{name}{SUFFIX}").exists() for name in names):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _LOOK_SECONDS)


class WorkerPool:
    """The processes that answer."""

    def __init__(
        self, log: Log, registry: CollectorRegistry, *, stop_seconds: float, silence_seconds_max: float
    ) -> None:
        self._log = log
        self._stop_seconds = stop_seconds
        self._silence_seconds_max = silence_seconds_max
        self._heard: set[Silence] = set()
        Gauge(
            "credentify_verifier_workers", "Processes that answer; one that hangs is none.", registry=registry
        ).set_function(lambda: sum(not each.is_unheard for each in tuple(self._heard)))
        self._hung = Counter(
            "credentify_verifier_workers_hung",
            "Processes that hung and were ended. Anything but 0 is a fault of ours, or somebody stopped them: standard "
            "error holds where each hung.",
            registry=registry,
        )

    async def keep(self, worker: WorkerConfig, stop: asyncio.Event) -> None:
        """Have one process run until `stop`, starting it again when it ends."""
        failures = 0
        while not stop.is_set():
            begun, status = time.monotonic(), "not started"
            try:
                async with self._process(worker) as (process, silence):
                    await _first_of(process.wait(), stop.wait(), self._hang(worker, process, silence))
                status = str(process.returncode)
            except OSError as error:  # no memory, no more processes: the others go on
                status = f"not started: {error}"
            if stop.is_set():
                return
            seconds = time.monotonic() - begun
            failures = 0 if seconds > GOOD_SECONDS else failures + 1
            pause_seconds = pause_before(failures)
            self._log.warning(
                "worker_ended",
                worker=worker.name,
                status=status,
                seconds=round(seconds, 1),
                again_in_seconds=pause_seconds,
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_seconds)

    async def _hang(self, worker: WorkerConfig, process: asyncio.subprocess.Process, silence: Silence) -> None:
        """Return once the process hangs; then it is ended, which it cannot hear of."""
        while not silence.is_hung():  # noqa: ASYNC110 - it is looked at every second, whatever it says
            await asyncio.sleep(LOOK_SECONDS)
        self._hung.inc()
        self._log.warning("worker_hangs", worker=worker.name, pid=process.pid, silent_seconds=round(silence.seconds, 1))
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(TRACE_SIGNAL)
            await asyncio.sleep(TRACE_SECONDS)
            process.kill()

    @contextlib.asynccontextmanager
    async def _process(self, worker: WorkerConfig) -> AsyncIterator[tuple[asyncio.subprocess.Process, Silence]]:
        with beats() as pipe:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "services.verifier.processes.answer_process"),
                stdin=asyncio.subprocess.PIPE,
                pass_fds=(pipe.writing,),
            )
            assert process.stdin is not None
            silence = Silence(process.pid, pipe.reading, seconds_max=self._silence_seconds_max)
            self._heard.add(silence)
            self._log.event("worker_started", worker=worker.name, pid=process.pid)
            try:
                await hand_settings(process.stdin, replace(worker, beats_to=pipe.writing))
                yield process, silence
            finally:
                process.stdin.close()
                try:
                    await asyncio.wait_for(process.wait(), self._stop_seconds)
                except TimeoutError:
                    self._log.warning("worker_killed", worker=worker.name, seconds=self._stop_seconds)
                    process.kill()
                    await process.wait()
                self._heard.discard(silence)
                forget(worker.folder, worker.name)


async def _first_of(*works: Coroutine[Any, Any, object]) -> None:
    """Return once one of these is done; the others are cancelled."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def pause_before(failures: int) -> float:
    """Return the seconds after which a process that has failed so often in a row is started again."""
    return min(RESTART_SECONDS[1], RESTART_SECONDS[0] * float(2 ** min(failures, _DOUBLINGS_MAX)))


@contextlib.contextmanager
def _own_folder(config: Config) -> Iterator[Path]:
    """Make the folder of what is shared, beside the projection; nobody else replays into that while the block runs."""
    folder = config.database_file.with_name(f"{config.database_file.name}.workers")
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = stack.enter_context((folder / "lock").open("wb"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for file in folder.glob(f"*{SUFFIX}"):
                file.unlink()
        except BlockingIOError as error:
            raise SettingsFault(
                f"Another verifier replays into {config.database_file}: stop it, or set another "
                "CREDENTIFY_VERIFIER_DATABASE_FILE"
            ) from error
        except OSError as error:
            raise SettingsFault(f"The folder {folder} cannot be used: {error}") from error
        yield folder
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def reserved(host: str, port: int) -> Iterator[int]:
    """Keep a port for those that share it, while the block runs, and yield its number; raises `ListenFault`.

    A socket that does not listen is dealt no connection. Others who listen there already are found out first: they,
    too, might have agreed to share.
    """
    if not hasattr(socket, "SO_REUSEPORT") or not hasattr(os, "posix_fallocate"):
        raise ListenFault(
            "This needs Linux, which deals a shared port's connections out: set CREDENTIFY_VERIFIER_WORKERS=1"
        )
    with bound_sockets(host, port):  # nobody else listens there
        pass
    with bound_sockets(host, port, reuse_port=True) as kept:
        yield kept[0].getsockname()[1]
