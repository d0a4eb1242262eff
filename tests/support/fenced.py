"""The commands of a page: what stands in its fenced blocks for a shell, as it is printed."""

from collections.abc import Iterator

SHELL = frozenset({"", "sh"})
"""What is written behind a fence of commands; other blocks (`ini`, `text`) are files, or pictures."""


def fenced(text: str, kinds: frozenset[str] = SHELL) -> Iterator[str]:
    """Yield each block of commands, in order; of one in a list without its indentation."""
    lines: list[str] | None = None
    indent, is_command = 0, False
    for line in text.splitlines():
        bare = line.lstrip()
        if lines is None and bare.startswith("```"):
            lines, indent, is_command = [], len(line) - len(bare), bare[3:].strip() in kinds
        elif lines is not None and bare == "```":
            if is_command:
                yield "".join(lines)
            lines = None
        elif lines is not None:
            lines.append(f"{line[indent:] if not line[:indent].strip() else line}\n")
