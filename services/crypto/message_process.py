"""A process of our own that answers messages (`messages`), as its parent has it: started, asked, heard, ended."""

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from typing import Self, TypeVar

import msgspec

from proto.canonical import DECODE_ERRORS
from services.crypto.messages import LENGTH_BYTES, framed

_T = TypeVar("_T")


class ProcessGoneError(Exception):
    """A process has ended, could not be started in time, or says what nobody understands."""


class MessageProcess:
    """One process, which has neither our environment nor our files; it is asked one thing at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._is_ended = False

    @classmethod
    async def start(cls, program: Sequence[str], greeting: "msgspec.msgpack.Decoder[_T]", *, seconds: float) -> Self:
        """Return a process that has said its greeting within so many seconds; `program` is what the interpreter runs.

        Raises `ProcessGoneError`. None is left behind where this is cancelled.
        """
        spawning = asyncio.ensure_future(_spawn(program))
        try:
            started = cls(await asyncio.shield(spawning))
        except OSError as error:
            raise ProcessGoneError from error
        except asyncio.CancelledError:
            await cls(await spawning).close()
            raise
        try:
            async with asyncio.timeout(seconds):
                await started.heard(greeting)
        except TimeoutError as error:
            await started.close()
            raise ProcessGoneError from error
        except BaseException:
            await started.close()
            raise
        return started

    @property
    def is_there(self) -> bool:
        """Whether it may be asked."""
        return not self._is_ended and self._process.returncode is None

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    def send(self, question: object) -> None:
        """Send what is asked; raises `ProcessGoneError` where it has ended and nobody has seen it yet."""
        stdin = self._process.stdin
        assert stdin is not None
        if stdin.is_closing():  # uvloop calls a write to it a RuntimeError
            raise ProcessGoneError
        stdin.write(framed(question))

    async def heard(self, answer: "msgspec.msgpack.Decoder[_T]") -> _T:
        """Return what it says next; raises `ProcessGoneError`."""
        assert self._process.stdout is not None
        try:
            head = await self._process.stdout.readexactly(LENGTH_BYTES)
            return answer.decode(await self._process.stdout.readexactly(int.from_bytes(head)))
        except (asyncio.IncompleteReadError, OSError, *DECODE_ERRORS) as error:
            raise ProcessGoneError from error

    def end(self) -> None:
        """End it, whatever it is doing."""
        self._is_ended = True
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """End it, and wait until it has ended."""
        self.end()
        await self._process.wait()


async def _spawn(program: Sequence[str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", *program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={},
    )
