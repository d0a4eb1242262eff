"""`credentify backup`: one consistent copy of ledger and gateway with what cannot be made again.

It changes nothing but the note of when it was made, which the ledger shows. The order makes the copy usable: (1) the
gateway, which follows the log, (2) the log, which so has all that the gateway knew, (3) the signer's memory, which so
is never older than the log it signs for. Secrets that open other people's data or speak for the registrar stay out
unless they are asked for.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from proto.number_words import number_of_entries
from proto.problem import InvalidProblem
from services.command import backup_folder as names
from services.command.backup_folder import BackupFolder, BackupManifest
from services.command.home import default_folder, read_addresses
from services.command.kept_backups import (
    is_in_environment,
    named_by_time,
    owners_url,
    remove_older,
    signer_settings,
)
from services.command.output import as_json_option, command, console, print_json, running_data_option
from services.command.pg_tools import dump, postgres_programs_option
from services.command.speaker import now
from services.ledger import store
from services.ledger.succession.last_backup import NAME, note_backup
from services.ledger.succession.opening import require_log
from services.persistence import postgres

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)


class Origins(msgspec.Struct, frozen=True, kw_only=True):
    """Where the things to back up are; URLs are those of the owners' roles. None leaves a thing out."""

    ledger_database: str | None = None
    gateway_database: str | None = None
    log_key_file: Path | None = None
    state_folder: Path | None = None
    master_key_file: Path | None = None
    data: Path | None = None
    postgres_programs: Path | None = None


def origins_of(folder: Path) -> Origins:
    """Return what the running `up` on a data folder has."""
    addresses = read_addresses(folder)
    return Origins(
        ledger_database=addresses.ledger_database.replace("//ledger_running@", "//ledger_owner@"),
        gateway_database=addresses.gateway_database.replace("//gateway_running@", "//gateway_owner@"),
        log_key_file=folder / "ledger" / "log.key",
        state_folder=folder / "ledger",
        master_key_file=Path(addresses.master_key_file),
        data=folder,
    )


async def back_up(
    origins: Origins, folder: BackupFolder, *, with_master_key: bool, with_registrar: bool
) -> BackupManifest:
    """Write a complete backup into a new folder; raises a problem with words, and leaves nothing then."""
    if origins.ledger_database is None or origins.log_key_file is None or origins.state_folder is None:
        raise InvalidProblem("A backup needs --ledger-database, --log-key-file and --state-folder, or --data")
    async with postgres.connected(origins.ledger_database, application_name="credentify-backup") as connection:
        log, head = await require_log(connection), await store.head(connection)
    with folder.created():
        await _copy(origins, folder, with_master_key=with_master_key, with_registrar=with_registrar)
        return folder.complete(
            made_at=now(),
            origin=log.origin,
            log_verifier_key=log.verifier_key,
            tree_size=head.size if head else 0,
        )


def note_made(origins: Origins, began_at: datetime) -> None:
    """Write beside the signer's memory when the log was backed up, which the ledger shows; else say so."""
    assert origins.state_folder is not None, "a backup was made"
    try:
        note_backup(origins.state_folder, began_at)
    except OSError as error:
        click.echo(
            f"{origins.state_folder / NAME} cannot be written: {error.strerror}. The backup is complete, but the "
            "ledger does not know of it, and its age will be alarmed. Run this as a user who may write there",
            err=True,
        )


async def _copy(origins: Origins, folder: BackupFolder, *, with_master_key: bool, with_registrar: bool) -> None:
    assert origins.ledger_database is not None, "the caller has looked"
    assert origins.log_key_file is not None, "the same"
    assert origins.state_folder is not None, "the same"
    if origins.gateway_database:
        await dump(origins.gateway_database, folder.new_file(names.GATEWAY_DUMP), origins.postgres_programs)  # (1)
    await dump(origins.ledger_database, folder.new_file(names.LEDGER_DUMP), origins.postgres_programs)  # (2)
    folder.take(names.LAST_SIGNED, origins.state_folder / names.LAST_SIGNED)  # (3)
    folder.take(names.LOG_KEY, origins.log_key_file)
    if with_master_key and origins.master_key_file:
        folder.take(names.MASTER_KEY, origins.master_key_file)
    if origins.data is not None:
        folder.take(names.SETTINGS, origins.data / names.SETTINGS)
        for name in names.REGISTRAR_FILES if with_registrar else ():
            folder.take(name, origins.data / name)


