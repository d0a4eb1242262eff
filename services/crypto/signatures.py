"""Signatures checked side by side: in processes of our own while they run, else in threads. Knows no event, no rule.

Threads alone are slow beside other Python work: after each signature a thread waits for the interpreter lock, which the
work gives up every five milliseconds only. A process has a lock of its own.
"""

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Self

import msgspec

from proto.canonical import DECODE_ERRORS
from services.crypto.messages import LENGTH_BYTES, framed
from services.crypto.signature_worker import Item, bad_places

ANSWER_SECONDS_MAX = 120.0
"""A process that takes longer is ended, and its work done here."""
SHARE_MIN = 64
"""Fewer signatures than this are not worth a hand-over."""
_PLACES = msgspec.msgpack.Decoder(list[int])


class WorkerGoneError(Exception):
    """A process ended, or does not answer."""


class _Worker:
    """One process. Lists are sent at once, and answered in the order sent, so that it never waits for us."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._waiting: deque[asyncio.Future[list[int]]] = deque()
        self.is_ready = False
        self._reading = asyncio.create_task(self._read(), name="signature-worker")

    @classmethod
    async def start(cls) -> Self:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.crypto.signature_worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def bad(self, items: Sequence[Item]) -> list[int]:
        """Return the places of bad signatures; raises `WorkerGoneError`."""
        stdin = self._process.stdin
        if stdin is None or stdin.is_closing() or self._reading.done():
            raise WorkerGoneError
        answer: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        stdin.write(framed(items))
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                return await answer
        except TimeoutError as error:
            self._end()
            raise WorkerGoneError from error

    async def _read(self) -> None:
        """Give each answer to who asked first; whoever is left when the process ends is told."""
        assert self._process.stdout is not None
        try:
            while True:
                head = await self._process.stdout.readexactly(LENGTH_BYTES)
                places = _PLACES.decode(await self._process.stdout.readexactly(int.from_bytes(head)))
                if not self.is_ready:
                    self.is_ready = True
                elif not (answer := self._waiting.popleft()).done():
                    answer.set_result(places)
        except (asyncio.IncompleteReadError, OSError, *DECODE_ERRORS, IndexError):
            self.is_ready = False
        finally:
            while self._waiting:
                if not (answer := self._waiting.popleft()).done():
                    answer.set_exception(WorkerGoneError())

    def _end(self) -> None:
        self.is_ready = False
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        self._end()
        await self._process.wait()
        await self._reading


class SignatureCheckers:
    """Checks signatures; `processes` says for how long there are processes for it."""

    def __init__(self, *, thread_count: int, process_count: int) -> None:
        self._thread_count = thread_count
        self._process_count = process_count
        self._workers: list[_Worker] = []

    @contextlib.asynccontextmanager
    async def processes(self) -> AsyncIterator[None]:
        """Have the processes while the block runs; where they cannot be started, threads do it all."""
        try:
            with contextlib.suppress(OSError):
                while len(self._workers) < self._process_count:
                    self._workers.append(await _Worker.start())
            yield
        finally:
            workers, self._workers = self._workers, []
            for worker in workers:
                await worker.close()

    @property
    def has_processes(self) -> bool:
        """Whether a process is there that checks now."""
        return any(worker.is_ready for worker in self._workers)

    @property
    def pids(self) -> list[int]:
        """The processes' ids."""
        return [worker.pid for worker in self._workers]

    async def bad(self, items: Sequence[Item]) -> list[int]:
        """Return the places of the signatures that do not verify, in order."""
        workers = [worker for worker in self._workers if worker.is_ready]
        share = max(SHARE_MIN, -(-len(items) // (len(workers) or self._thread_count)))
        starts = range(0, len(items), share)
        found = await asyncio.gather(
            *(_part(workers[number] if workers else None, items[at : at + share]) for number, at in enumerate(starts))
        )
        return [at + place for at, places in zip(starts, found, strict=True) for place in places]


async def _part(worker: _Worker | None, items: Sequence[Item]) -> list[int]:
    if worker is not None:
        with contextlib.suppress(WorkerGoneError):
            return await worker.bad(items)
    return await asyncio.to_thread(bad_places, items)
