"""A program of its own: lays out one paper from standard input and writes it to standard output. Asks nobody.

What is laid out was written by others and may be long beyond measure, so this process has little memory, little time
and no files (`services.issuer_gateway.papers.papers` starts it). All words are data for a template that lies beside
this module; nothing of them is read as code. Exit status 1 and a word on standard error: no paper.
"""

import re
import sys
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from services.process_limits import confine

MEMORY_BYTES = 1_610_612_736
"""Address space, of which the library's code and its threads' stacks take the larger part."""
CPU_SECONDS = 10
OUTPUT_BYTES_MAX = 33_554_432
PDF_STANDARDS: Final[tuple[Literal["a-3a", "ua-1"], ...]] = ("a-3a", "ua-1")
"""Archived for long, with its source attached (PDF/A-3a), and read by screen readers (PDF/UA-1)."""
_FOLDER = Path(__file__).parent
_TRIES = 6
_UNPRINTED = re.compile(r'the text `"((?:[^"\\]|\\.)*)"` could not be displayed')
_SIGN = "▯"


class PaperOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One paper to be laid out: the template's name, its form, its words, and files that go into it."""

    template: str
    form: Literal["pdf", "png", "svg"]
    said: dict[str, Any]
    files: dict[str, str] = {}
    logo: bytes | None = None
    """A PNG; one that cannot be drawn is left out."""
    fonts: str | None = None
    pixels_per_inch: float = 144.0


def laid_out(order: PaperOrder) -> bytes:
    """Return the paper; letters for which no font is there stand as a sign. Raises what the library does."""
    import typst  # noqa: PLC0415 - the bounds come first

    source = (_FOLDER / f"{order.template}.typ").read_bytes()
    folders = [str(_FOLDER / "fonts"), *([order.fonts] if order.fonts else [])]
    fonts = typst.Fonts(include_system_fonts=False, font_paths=folders)
    said, logo = order.said, _listed(order.logo)
    for left in range(_TRIES, 0, -1):
        try:
            made = typst.compile(
                source,
                format=order.form,
                font_paths=fonts,
                sys_inputs={"said": msgspec.json.encode(said).decode(), **order.files, **logo},
                pdf_standards=[*PDF_STANDARDS] if order.form == "pdf" else None,
                ppi=order.pixels_per_inch,
            )
        except typst.TypstError as error:
            unprinted = set(_UNPRINTED.findall(error.diagnostic))
            if left == 1 or not (unprinted or logo):
                raise
            if unprinted:
                said = _without(said, unprinted) | {"has_unprinted": True}
            else:
                logo = {}
            continue
        return made
    raise AssertionError("the last try returns or raises")


def _listed(logo: bytes | None) -> dict[str, str]:
    """Return a picture as a template takes it: the library passes texts alone."""
    return {"logo": msgspec.json.encode(list(logo)).decode()} if logo else {}


def _without(said: Any, unprinted: set[str]) -> Any:
    """Return words in which each letter that no font has is a sign."""
    if isinstance(said, str):
        for letters in sorted(map(_unescaped, unprinted), key=len, reverse=True):
            said = said.replace(letters, _SIGN)
        return said
    if isinstance(said, list):
        return [_without(item, unprinted) for item in said]
    return {name: _without(item, unprinted) for name, item in said.items()} if isinstance(said, dict) else said


def _unescaped(text: str) -> str:
    """Return the letters that the library names: it writes some as Rust does, by their number in braces."""
    text = re.sub(r"\\u\{([0-9a-f]{1,6})\}", lambda found: chr(int(found[1], 16)), text)
    return re.sub(r"\\(.)", r"\1", text)


def main() -> int:
    """Read, lay out, write, and return the exit status."""
    confine(memory_bytes=MEMORY_BYTES, cpu_seconds=CPU_SECONDS)
    made = laid_out(msgspec.json.decode(sys.stdin.buffer.read(), type=PaperOrder))
    if len(made) > OUTPUT_BYTES_MAX:
        sys.stderr.write("large")
        return 1
    sys.stdout.buffer.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
