"""`credentify restore`: fills empty databases from a backup, puts keys into place, and checks everything again.

What a restored log must never do is sign less than was published. So the signer's memory is the newest checkpoint that
is known: the one in place, the one in the backup, or the one that the operator names. Where it is newer than the
restored log, the ledger refuses to sign until the lost entries are back (`credentify ledger recover`).
"""

import contextlib
import sqlite3
import sys
from pathlib import Path

import click
import msgspec

from proto.log.checkpoint import OpenedCheckpoint, open_checkpoint
from proto.log.note_key import VerifierKey, parse_vkey
from proto.number_words import number_of_entries
from proto.problem import ConflictProblem, InvalidProblem, Problem
from services.command import backup_folder as names
from services.command.backup_folder import BackupFolder, BackupManifest
from services.command.fsck import GATEWAY_NOT_CHECKED, Targets, check, in_words, lines_of_unclean
from services.command.home import Home, default_folder
from services.command.key_file import write_secret
from services.command.note_file import read_note
from services.command.output import as_json_option, command, console, print_json
from services.command.pg_tools import postgres_programs_option
from services.command.pg_tools import restore as restore_database
from services.command.rehearsal import Rehearsed, rehearse
from services.command.tile_source import open_source
from services.embedded import EmbeddedPostgres
from services.fsck_report import Report
from services.issuer_gateway.keys.vault import FILE_NAME
from services.ledger import store
from services.persistence import bucket, postgres
from services.persistence.durable_file import write_durably
from services.persistence.sqlite_records import SQLITE_ERRORS

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)


