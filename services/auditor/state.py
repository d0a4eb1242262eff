"""What an auditor keeps in its folder: the newest proven checkpoint and its evidence, written durably. Knows no HTTP.

The projection beside it (SQLite) can be thrown away and is filled from the log again; this cannot: it is what a log
that rolls back or forks is compared with.
"""

from pathlib import Path
from typing import TypeVar

import msgspec

from proto.canonical import DECODE_ERRORS
from proto.ids import TreeSize
from proto.log.checkpoint import Checkpoint, open_checkpoint
from proto.log.finding import Finding
from proto.log.note_key import VerifierKey
from proto.problem import Problem
from services.persistence.durable_file import write_durably

_T = TypeVar("_T")
PIN_FILE, PROJECTION_FILE, EVIDENCE_FILE = "audited.json", "projection.sqlite", "evidence.json"


class AuditStateProblem(Problem):
    """The auditor's own files cannot be used; nothing is overwritten."""

    slug = "audit-state"
    title = "The auditor's state cannot be used"
    status = 500


class Pin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The checkpoint up to which everything was proven, and up to which size every tile was compared."""

    checkpoint: str
    tiles_size: TreeSize


class AuditState:
    """The files of one audit of one log; one process at a time uses the folder."""

    def __init__(self, folder: Path, key: VerifierKey) -> None:
        """Read and check what is there; raises `AuditStateProblem` for what is damaged or of another log."""
        self._key = key
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AuditStateProblem(f"{folder} cannot be made: {error.strerror}") from error
        self.pin: Pin | None = self._read(PIN_FILE, Pin)
        self.finding: Finding | None = self._read(EVIDENCE_FILE, Finding)
        self.pinned: Checkpoint | None = self._opened(self.pin) if self.pin else None

    @property
    def projection_path(self) -> Path:
        """Where the projection lies."""
        return self._folder / PROJECTION_FILE

    @property
    def evidence_path(self) -> Path:
        """Where evidence is written by default."""
        return self._folder / EVIDENCE_FILE

    def keep(self, checkpoint: bytes, *, tiles_size: TreeSize) -> None:
        """Remember durably that everything up to this checkpoint was proven; older than the pinned one is a bug."""
        pin = Pin(checkpoint=checkpoint.decode(), tiles_size=tiles_size)
        if pin == self.pin:
            return
        opened = self._opened(pin)
        assert self.pinned is None or opened.size >= self.pinned.size, "what was proven never shrinks"
        write_durably(self._folder / PIN_FILE, msgspec.json.encode(pin))
        self.pin, self.pinned = pin, opened

    def forget_projection(self) -> None:
        """Throw away all but the pin and the evidence, so that every entry and tile is read anew."""
        for path in self._folder.glob(f"{PROJECTION_FILE}*"):
            path.unlink()
        if self.pin is not None:
            self.keep(self.pin.checkpoint.encode(), tiles_size=TreeSize(0))

    def _read(self, name: str, kind: type[_T]) -> _T | None:
        path = self._folder / name
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except (OSError, *DECODE_ERRORS) as error:
            raise AuditStateProblem(
                f"{path} cannot be read ({error}). It may be all that shows what the log once signed: look at it, then "
                "move it away to begin anew"
            ) from error

    def _opened(self, pin: Pin) -> Checkpoint:
        path = self._folder / PIN_FILE
        try:
            opened = open_checkpoint(pin.checkpoint.encode(), self._key).checkpoint
        except Problem as problem:
            raise AuditStateProblem(f"{path} is not of the log {self._key.name}: {problem.detail}") from problem
        if pin.tiles_size > opened.size:
            raise AuditStateProblem(f"{path} says that more tiles were compared than there are: it is damaged")
        return opened
