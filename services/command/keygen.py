"""`credentify keygen`: makes a key pair and writes it to a file that only its owner reads."""

from pathlib import Path

import click

from proto.keys import SecretKey
from services.command.key_file import write_key
from services.command.output import as_json_option, command, console, print_json


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The new key file.")
@as_json_option
@command
async def keygen(*, out: Path, as_json: bool) -> None:
    """Make an Ed25519 key: an institution's recovery key, or a registrar's. Keep the file offline."""
    key = SecretKey.generate()
    write_key(out, key)
    if as_json:
        print_json({"file": str(out), "public_key": key.public_key})
        return
    console.print(f"secret key  {out} (mode 0600; keep it offline, and a copy of it elsewhere)")
    console.print(f"public key  {key.public_key}")
