"""RDF forms of strangers' documents, made in processes of our own that are killed when they take too long. Judges none.

While one document takes long, the other processes are for those that do not: at most all but one may be slow at once,
and a document that would be one more is given up early. So nobody's quick document waits for anybody's endless one.
"""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec

from proto.canonical import DECODE_ERRORS
from proto.problem import InvalidProblem
from services.crypto.data_integrity import ProofNotCheckedProblem
from services.crypto.json_ld_contexts import UndefinedTermsProblem, UnknownContextProblem
from services.crypto.message_process import MessageProcess, ProcessGoneError
from services.crypto.messages import LENGTH_BYTES, framed
from services.crypto.rdf_blank_nodes import UnsupportedJsonLdProblem
from services.crypto.rdf_canonical import CanonicalForm
from services.crypto.rdf_worker import FormAnswer, FormAnswers, SentProblem

QUICK_SECONDS = 0.5
ANSWER_SECONDS_MAX = 6.0
"""By the clock; the processor time that one request may take is bounded by the process itself (`rdf_worker`)."""
START_SECONDS_MAX = 20.0
REQUEST_BYTES_MAX = 16_777_216
PROGRAM = ("-m", "services.crypto.rdf_worker")
_ANSWERS = msgspec.msgpack.Decoder(FormAnswers)
_PROBLEMS: dict[str, type[InvalidProblem]] = {
    problem.slug: problem for problem in (UndefinedTermsProblem, UnknownContextProblem, UnsupportedJsonLdProblem)
}
_TOO_LONG = "What the document means takes too long to work out; its signature was not checked"


class FormMakers:
    """Makes RDF forms while `processes` is entered; belongs to one loop."""

    def __init__(self, *, process_count: int, program: Sequence[str] = PROGRAM) -> None:
        self._program = program
        self._count = process_count
        self._places = asyncio.Semaphore(process_count)
        self._slow = asyncio.Semaphore(max(1, process_count - 1))
        self._idle: list[MessageProcess] = []
        self._working: set[MessageProcess] = set()
        self._starting: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def processes(self, *, warm_count: int | None = None) -> AsyncIterator[None]:
        """Have the processes while the block runs; all or so many get warm meanwhile, others begin when needed."""
        for _ in range(self._count if warm_count is None else warm_count):
            self._begin_another(None)
        try:
            yield
        finally:
            for task in tuple(self._starting):
                task.cancel()
            await asyncio.gather(*self._starting, return_exceptions=True)
            for worker in (*self._idle, *self._working):
                await worker.close()
            self._idle.clear()
            self._working.clear()

    @property
    def pids(self) -> list[int]:
        """The ids of the processes that wait for work."""
        return [worker.pid for worker in self._idle]

    async def forms(self, nodes: Sequence[bytes]) -> list[CanonicalForm | InvalidProblem]:
        """Return for each JSON document its form, or why it has none or was not made."""
        if sum(map(len, nodes)) > REQUEST_BYTES_MAX:
            return [ProofNotCheckedProblem("These documents are too large to be worked out together")] * len(nodes)
        async with self._places:
            worker = await self._ready()
            if worker is None:
                return [ProofNotCheckedProblem("What documents mean cannot be worked out now; ask again")] * len(nodes)
            try:
                found = await self._answered(worker, nodes)
            except (ProcessGoneError, TimeoutError):
                found = None
            finally:
                self._give_back(worker)
        if found is None or len(found) != len(nodes):
            return [UnsupportedJsonLdProblem(_TOO_LONG)] * len(nodes)
        return [_read(item) for item in found]

    async def _ready(self) -> MessageProcess | None:
        """Return a process that is there, one that gets warm now, or a new one; None where none can be started."""
        while not self._idle and self._starting:
            await asyncio.wait(self._starting, return_when=asyncio.FIRST_COMPLETED)
        worker = self._idle.pop() if self._idle else None
        if worker is None or not worker.is_there:
            try:
                worker = await self._started()
            except ProcessGoneError:
                return None
        self._working.add(worker)
        return worker

    async def _started(self) -> MessageProcess:
        return await MessageProcess.start(self._program, _ANSWERS, seconds=START_SECONDS_MAX)

    async def _answered(self, worker: MessageProcess, nodes: Sequence[bytes]) -> tuple[FormAnswer, ...]:
        """Return the answers; a process that does not answer is ended. Raises `ProcessGoneError`, `TimeoutError`."""
        is_done = False
        answering = asyncio.ensure_future(self._asked(worker, nodes))
        try:
            await asyncio.wait({answering}, timeout=QUICK_SECONDS)
            if not answering.done():
                if self._slow.locked():
                    raise TimeoutError
                async with self._slow, asyncio.timeout(ANSWER_SECONDS_MAX - QUICK_SECONDS):
                    await asyncio.shield(answering)
            said = await answering
            is_done = not said.is_last
            return said.found
        finally:
            if not is_done:
                worker.end()
            if not answering.done():
                answering.cancel()
                await asyncio.gather(answering, return_exceptions=True)

    async def _asked(self, worker: MessageProcess, nodes: Sequence[bytes]) -> FormAnswers:
        worker.send(list(nodes))
        return await worker.heard(_ANSWERS)

    def _give_back(self, worker: MessageProcess) -> None:
        """Keep a process for the next, or begin another in place of one that was ended."""
        if worker.is_there:
            self._working.discard(worker)
            self._idle.append(worker)
        else:
            self._begin_another(worker)

    def _begin_another(self, ended: MessageProcess | None, *, more: int = 0) -> None:
        task = asyncio.create_task(self._begin(ended, more), name="rdf-worker")
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _begin(self, ended: MessageProcess | None, more: int) -> None:
        if ended is not None:
            await ended.close()
            self._working.discard(ended)
        with contextlib.suppress(ProcessGoneError):
            self._idle.append(await self._started())
        if more:
            self._begin_another(None, more=more - 1)


def forms_apart(documents: Sequence[Mapping[str, Any]]) -> list[CanonicalForm]:
    """Return the forms of documents, made in a process of their own that is ended when it takes too long.

    For who reads one document and waits; raises why one of them has no form.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-I", *PROGRAM],
            input=framed([msgspec.json.encode(document) for document in documents]),
            stdout=subprocess.PIPE,
            env={},
            timeout=START_SECONDS_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnsupportedJsonLdProblem(_TOO_LONG) from error
    greeting_bytes = LENGTH_BYTES + int.from_bytes(done.stdout[:LENGTH_BYTES])
    try:
        found = [_read(item) for item in _ANSWERS.decode(done.stdout[greeting_bytes + LENGTH_BYTES :]).found]
    except DECODE_ERRORS as error:
        raise UnsupportedJsonLdProblem(_TOO_LONG) from error
    forms = []
    for form in found:
        if isinstance(form, InvalidProblem):
            raise form
        forms.append(form)
    return forms


def _read(answered: FormAnswer) -> CanonicalForm | InvalidProblem:
    problem = _problem(answered.problem) if answered.problem else None
    if answered.digest is None:
        return problem or UnsupportedJsonLdProblem(_TOO_LONG)
    return CanonicalForm(digest=answered.digest, gap=problem if isinstance(problem, UndefinedTermsProblem) else None)


def _problem(said: SentProblem) -> InvalidProblem:
    kind = _PROBLEMS.get(said.slug, UnsupportedJsonLdProblem)
    members = {"undefined": list(said.undefined)} if said.undefined else None
    return kind(said.detail, pointer=said.pointer, members=members)
