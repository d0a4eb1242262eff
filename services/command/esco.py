"""`credentify esco import FILE`: loads ESCO's official list of skills into a gateway, as its operator."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import click
import msgspec

from proto.wire.gateway import EscoLoaded
from services.command.http_client import AnsweredProblem, UnreachableProblem, problem_document
from services.command.output import as_json_option, command, console, print_json

_PIECE_BYTES = 65_536
_LIMITS = aiohttp.ClientTimeout(total=None, connect=10, sock_read=300)
_ERROR_MIN = 400


@click.group()
def esco() -> None:
    """Work with ESCO, the European classification of skills and occupations."""


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


async def _load(path: Path, url: str, token: str, language: str) -> EscoLoaded:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/csv"}
    target = f"{url.rstrip('/')}/v1/esco/skills"
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.put(
                target, data=_pieces(path), params={"language": language}, headers=headers, timeout=_LIMITS
            ) as response,
        ):
            data = await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise UnreachableProblem(f"{url} does not answer ({type(error).__name__}): is it running?") from error
    if response.status >= _ERROR_MIN:
        raise AnsweredProblem(problem_document(data), response.status)
    return msgspec.json.decode(data, type=EscoLoaded)


@esco.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--gateway", required=True, envvar="GATEWAY", metavar="URL", help="Base URL of the issuer gateway.")
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
    loaded = await _load(file, gateway, operator_token_file.read_text().strip(), language)
    if as_json:
        print_json(loaded)
    else:
        foreign = f"; {loaded.foreign_count} rows with URIs of others passed over" if loaded.foreign_count else ""
        console.print(f"{loaded.skill_count} skills loaded ({loaded.language}){foreign}", markup=False)
