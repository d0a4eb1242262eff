"""`credentify snapshot export|import`: a verifier's projection as a signed copy, for a new replica to begin with."""

import asyncio
from pathlib import Path

import click

from proto.log.note_key import parse_vkey
from proto.number_words import number_of_entries
from services.command.output import as_json_option, command, console, print_json
from services.verifier.projection import snapshot as snapshots

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group()
def snapshot() -> None:
    """Copy a verifier's records under a signature, or begin a new verifier with such a copy."""


@snapshot.command("export")
@click.option("--verifier-file", type=_FILE, required=True, help="The projection; its verifier may run.")
@click.option("--key", "key_file", type=_FILE, required=True, help="The key of `keygen --snapshot`.")
@click.option("--out", type=_FOLDER, required=True, help="The new folder.")
@as_json_option
@command
async def export_command(*, verifier_file: Path, key_file: Path, out: Path, as_json: bool) -> None:
    """Copy the records as of now, and sign for them."""
    key = snapshots.load_snapshot_key(key_file)
    found = await asyncio.to_thread(snapshots.export, verifier_file, key, out)
    if as_json:
        print_json(found)
        return
    console.print(
        f"{out}: {number_of_entries(found.size)} of {found.origin}, from its first on",
        soft_wrap=True,
        markup=False,
    )
    console.print(f"signed for by {key.verifier.text}", soft_wrap=True, markup=False)


@snapshot.command("import")
@click.argument("folder", type=_FOLDER)
@click.option("--trust", multiple=True, required=True, metavar="VKEY", help="Whose signature counts; several may.")
@click.option(
    "--log-verifier-key", envvar="CREDENTIFY_VERIFIER_LOG_VERIFIER_KEY", required=True, help="The log's public key."
)
@click.option(
    "--verifier-file", envvar="CREDENTIFY_VERIFIER_DATABASE_FILE", type=_FILE, required=True, help="The new projection."
)
@as_json_option
@command
async def import_command(
    *, folder: Path, trust: tuple[str, ...], log_verifier_key: str, verifier_file: Path, as_json: bool
) -> None:
    """Begin a verifier with a signed copy; start it afterwards, and it derives all of it again from the log."""
    keys = [parse_vkey(text) for text in trust]
    found = await asyncio.to_thread(snapshots.load, folder, keys, parse_vkey(log_verifier_key), verifier_file)
    if as_json:
        print_json(found)
        return
    console.print(
        f"{verifier_file}: {number_of_entries(found.size)} of {found.origin}, from its first on",
        soft_wrap=True,
        markup=False,
    )
    console.print("Start the verifier now. Its answers are marked as imported until it has replayed the log itself.")
