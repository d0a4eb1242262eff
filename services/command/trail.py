"""`credentify trail`: an institution's audit trail as a file, and the check that nothing in such a file was altered."""

from pathlib import Path

import click

from proto.audit_trail import CheckedTrail, check_trail
from proto.problem import InvalidProblem
from services.command.institution import gateway_client, institution_key_option
from services.command.links import gateway_option
from services.command.output import as_json_option, command, console, print_json

_file_argument = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


@click.group()
def trail() -> None:
    """Export who did what, from where, answered what; and check such an export."""


@trail.command("export")
@_file_argument
@gateway_option
@institution_key_option
@as_json_option
@command
async def export(*, file: Path, gateway: str, api_key_file: Path, as_json: bool) -> None:
    """Write the trail to FILE, one entry a line; what FILE holds already is checked and goes on where it ends.

    An export that broke off in the middle of a line goes on with that line. With the operator's token in place of an
    API key it is the operator's own trail.
    """
    before = file.read_bytes() if file.exists() else b""
    whole = before[: before.rfind(b"\n") + 1]
    known = whole.splitlines()
    last = check_trail(known).last if known else 0
    lines = list(known)
    async with gateway_client(gateway, api_key_file) as client:
        lines += [line async for line in client.whole_audit_trail(after=last)]
    if not lines:
        raise InvalidProblem("Nothing was recorded yet: a second after the first request there is an entry")
    found = check_trail(lines)
    with file.open("r+b" if before else "wb") as out:
        out.seek(len(whole))
        out.truncate()
        out.writelines(line + b"\n" for line in lines[len(known) :])
    _show(found, as_json=as_json)


@trail.command("check")
@_file_argument
@click.option("--hash", "expected", metavar="HEX", help="What it has to end with, as it was noted elsewhere.")
@as_json_option
@command
async def check(*, file: Path, expected: str | None, as_json: bool) -> None:
    """Check that FILE is what was recorded: no entry in it was altered, left out or put in. Asks nobody."""
    found = check_trail(file.read_bytes().splitlines())
    if expected is not None and found.hash != expected.lower():
        raise InvalidProblem(
            f"It holds together, and ends otherwise than with {expected[:64]}: entries are missing at its end, or came "
            "after it. Export it again, and compare the hash of the same number"
        )
    _show(found, as_json=as_json)


def _show(found: CheckedTrail, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    console.print(f"entries {found.first} to {found.last} hold together", markup=False)
    console.print(f"ends with {found.hash}", markup=False)