class Destinations(msgspec.Struct, frozen=True, kw_only=True):
    """Where a backup goes; databases are empty, and their URLs those of the owners' roles."""

    ledger_database: str | None = None
    gateway_database: str | None = None
    log_key_file: Path | None = None
    state_folder: Path | None = None
    master_key_file: Path | None = None
    key_folder: Path | None = None
    postgres_programs: Path | None = None


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What is in place now: entries of the log, entries that it has signed, and whether it can sign on."""

    tree_size: int
    signed_size: int
    is_clean: bool
    verdict: str
    """`clean`, `DAMAGED` or `NOT WHOLLY CHECKED`; where it is not clean, `lines` say why."""
    damages: dict[str, int]
    lines: tuple[str, ...]

    @property
    def can_sign(self) -> bool:
        """Whether all that was signed is there."""
        return self.signed_size <= self.tree_size


async def put_back(folder: BackupFolder, to: Destinations, *, published: str | None, nothing_newer: bool) -> Restored:
    """Restore a backup: (1) it is whole; (2) the newest checkpoint; (3) databases; (4) keys; (5) all checked again.

    Raises a problem with words; a database is filled whole or not at all, and no file is overwritten but an older
    memory of the signer.
    """
    manifest = folder.open()  # (1)
    if to.ledger_database is None or to.log_key_file is None or to.state_folder is None:
        raise InvalidProblem("A restore needs --ledger-database, --log-key-file and --state-folder, or --data")
    newest = await _newest(folder, manifest, to.state_folder, published=published, nothing_newer=nothing_newer)  # (2)
    await _fill(to.ledger_database, folder.path(names.LEDGER_DUMP), to.postgres_programs)  # (3)
    if folder.has(names.GATEWAY_DUMP) and to.gateway_database:
        await _fill(to.gateway_database, folder.path(names.GATEWAY_DUMP), to.postgres_programs)
    _put_file(folder.path(names.LOG_KEY), to.log_key_file)  # (4)
    if folder.has(names.MASTER_KEY) and to.master_key_file:
        _put_file(folder.path(names.MASTER_KEY), to.master_key_file)
    write_durably(to.state_folder / names.LAST_SIGNED, newest.encoded)
    return await _checked(folder, to, newest)  # (5)


async def _newest(
    folder: BackupFolder, manifest: BackupManifest, state_folder: Path, *, published: str | None, nothing_newer: bool
) -> OpenedCheckpoint:
    """Return the newest checkpoint that is known to be signed; without any word of what came later there is none."""
    key = parse_vkey(manifest.log_verifier_key)
    known = [_opened(folder.path(names.LAST_SIGNED).read_bytes(), key, "the backup")]
    in_place = state_folder / names.LAST_SIGNED
    if in_place.exists():
        known.append(_opened(in_place.read_bytes(), key, str(in_place)))
    if published:
        known.append(_opened(await _fetch(published), key, published))
    if len(known) == 1 and not nothing_newer:
        raise InvalidProblem(
            "Nobody knows here what the log has signed since this backup was made. Name the newest checkpoint with "
            "--published FILE|URL (of a mirror, a witness, a follower); or, if the log was stopped before the backup, "
            "say --nothing-newer"
        )
    return max(known, key=lambda opened: opened.checkpoint.size)


def _opened(note: bytes, key: VerifierKey, where: str) -> OpenedCheckpoint:
    try:
        return open_checkpoint(note, key)
    except Problem as error:
        raise InvalidProblem(f"The checkpoint of {where} is not one of this log: {error.detail}") from error


async def _fetch(source: str) -> bytes:
    """Return the checkpoint of a log or a mirror of it, by its address or bucket, or the one in a file."""
    if source.startswith(("http://", "https://", bucket.SCHEME)):
        async with open_source(source) as opened:
            return await opened.checkpoint()
    return read_note(Path(source))


async def _fill(url: str, dump: Path, programs: Path | None) -> None:
    async with postgres.connected(url, application_name="credentify-restore") as connection:
        if await connection.fetchval("SELECT true FROM pg_class WHERE relnamespace = 'public'::regnamespace LIMIT 1"):
            raise ConflictProblem("The database is not empty: a backup is restored into a new one")
    await restore_database(url, dump, programs)


def _put_file(source: Path, target: Path) -> None:
    """Put a secret into place; the same one may be there already."""
    content = source.read_bytes()
    if target.exists() and target.read_bytes() == content:
        return
    write_secret(target, content)


async def _checked(folder: BackupFolder, to: Destinations, newest: OpenedCheckpoint) -> Restored:
    master_key = to.master_key_file if to.master_key_file and to.master_key_file.exists() else None
    has_gateway = folder.has(names.GATEWAY_DUMP) and to.gateway_database and master_key
    reports: dict[str, Report] = await check(
        Targets(
            ledger_database=to.ledger_database,
            gateway_database=to.gateway_database if has_gateway else None,
            master_key_file=master_key,
            key_folder=to.key_folder,
        )
    )
    if folder.has(names.GATEWAY_DUMP) and to.gateway_database and not has_gateway:
        reports["gateway"] = GATEWAY_NOT_CHECKED
    assert to.ledger_database is not None, "put_back checked it"
    async with postgres.connected(to.ledger_database, application_name="credentify-restore") as connection:
        head = await store.head(connection)
    return Restored(
        tree_size=head.size if head else 0,
        signed_size=newest.checkpoint.size,
        is_clean=all(report.is_clean for report in reports.values()),
        verdict=in_words(reports),
        lines=tuple(lines_of_unclean(reports)),
        damages={name: report.damage_count for name, report in reports.items()},
    )


async def put_back_bundled(
    folder: BackupFolder,
    home: Home,
    *,
    master_key_file: Path | None,
    key_folder: Path | None,
    published: str | None,
    nothing_newer: bool,
) -> Restored:
    """Restore into a new data folder of `up`, with the bundled PostgreSQL, which runs only meanwhile.

    The learners' keys are copied from `key_folder`: they are in no backup, so that erasing a learner reaches all of it.
    """
    folder.open()
    if not folder.has(names.SETTINGS):
        raise InvalidProblem("This backup was not made of `credentify up`: name databases and files instead of --data")
    _put_file(folder.path(names.SETTINGS), home.path(names.SETTINGS))
    if master_key_file is not None:
        _put_file(master_key_file, home.path(names.MASTER_KEY))
    for name in names.REGISTRAR_FILES:
        if folder.has(name):
            _put_file(folder.path(name), home.path(name))
    if key_folder is not None:
        copy_keys(key_folder, home.path("learner-keys"))
    async with EmbeddedPostgres(home.path("postgres")) as server:
        for name in ("ledger", "gateway"):
            await server.ensure_database(name=name, owner_role=f"{name}_owner", running_role=f"{name}_running")
        to = Destinations(
            ledger_database=server.url(role="ledger_owner", database="ledger"),
            gateway_database=server.url(role="gateway_owner", database="gateway"),
            log_key_file=home.path("ledger", names.LOG_KEY),
            state_folder=home.path("ledger"),
            master_key_file=home.path(names.MASTER_KEY),
            key_folder=home.path("learner-keys"),
        )
        return await put_back(folder, to, published=published, nothing_newer=nothing_newer)


def copy_keys(source: Path, target: Path) -> None:
    """Copy the learners' keys, as SQLite copies a database that may be in use; raises `InvalidProblem` with words."""
    try:
        target.mkdir(parents=True, mode=0o700)
        copy = target / FILE_NAME
        copy.touch(mode=0o600)
        with (
            contextlib.closing(sqlite3.connect(f"{(source / FILE_NAME).resolve().as_uri()}?mode=ro", uri=True)) as old,
            contextlib.closing(sqlite3.connect(copy)) as new,
        ):
            old.backup(new)
    except SQLITE_ERRORS as error:
        raise InvalidProblem(f"The learners' keys in {source} cannot be copied to {target}: {error}") from error


