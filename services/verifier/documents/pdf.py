"""Credentials that travel inside of a PDF: taken out by a program of its own, within bounds. Judges nothing."""

import asyncio
from collections.abc import Sequence

import msgspec

from proto.bundles.bundle import MEDIA_TYPE as BUNDLE
from proto.canonical import DECODE_ERRORS
from proto.problem import InvalidProblem
from services.bounded_program import Ended, Work, run_bounded
from services.edge.places import Places

PDF_MEDIA = "application/pdf"
READERS_MAX = 3
READERS_PER_ADDRESS = 2
SLOW_READERS_MAX = 1
"""So many PDFs may take longer than `QUICK_SECONDS` at once; one more is given up then, so that others find a place."""
QUICK_SECONDS = 2.0
READ_SECONDS_MAX = 20.0
"""By the clock, for machines that have much else to do; how much work one may be, its program's processor time says."""
WAIT_SECONDS_MAX = 12.0
WAITING_MAX = 16
PROGRAM = ("-m", "services.verifier.documents.pdf_process")
_MARKS = ("credentialSubject", "VerifiablePresentation")
_DECODE = msgspec.json.Decoder(list[str]).decode


class PdfProblem(InvalidProblem):
    """The PDF cannot be read, or holds no credential, or several."""

    slug = "pdf"
    title = "No credential can be taken out of the PDF"


class PdfReader:
    """Takes credentials out of PDFs, at most `READERS_MAX` at once."""

    def __init__(self, *, program: Sequence[str] = PROGRAM) -> None:
        self._program = program
        self._places = Places(
            count=READERS_MAX,
            per_address=READERS_PER_ADDRESS,
            waiting_max=WAITING_MAX,
            wait_seconds_max=WAIT_SECONDS_MAX,
        )
        self._slow = asyncio.Semaphore(SLOW_READERS_MAX)

    async def credential_in(self, data: bytes, *, address: str = "") -> bytes:
        """Return the one credential or presentation (JSON) that is attached to the PDF; raises `PdfProblem`.

        `address` is whose place it takes; raises `BusyProblem` where the others take too long.
        """
        return (await self.with_bundle(data, address=address))[0]

    async def with_bundle(self, data: bytes, *, address: str = "") -> tuple[bytes, bytes | None]:
        """Return the same and what is attached beside it to show offline that it is authentic; raises the same."""
        async with self._places.place(address):
            texts = await self._read(data)
        found = [text for text in texts if any(mark in text for mark in _MARKS)]
        if not found:
            raise PdfProblem(
                "No credential (JSON) is attached to this PDF. Its pages prove nothing: ask for the JSON file"
            )
        if len(found) > 1:
            raise PdfProblem(f"{len(found)} credentials are attached to this PDF; take them out and send each alone")
        bundles = [text for text in texts if BUNDLE in text and text not in found]
        return found[0].encode(), bundles[0].encode() if bundles else None

    async def _read(self, data: bytes) -> list[str]:
        try:
            return _texts(await run_bounded(self._program, data, wait=self._wait_for))
        except TimeoutError as error:
            raise PdfProblem("The PDF takes too long to read; send the credential's JSON itself") from error

    async def _wait_for(self, reading: Work) -> None:
        """Return when it is read; raises `TimeoutError`, early where too many others take long already."""
        await asyncio.wait({reading}, timeout=QUICK_SECONDS)
        if reading.done():
            return
        if self._slow.locked():
            raise TimeoutError
        async with self._slow, asyncio.timeout(READ_SECONDS_MAX - QUICK_SECONDS):
            await asyncio.shield(reading)


def _texts(ended: Ended) -> list[str]:
    """Return the texts that the program wrote, or raise `PdfProblem` with what it said."""
    if ended.status:
        words = ended.said[-80:] or "it broke its reader"
        raise PdfProblem(f"The PDF cannot be read ({words}); send the credential's JSON itself")
    try:
        return _DECODE(ended.written)
    except DECODE_ERRORS as error:
        raise PdfProblem("The PDF's attachments cannot be read; send the credential's JSON itself") from error


__all__ = ["PDF_MEDIA", "PdfProblem", "PdfReader"]
