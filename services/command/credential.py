"""`credentify credential`: what an institution's staff gives its learners: papers, pictures, and secret links."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.table import Table

from proto.ids import HolderLinkId, parse_credential_id
from proto.problem import InvalidProblem
from proto.wire.holder_links import LINK_DAYS_MAX, HolderLink
from services.command.institution import gateway_client, institution_key_option
from services.command.links import gateway_option
from services.command.output import as_json_option, command, console, print_json

_F = TypeVar("_F", bound=Callable[..., Any])
_OUT = click.Path(dir_okay=False, path_type=Path)


def _to_file(decorated: _F) -> _F:
    """Let a command write what it fetches of one credential to a file."""
    for option in (
        click.option("--out", required=True, type=_OUT, help="Write it to this file."),
        institution_key_option,
        gateway_option,
        click.argument("credential_id"),
    ):
        decorated = option(decorated)
    return decorated


@click.group()
def credential() -> None:
    """Fetch a credential's paper or picture, or make a learner's secret link, as an institution."""


@credential.command("pdf")
@_to_file
@click.option("--lang", help="Language of the paper's own words: en, de, es or fr; the document's by default.")
@command
async def pdf(*, credential_id: str, gateway: str, api_key_file: Path, out: Path, lang: str | None) -> None:
    """Fetch the supplement of a credential: a PDF with the document attached, which verifiers read."""
    named = parse_credential_id(credential_id)
    async with gateway_client(gateway, api_key_file) as client:
        _write(out, await client.pdf(named, language=lang))
    console.print(f"supplement of {named} in {out}", markup=False)


@credential.command("picture")
@_to_file
@command
async def picture(*, credential_id: str, gateway: str, api_key_file: Path, out: Path) -> None:
    """Fetch the picture of a credential, PNG or SVG by the name of the file, the document baked in."""
    named = parse_credential_id(credential_id)
    form = out.suffix.lower().removeprefix(".")
    if form not in {"png", "svg"}:
        raise InvalidProblem(f"{out} ends in neither .png nor .svg: name the file after the form that you want")
    async with gateway_client(gateway, api_key_file) as client:
        _write(out, await client.picture(named, form="svg" if form == "svg" else "png"))
    console.print(f"picture of {named} in {out}", markup=False)


@credential.command("link")
@gateway_option
@institution_key_option
@click.option("--learner", metavar="REF", help="To all that this learner holds, by the institution's own name.")
@click.option("--credential", "credential_id", metavar="ID", help="To this credential alone.")
@click.option("--days", type=click.IntRange(1, LINK_DAYS_MAX), help="For how many days it works.")
@as_json_option
@command
async def link(
    *,
    gateway: str,
    api_key_file: Path,
    learner: str | None,
    credential_id: str | None,
    days: int | None,
    as_json: bool,
) -> None:
    """Make a learner's secret link; it is shown this once."""
    if (learner is None) == (credential_id is None):
        raise InvalidProblem("Say either --learner, for all that the learner holds, or --credential")
    body = {"learner": learner, "credential_id": credential_id, "days_valid": days}
    async with gateway_client(gateway, api_key_file) as client:
        made = await client.make_holder_link({name: value for name, value in body.items() if value is not None})
    if as_json:
        print_json(made)
    else:
        console.print(f"link      {made.link}", markup=False, soft_wrap=True)
        console.print(f"until     {made.expires_at}; end it with: credential end-link {made.link_id}", markup=False)


@credential.command("links")
@click.argument("learner", metavar="REF")
@gateway_option
@institution_key_option
@as_json_option
@command
async def links(*, learner: str, gateway: str, api_key_file: Path, as_json: bool) -> None:
    """List the secret links of a learner, without their secrets."""
    async with gateway_client(gateway, api_key_file) as client:
        found = await client.holder_links(learner)
    if as_json:
        print_json(found)
        return
    table = Table("link", "state", "leads to", "until", "views", box=None, pad_edge=False)
    for item in found.links:
        table.add_row(item.link_id, item.state, _leads_to(item), item.expires_at, str(item.view_count))
    console.print(table)


def _leads_to(item: HolderLink) -> str:
    what = f"credential {item.credential_id[:12]}" if item.credential_id else "all"
    return f"{what}, shared" if item.is_share else what


@credential.command("end-link")
@click.argument("link_id")
@gateway_option
@institution_key_option
@command
async def end_link(*, link_id: HolderLinkId, gateway: str, api_key_file: Path) -> None:
    """End a secret link, and all that was shared from it."""
    async with gateway_client(gateway, api_key_file) as client:
        print_json(await client.end_holder_link(link_id))


def _write(out: Path, content: bytes) -> None:
    try:
        out.write_bytes(content)
    except OSError as error:
        raise InvalidProblem(f"{out} cannot be written: {error.strerror}") from error
