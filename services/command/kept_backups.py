"""Backups that a schedule makes: a new folder each time, of which the newest are kept; the environment says of what.

Removed is only what this made: folders of this name with a whole manifest of the same log, older than those kept.
"""

import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec

from proto.canonical import DECODE_ERRORS
from proto.problem import InvalidProblem
from services.command.backup_folder import MANIFEST, BackupManifest
from services.command.migrate import migration_settings
from services.settings import FILE_ENDING, load_settings

_NAME = re.compile(r"backup-\d{8}T\d{6}Z")
_PREFIX = "CREDENTIFY_LEDGER_"


class SignerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup needs of the settings of the ledger that signs."""

    log_key_file: Annotated[Path, msgspec.Meta(description="The log's secret key")]
    state_folder: Annotated[Path, msgspec.Meta(description="The signer's memory")]


def named_by_time(parent: Path, now: datetime) -> Path:
    """Return the folder of a backup that begins now."""
    return parent / now.astimezone(UTC).strftime("backup-%Y%m%dT%H%M%SZ")


def is_in_environment() -> bool:
    """Tell whether the environment says what to copy: the ledger's database as its owner."""
    name = f"{_PREFIX}MIGRATION_DATABASE_URL"
    return any(os.environ.get(each) for each in (name, name + FILE_ENDING))


def signer_settings() -> SignerSettings:
    """Return where the log's key and the signer's memory lie by the environment; raises `SettingsFault`."""
    names = [f"{_PREFIX}{field.upper()}" for field in SignerSettings.__struct_fields__]
    return load_settings(SignerSettings, _PREFIX, {name: os.environ[name] for name in names if os.environ.get(name)})


def owners_url(service: str) -> str | None:
    """Return a database's URL as its owner by the environment, None where it says none; raises `SettingsFault`."""
    found = migration_settings(service)
    return found.migration_database_url if found else None


def remove_older(newest: Path, keep: int) -> tuple[Path, ...]:
    """Remove whole backups of the same log beside `newest`, except the `keep` newest ones; return those removed.

    Raises `InvalidProblem` where one cannot be removed.
    """
    made = _manifest(newest)
    assert made is not None, "it was completed just now"
    beside = [each for each in newest.parent.iterdir() if _NAME.fullmatch(each.name) and each.name <= newest.name]
    same = sorted(each for each in beside if (found := _manifest(each)) and found.origin == made.origin)
    older = tuple(same[:-keep])
    for each in older:
        try:
            (each / MANIFEST).unlink()  # without it this is no backup, also if we end here
            shutil.rmtree(each)
        except OSError as error:
            raise InvalidProblem(f"{each} cannot be removed: {error.strerror}") from error
    return older


def _manifest(folder: Path) -> BackupManifest | None:
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=BackupManifest)
    except (OSError, *DECODE_ERRORS):
        return None