def _chosen(named: Mapping[str, str | Path | None], data: Path | None) -> Origins:
    """Return what to copy: what is named, what the environment says, or what `up` has."""
    if any(named.values()):
        return msgspec.convert(dict(named), Origins)
    if data is None and is_in_environment():
        signer = signer_settings()
        return Origins(
            ledger_database=owners_url("ledger"),
            gateway_database=owners_url("gateway"),
            log_key_file=signer.log_key_file,
            state_folder=signer.state_folder,
        )
    return origins_of(data or default_folder())


def _new_folder(folder: Path | None, parent: Path | None, keep: int | None, began_at: datetime) -> Path:
    """Return the folder of this backup, as it was named or in the one for backups."""
    if (folder is None) == (parent is None) or (keep and parent is None):
        raise InvalidProblem("Name a new folder with --to; or one for backups with --in, and how many stay with --keep")
    return folder or named_by_time(parent or Path(), began_at)


@click.command()
@click.option("--to", "folder", type=_FOLDER, help="A new folder for this backup.")
@click.option("--in", "parent", type=_FOLDER, help="Instead of --to: a folder for backups, each named by its time.")
@click.option("--keep", type=click.IntRange(min=1), help="With --in: remove all but this many of this log's newest.")
@running_data_option
@click.option("--ledger-database", help="The ledger's database as its owner (postgresql://…).")
@click.option("--gateway-database", help="The gateway's database as its owner (postgresql://…).")
@click.option("--log-key-file", type=_FILE, help="The log's secret key.")
@click.option("--state-folder", type=_FOLDER, help="The signer's memory.")
@click.option("--master-key-file", type=_FILE, help="The gateway's master key, for --with-master-key.")
@postgres_programs_option
@click.option("--with-master-key", is_flag=True, help="Put the key that opens all documents beside them.")
@click.option("--with-registrar", is_flag=True, help="Put the registrar's keys of `up` in as well.")
@as_json_option
@command
async def backup(
    *,
    folder: Path | None,
    parent: Path | None,
    keep: int | None,
    data: Path | None,
    with_master_key: bool,
    with_registrar: bool,
    as_json: bool,
    postgres_programs: Path | None,
    **named: str | Path | None,
) -> None:
    """Copy ledger and gateway, the log's key and the signer's memory into a folder; services may run meanwhile.

    What to copy is named, or that of CREDENTIFY_LEDGER_MIGRATION_DATABASE_URL, …_LOG_KEY_FILE, …_STATE_FOLDER and
    CREDENTIFY_GATEWAY_MIGRATION_DATABASE_URL (with the two …_DATABASE_URL, as for `migrate`), or that of `up`.
    """
    origins = msgspec.structs.replace(_chosen(named, data), postgres_programs=postgres_programs)
    began_at = datetime.now(UTC)
    folder = _new_folder(folder, parent, keep, began_at)
    made = await back_up(origins, BackupFolder(folder), with_master_key=with_master_key, with_registrar=with_registrar)
    note_made(origins, began_at)
    removed = remove_older(folder, keep) if keep else ()
    if as_json:
        print_json(made)
        return
    console.print(f"backed up {made.origin} with {number_of_entries(made.tree_size)} to {folder}")
    console.print("it holds the log's secret key: keep it as you keep keys")
    for each in removed:
        console.print(f"removed the older {each}")
    if not with_master_key:
        console.print("not in it: the gateway's master key, without which no document can be read. Keep it elsewhere")
    if origins.gateway_database:
        console.print("never in it: the learners' keys (folder learner-keys). Copy them elsewhere, over the last copy")
    if origins.data is not None and not with_registrar:
        console.print("not in it: the registrar's keys (folder registrar). Keep them elsewhere")
