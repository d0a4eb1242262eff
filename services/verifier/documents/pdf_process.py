"""A program of its own: reads a PDF from standard input and writes the credentials attached to it. Asks nobody.

PDF is a format in which strangers can hide work without end, so it is read in a process that has little memory, little
time and no files (`services.verifier.documents.pdf` starts it). Standard output is one JSON list of texts: the attached
files (ISO 32000-2 section 7.11.4) that are JSON objects. Exit status 1 and a word on standard error: no readable PDF.
"""

import contextlib
import io
import json
import sys

from services.process_limits import confine

MEMORY_BYTES = 104_857_600
CPU_SECONDS = 3
ATTACHMENTS_MAX = 32
ATTACHMENT_BYTES_MAX = 1_048_576
ATTACHED_BYTES_MAX = 4_194_304
"""Of all attachments that are JSON objects together; who starts this program holds them in memory."""


def attached(data: bytes) -> list[str]:
    """Return the attached files that are JSON objects; raises what the library does."""
    from pypdf import PdfReader  # noqa: PLC0415 - the bounds come first

    found, left = [], ATTACHED_BYTES_MAX
    for number, file in enumerate(PdfReader(io.BytesIO(data)).attachment_list):
        if number >= ATTACHMENTS_MAX:
            break
        content = file.content
        if len(content) <= min(ATTACHMENT_BYTES_MAX, left) and content.lstrip().startswith(b"{"):
            with contextlib.suppress(UnicodeDecodeError):
                found.append(content.decode())
                left -= len(content)
    return found


def main() -> int:
    """Read, write, and return the exit status."""
    confine(memory_bytes=MEMORY_BYTES, cpu_seconds=CPU_SECONDS)
    try:
        found = attached(sys.stdin.buffer.read())
    except MemoryError:
        sys.stderr.write("It needs more memory than it may have")
        return 1
    sys.stdout.write(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
