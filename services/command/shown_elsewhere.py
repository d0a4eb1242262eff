"""What a log showed to somebody else, for `credentify audit --compare`: from a verifier, an address, or a file."""

import asyncio
from pathlib import Path

import aiohttp

from proto.log.note import SignatureProblem
from proto.problem import InvalidProblem, MalformedProblem, NotFoundProblem
from services.auditor import Auditor, Seen
from services.clients.log_client import LogAnswerProblem
from services.clients.shown_checkpoint import shown_at

_TIMEOUT_SECONDS = 10.0
_NOTE_BYTES_MAX = 65_536


async def compared(auditor: Auditor, session: aiohttp.ClientSession, seen: Seen, others: tuple[str, ...]) -> Seen:
    """Compare with each, and return what was seen last; raises what `Auditor.compare` raises, and where one shows none.

    What cannot be compared is never passed over: then the audit has not found what it was asked to find.
    """
    for source in others:
        note = await _note(session, source)
        try:
            seen = await auditor.compare(note) or seen
        except (MalformedProblem, InvalidProblem, SignatureProblem) as problem:
            detail = f"What {source} shows was not signed by this log: {problem.detail}"
            raise LogAnswerProblem(detail) from problem
    return seen


async def _note(session: aiohttp.ClientSession, source: str) -> bytes:
    if source.startswith(("http://", "https://")):
        return await shown_at(session, source, timeout_seconds=_TIMEOUT_SECONDS).checkpoint()
    return await asyncio.to_thread(_read, source)


def _read(file: str) -> bytes:
    try:
        with Path(file).open("rb") as opened:
            return opened.read(_NOTE_BYTES_MAX)
    except OSError as error:
        raise NotFoundProblem(f"{file} cannot be read: {error.strerror}") from error
