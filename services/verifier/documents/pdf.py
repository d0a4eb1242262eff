"""Credentials that travel inside of a PDF: taken out by a program of its own, within bounds. Judges nothing."""

import asyncio
import contextlib
import sys

import msgspec

from proto.problem import BusyProblem, InvalidProblem

PDF_MEDIA = "application/pdf"
READERS_MAX = 2
READ_SECONDS_MAX = 12.0
_MAGIC = b"%PDF-"
_MAGIC_WITHIN = 1_024
_PROGRAM = "services.verifier.documents.pdf_process"
_MARKS = ("credentialSubject", "VerifiablePresentation")
_DECODE = msgspec.json.Decoder(list[str]).decode


class PdfProblem(InvalidProblem):
    """The PDF cannot be read, or holds no credential, or several."""

    slug = "pdf"
    title = "No credential can be taken out of the PDF"


def is_pdf(data: bytes) -> bool:
    """Tell whether this is a PDF (ISO 32000-2 section 7.5.2: its header may follow other bytes)."""
    return _MAGIC in data[:_MAGIC_WITHIN]


class PdfReader:
    """Takes credentials out of PDFs, at most `READERS_MAX` at once."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(READERS_MAX)

    async def credential_in(self, data: bytes) -> bytes:
        """Return the one credential or presentation (JSON) that is attached to the PDF; raises `PdfProblem`.

        Raises `BusyProblem` where the others take too long.
        """
        try:
            async with asyncio.timeout(READ_SECONDS_MAX):
                await self._places.acquire()
        except TimeoutError as error:
            raise BusyProblem(
                "Other PDFs are being read. Send this one again in a moment, or send the credential's JSON itself"
            ) from error
        try:
            found = [text for text in await _read(data) if any(mark in text for mark in _MARKS)]
        finally:
            self._places.release()
        if not found:
            raise PdfProblem(
                "No credential (JSON) is attached to this PDF. Its pages prove nothing: ask for the JSON file"
            )
        if len(found) > 1:
            raise PdfProblem(f"{len(found)} credentials are attached to this PDF; take them out and send each alone")
        return found[0].encode()


async def _read(data: bytes) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", _PROGRAM),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={},
    )
    try:
        async with asyncio.timeout(READ_SECONDS_MAX):
            written, said = await process.communicate(data)
    except TimeoutError as error:
        raise PdfProblem("The PDF takes too long to read; send the credential's JSON itself") from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    if process.returncode:
        words = said.decode("ascii", "replace")[-80:].strip() or "it broke its reader"
        raise PdfProblem(f"The PDF cannot be read ({words}); send the credential's JSON itself")
    try:
        return _DECODE(written)
    except msgspec.DecodeError as error:
        raise PdfProblem("The PDF's attachments cannot be read; send the credential's JSON itself") from error


__all__ = ["PDF_MEDIA", "PdfProblem", "PdfReader", "is_pdf"]