@click.command()
@click.option("--from", "folder", type=_FOLDER, required=True, help="The folder of a backup.")
@click.option("--data", envvar="CREDENTIFY_DATA", type=_FOLDER, help="A new data folder for `up`.")
@click.option("--ledger-database", help="An empty database, as its owner (postgresql://…).")
@click.option("--gateway-database", help="An empty database, as its owner (postgresql://…).")
@click.option("--log-key-file", type=_FILE, help="Where the log's secret key goes.")
@click.option("--state-folder", type=_FOLDER, help="Where the signer's memory goes.")
@click.option("--master-key-file", type=_FILE, help="The gateway's master key, where it is not in the backup.")
@click.option("--key-folder", type=_FOLDER, help="The learners' keys, which are in no backup.")
@click.option(
    "--published",
    help="The newest checkpoint of the log: a file, or who shows it (mirror, log, witness): http…, s3://BUCKET/FOLDER.",
)
@postgres_programs_option
@click.option("--nothing-newer", is_flag=True, help="The log was stopped before the backup was made.")
@click.option(
    *("--rehearse", "is_rehearsal"),
    is_flag=True,
    help="Only try it: into a new folder (--data, else a temporary one) that is checked, timed and removed.",
)
@as_json_option
@command
async def restore(
    *,
    folder: Path,
    data: Path | None,
    published: str | None,
    nothing_newer: bool,
    as_json: bool,
    master_key_file: Path | None,
    key_folder: Path | None,
    postgres_programs: Path | None,
    is_rehearsal: bool,
    **named: str | Path | None,
) -> None:
    """Restore a backup into empty databases, or a new data folder, and check everything again."""
    backup = BackupFolder(folder)
    if is_rehearsal:
        if any(named.values()) or published or nothing_newer:
            raise InvalidProblem(
                "A rehearsal has a folder of its own: leave out where else it would go, and what is newest"
            )
        _print_rehearsed(
            await rehearse(backup, data, master_key_file=master_key_file, key_folder=key_folder), as_json=as_json
        )
        return
    if any(named.values()):
        files = {"master_key_file": master_key_file, "key_folder": key_folder, "postgres_programs": postgres_programs}
        to = msgspec.convert(named | files, Destinations)
        done = await put_back(backup, to, published=published, nothing_newer=nothing_newer)
    else:
        home = Home(data or default_folder())
        with home.open_new():
            done = await put_back_bundled(
                backup,
                home,
                master_key_file=master_key_file,
                key_folder=key_folder,
                published=published,
                nothing_newer=nothing_newer,
            )
    if as_json:
        print_json({**msgspec.to_builtins(done), "can_sign": done.can_sign})
        return
    _print(done)


def _print(done: Restored) -> None:
    console.print(f"restored {number_of_entries(done.tree_size)}; checked again: {done.verdict}")
    for line in done.lines:
        console.print(f"  {line}", markup=False)
    if not done.can_sign:
        console.print(
            f"the log has signed {number_of_entries(done.signed_size)}: it will not start to sign until what is "
            f"missing ({done.signed_size - done.tree_size}) is back, with `credentify ledger recover --from MIRROR` "
            "(RUNBOOK.md: older-database)"
        )


def _print_rehearsed(done: Rehearsed, *, as_json: bool) -> None:
    """Print how the rehearsal went; what is damaged ends with status 1, what could not be checked with 3."""
    if as_json:
        print_json(done)
    else:
        checked = "ledger and gateway" if done.gateway_checked else "ledger; the gateway only with --master-key-file"
        console.print(f"rehearsed   backup of {done.made_at}, {number_of_entries(done.tree_size)}")
        console.print(f"checked     {checked}: {done.verdict}")
        for line in done.lines:
            console.print(f"            {line}", markup=False)
        console.print(f"time        {done.restore_seconds:g} s to restore, {done.check_seconds:g} s to check")
    if done.exit_status:
        sys.exit(done.exit_status)
