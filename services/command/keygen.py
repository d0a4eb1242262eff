"""`credentify keygen`: makes a key pair and writes it to a file that only its owner reads."""

from pathlib import Path

import click

from proto.keys import SecretKey
from proto.log.note_key import KeyKind, SignerKey, check_key_name
from proto.problem import InvalidProblem
from services.command.key_file import write_key, write_secret
from services.command.output import as_json_option, command, console, print_json


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The new key file.")
@click.option(
    "--witness", metavar="NAME", help="Make a witness key of this name instead, such as witness.example.org/credentify."
)
@click.option("--snapshot", metavar="NAME", help="Make a key of this name that signs for a verifier's snapshots.")
@click.option("--statement", metavar="NAME", help="Make a key of this name that signs a verifier's dated statements.")
@as_json_option
@command
async def keygen(*, out: Path, witness: str | None, snapshot: str | None, statement: str | None, as_json: bool) -> None:
    """Make an Ed25519 key: an institution's recovery key, a registrar's, or a witness's. Keep the first two offline."""
    if sum(use is not None for use in (witness, snapshot, statement)) > 1:
        raise InvalidProblem("A key is made for one use: give --witness, --snapshot or --statement")
    if witness is not None:
        _make_note_key(out, witness, KeyKind.COSIGNATURE, "for one running witness, and no other", as_json=as_json)
        return
    if snapshot is not None:
        _make_note_key(out, snapshot, KeyKind.ED25519, "for whoever exports snapshots", as_json=as_json)
        return
    if statement is not None:
        _make_note_key(out, statement, KeyKind.ED25519, "for one verifier's statements", as_json=as_json)
        return
    key = SecretKey.generate()
    write_key(out, key)
    if as_json:
        print_json({"file": str(out), "public_key": key.public_key})
        return
    console.print(f"secret key  {out} (mode 0600; keep it offline, and a copy of it elsewhere)")
    console.print(f"public key  {key.public_key}")


def _make_note_key(out: Path, name: str, kind: KeyKind, use: str, *, as_json: bool) -> None:
    """Write a key in the form of Go's notes; without a copy: a witness that lost it begins with a new one."""
    check_key_name(name)
    key = SignerKey(name=name, kind=kind, secret=SecretKey.generate())
    write_secret(out, key.private_text.encode() + b"\n")
    if as_json:
        print_json({"file": str(out), "verifier_key": key.verifier.text})
        return
    console.print(f"secret key    {out} (mode 0600; {use})")
    console.print(f"verifier key  {key.verifier.text}", soft_wrap=True, markup=False)
