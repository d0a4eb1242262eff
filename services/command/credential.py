"""`credentify credential`: what an institution's staff gives its learners on paper."""

from pathlib import Path

import click

from proto.ids import parse_credential_id
from proto.problem import InvalidProblem
from services.clients.gateway import GatewayClient
from services.clients.http_session import client_session
from services.command.links import gateway_option
from services.command.output import command, console

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUT = click.Path(dir_okay=False, path_type=Path)
_key_option = click.option("--api-key-file", required=True, type=_FILE, help="File with the institution's API key.")


@click.group()
def credential() -> None:
    """Fetch a credential's paper, as an institution."""


@credential.command("pdf")
@click.argument("credential_id")
@gateway_option
@_key_option
@click.option("--out", required=True, type=_OUT, help="Write the PDF to this file.")
@click.option("--lang", help="Language of the paper's own words: en, de, es or fr; the document's by default.")
@command
async def pdf(*, credential_id: str, gateway: str, api_key_file: Path, out: Path, lang: str | None) -> None:
    """Fetch the supplement of a credential: a PDF with the document attached, which verifiers read."""
    named = parse_credential_id(credential_id)
    async with client_session() as session:
        client = GatewayClient(session, gateway, token=api_key_file.read_text().strip())
        content = await client.pdf(named, language=lang)
    try:
        out.write_bytes(content)
    except OSError as error:
        raise InvalidProblem(f"{out} cannot be written: {error.strerror}") from error
    console.print(f"supplement of {named} in {out}", markup=False)
