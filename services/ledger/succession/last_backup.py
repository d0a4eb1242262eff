"""When the log was backed up last: a file in the signer's folder, which the backup writes and the ledger shows.

One line, a time in RFC 3339, so that whoever makes backups by other means writes it as well:
`date -u +%Y-%m-%dT%H:%M:%SZ > STATE_FOLDER/last-backup`. A copied folder says nothing newer than it holds.
"""

from datetime import datetime, timedelta
from pathlib import Path

from services.persistence.durable_file import READABLE, write_durably

NAME = "last-backup"
_AHEAD_MAX = timedelta(hours=1)
_BYTES_MAX = 100


def note_backup(state_folder: Path, made_at: datetime) -> None:
    """Write that a backup is complete; `made_at` is when it began. Raises `OSError`."""
    write_durably(state_folder / NAME, made_at.isoformat(timespec="seconds").encode() + b"\n", mode=READABLE)


def last_backup_at(state_folder: Path | None, now: datetime) -> datetime | None:
    """Return when the last backup was made; None where none is known, or what is written is no time, or none yet."""
    if state_folder is None:
        return None
    try:
        with (state_folder / NAME).open("rb") as file:
            found = datetime.fromisoformat(file.read(_BYTES_MAX).decode().strip())
    except (OSError, ValueError):
        return None
    return found if found.tzinfo is not None and found <= now + _AHEAD_MAX else None
