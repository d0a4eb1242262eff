"""A rehearsal of a restore: a backup is restored into a new folder, all of it checked, timed, and taken away again.

Needs nothing of the machine whose backup it is; the bundled PostgreSQL runs only meanwhile, and no key is put anywhere.
"""

import shutil
import tempfile
import time
from pathlib import Path

import msgspec

from proto.moment import Moment
from proto.problem import InvalidProblem
from services.command import backup_folder as names
from services.command.backup_folder import BackupFolder
from services.command.fsck import GATEWAY_NOT_CHECKED, Targets, check, exit_status, in_words, lines_of_unclean
from services.command.pg_tools import restore as restore_database
from services.embedded import EmbeddedPostgres, find_leavings, let_through, remove_leavings
from services.ledger import store
from services.persistence import postgres


class Rehearsed(msgspec.Struct, frozen=True, kw_only=True):
    """How a restore would go: entries, whether all is as it should be, and the seconds that its two halves took.

    `gateway_checked` is false where the master key was not at hand: the gateway's database was filled then, and not
    checked. `verdict` is `clean`, `DAMAGED` or `NOT WHOLLY CHECKED`; where it is not clean, `lines` say what was found
    and why not all could be checked. `exit_status` is that of `credentify fsck`.
    """

    made_at: Moment
    tree_size: int
    is_clean: bool
    verdict: str
    exit_status: int
    gateway_checked: bool
    damages: dict[str, int]
    lines: tuple[str, ...]
    restore_seconds: float
    check_seconds: float


async def rehearse(
    backup: BackupFolder, folder: Path | None, *, master_key_file: Path | None, key_folder: Path | None
) -> Rehearsed:
    """Restore a backup into a new folder (a temporary one without), check it, and remove it; changes nothing else.

    Raises a problem with words where the backup is damaged, or the folder is there already.
    """
    began = time.monotonic()
    manifest = backup.open()
    made = _new_folder(folder)
    database = made / "postgres"
    try:
        async with EmbeddedPostgres(database) as server:
            urls = await _filled(server, backup)
            restored = time.monotonic()
            has_gateway = backup.has(names.GATEWAY_DUMP) and master_key_file is not None
            reports = await check(
                Targets(
                    ledger_database=urls["ledger"],
                    gateway_database=urls.get("gateway") if has_gateway else None,
                    master_key_file=master_key_file if has_gateway else None,
                    key_folder=key_folder,
                )
            )
            if "gateway" in urls and not has_gateway:
                reports["gateway"] = GATEWAY_NOT_CHECKED
            async with postgres.connected(urls["ledger"], application_name="credentify-rehearsal") as connection:
                head = await store.head(connection)
    finally:
        remove_leavings(find_leavings(database))
        shutil.rmtree(made)
    return Rehearsed(
        made_at=manifest.made_at,
        tree_size=head.size if head else 0,
        is_clean=all(report.is_clean for report in reports.values()),
        verdict=in_words(reports),
        exit_status=exit_status(reports.values()),
        lines=tuple(lines_of_unclean(reports)),
        gateway_checked=has_gateway,
        damages={name: report.damage_count for name, report in reports.items()},
        restore_seconds=round(restored - began, 1),
        check_seconds=round(time.monotonic() - restored, 1),
    )


def _new_folder(folder: Path | None) -> Path:
    """Make the folder, which must be new: it is removed with all that is in it."""
    if folder is None:
        made = Path(tempfile.mkdtemp(prefix="credentify-rehearsal-"))
    else:
        try:
            folder.mkdir(parents=True, mode=0o700)
        except OSError as error:
            raise InvalidProblem(
                f"{folder} cannot be made ({error.strerror}): name a new folder, which is removed at the end"
            ) from error
        made = folder.resolve()
    let_through(made)
    return made


async def _filled(server: EmbeddedPostgres, backup: BackupFolder) -> dict[str, str]:
    """Fill a database from each dump and return their owners' URLs."""
    urls = {}
    for name, dump in (("ledger", names.LEDGER_DUMP), ("gateway", names.GATEWAY_DUMP)):
        if backup.has(dump):
            await server.ensure_database(name=name, owner_role=f"{name}_owner", running_role=f"{name}_running")
            urls[name] = server.url(role=f"{name}_owner", database=name)
            await restore_database(urls[name], backup.path(dump), with_grants=False)
    return urls
