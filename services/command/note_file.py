"""Signed notes in files. Verifies nothing."""

from pathlib import Path

from proto.log.note import NOTE_BYTES_MAX
from proto.problem import InvalidProblem


def read_note(path: Path) -> bytes:
    """Return what is in a file, at most a little more than a note may have; raises `InvalidProblem` with words."""
    try:
        with path.open("rb") as file:
            return file.read(NOTE_BYTES_MAX + 1)
    except OSError as error:
        raise InvalidProblem(f"The checkpoint {path} cannot be read: {error.strerror}") from error
