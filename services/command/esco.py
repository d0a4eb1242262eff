"""`credentify esco import FILE`: loads ESCO's official list of skills into a gateway, as its operator."""

from collections.abc import AsyncIterator
from pathlib import Path

import click

from proto.number_words import number_of
from services.command.institution import gateway_client
from services.command.links import gateway_option
from services.command.output import as_json_option, command, console, print_json

_PIECE_BYTES = 65_536


@click.group()
def esco() -> None:
    """Work with ESCO, the European classification of skills and occupations."""


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


@esco.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@gateway_option
@click.option(
    "--operator-token-file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the operator's token.",
)
@click.option("--language", default="en", show_default=True, metavar="TAG", help="The language of FILE.")
@as_json_option
@command
async def import_skills(*, file: Path, gateway: str, operator_token_file: Path, language: str, as_json: bool) -> None:
    """Load FILE, a CSV of skills as ESCO offers it for download; again changes nothing."""
    async with gateway_client(gateway, operator_token_file) as client:
        loaded = await client.load_skills(_pieces(file), language=language)
    if as_json:
        print_json(loaded)
    else:
        foreign = (
            f"; {number_of(loaded.foreign_count, 'row')} with URIs of others passed over"
            if loaded.foreign_count
            else ""
        )
        console.print(f"{number_of(loaded.skill_count, 'skill')} loaded ({loaded.language}){foreign}", markup=False)
