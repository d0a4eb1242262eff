"""`credentify claim`: one-time links by which learners get their credentials: made by staff, used by learners."""

import asyncio
import csv
import secrets
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from proto.base64_strict import encode_base64
from proto.canonical import DECODE_ERRORS
from proto.documents.claim import claim_message
from proto.ids import BatchId, ClaimId
from proto.keys import did_key
from proto.number_words import number_of
from proto.problem import InvalidProblem
from proto.tables.day_order import DayOrder
from proto.tables.dialect import Encoding
from proto.wire.requests import CLAIM_HOURS_DEFAULT, CLAIM_HOURS_MAX, Claimed
from services.clients.gateway import GatewayClient, UnreachableProblem
from services.clients.http_session import client_session
from services.command.institution import gateway_client, institution_key_option
from services.command.key_file import read_key, write_secret
from services.command.links import gateway_option, read_link
from services.command.list_file import dates_option, encoding_option, read_source
from services.command.output import EXIT_NOT_WRITTEN, EXIT_PROBLEM, as_json_option, command, console, print_json

_TRIES = 3
_PAUSE_SECONDS = 1.0
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUT = click.Path(dir_okay=False, path_type=Path)
_hours_option = click.option(
    "--hours", type=click.IntRange(1, CLAIM_HOURS_MAX), default=CLAIM_HOURS_DEFAULT, show_default=True
)


@click.group()
def claim() -> None:
    """Make one-time links to credentials, or use one."""


def _read_award(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except DECODE_ERRORS as error:
        raise InvalidProblem(f"{path} is not the JSON of an award: {error}") from error


@claim.command("make")
@gateway_option
@institution_key_option
@click.option("--credential", metavar="ID", help="A credential that was issued.")
@click.option("--award", type=_FILE, help="JSON of an award, which is issued when the link is used.")
@_hours_option
@as_json_option
@command
async def make(
    *, gateway: str, api_key_file: Path, credential: str | None, award: Path | None, hours: int, as_json: bool
) -> None:
    """Make a link to a credential, or to an award that is issued when the link is used."""
    if (credential is None) == (award is None):
        raise InvalidProblem("Say either --credential or --award")
    what = {"credential_id": credential} if award is None else {"award": _read_award(award)}
    async with gateway_client(gateway, api_key_file) as client:
        made = await client.make_claim(what | {"hours_valid": hours})
    if as_json:
        print_json(made)
    else:
        console.print(f"{made.link}\n  works once, until {made.expires_at}", markup=False)


@claim.command("batch")
@click.argument("batch_id")
@gateway_option
@institution_key_option
@click.option("--out", required=True, type=_OUT, help="CSV of mode 0600: line, credential_id, link, expires_at.")
@_hours_option
@as_json_option
@command
async def batch(*, batch_id: BatchId, gateway: str, api_key_file: Path, out: Path, hours: int, as_json: bool) -> None:
    """Make a link for each credential of a batch; again: new ones, and the old ones work no more."""
    write_secret(out, b"")
    count = 0
    async with gateway_client(gateway, api_key_file) as client:
        with out.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(("line", "credential_id", "link", "expires_at"))
            async for made in client.claims_of_batch(batch_id, hours_valid=hours):
                rows.writerow((made.line, made.credential_id, made.link, made.expires_at))
                count += 1
    if as_json:
        print_json({"link_count": count, "file": str(out)})
    else:
        console.print(f"{number_of(count, 'link')} in {out}", markup=False)


@claim.command("awards")
@click.argument("file", type=_FILE)
@gateway_option
@institution_key_option
@click.option("--out", required=True, type=_OUT, help="CSV of mode 0600: line, link, expires_at, problem.")
@_hours_option
@dates_option
@encoding_option
@as_json_option
@command
async def awards(
    *,
    file: Path,
    gateway: str,
    api_key_file: Path,
    out: Path,
    hours: int,
    dates: DayOrder | None,
    encoding: Encoding | None,
    as_json: bool,
) -> None:
    """Make a link for each award of FILE (CSV, XLSX or NDJSON, 1,000 rows), issued when the link is used."""
    source = await read_source(file, dates=dates, encoding=encoding)
    write_secret(out, b"")
    counts = {"link_count": 0, "refused_count": 0}
    async with gateway_client(gateway, api_key_file) as client:
        with out.open("w", newline="", encoding="utf-8") as target:
            rows = csv.writer(target)
            rows.writerow(("line", "link", "expires_at", "problem"))
            async for line in client.claims_of_awards(
                file.read_bytes(),
                media_type=source.media_type,
                key=source.key,
                hours_valid=hours,
                dates=dates,
                encoding=encoding,
            ):
                made, problem = line.claim, (line.problem or {}).get("detail")
                counts["link_count" if made else "refused_count"] += 1
                rows.writerow((line.line, made and made.link, made and made.expires_at, problem))
    if as_json:
        print_json(counts | {"file": str(out)})
    else:
        links, refusals = number_of(counts["link_count"], "link"), number_of(counts["refused_count"], "refusal")
        console.print(f"{links} and {refusals} in {out}", markup=False)
    if counts["refused_count"]:
        sys.exit(EXIT_PROBLEM)


@claim.command("status")
@click.argument("claim_id")
@gateway_option
@institution_key_option
@command
async def status(*, claim_id: ClaimId, gateway: str, api_key_file: Path) -> None:
    """Show how the link CLAIM_ID stands."""
    async with gateway_client(gateway, api_key_file) as client:
        print_json(await client.claim(claim_id))


@claim.command("cancel")
@click.argument("claim_id")
@gateway_option
@institution_key_option
@command
async def cancel(*, claim_id: ClaimId, gateway: str, api_key_file: Path) -> None:
    """Cancel the link CLAIM_ID."""
    async with gateway_client(gateway, api_key_file) as client:
        print_json(await client.cancel_claim(claim_id))


async def _claimed(client: GatewayClient, secret: str, body: dict[str, Any]) -> Claimed:
    """Use a link; where the answer is lost, ask again with the same token, which gets the same answer."""
    body = body | {"retry_token": secrets.token_urlsafe(32)}
    for _ in range(_TRIES - 1):
        try:
            return await client.use_claim(secret, body)
        except UnreachableProblem:
            await asyncio.sleep(_PAUSE_SECONDS)
    return await client.use_claim(secret, body)


def _keep(out: Path, document: bytes) -> None:
    """Write the document into the file that was made for it; where its disk is full, it goes to standard output."""
    try:
        out.write_bytes(document)
    except OSError as error:
        click.echo(document, nl=False)
        click.echo(
            f"error: {out} cannot be written\n  {error.strerror}. The credential stands above: keep it, the link works "
            "once",
            err=True,
        )
        sys.exit(EXIT_NOT_WRITTEN)


@claim.command("use")
@click.argument("link")
@click.option("--out", required=True, type=_OUT, help="Write the credential to this new file.")
@click.option("--key", type=_FILE, help="Your key file: a credential that is not issued yet is bound to its did:key.")
@as_json_option
@command
async def use(*, link: str, out: Path, key: Path | None, as_json: bool) -> None:
    """Get the credential behind LINK, which works once."""
    url, secret = read_link(link, "claims")
    body: dict[str, Any] = {}
    if key is not None:
        signer = read_key(key)
        did = did_key(signer.public_key)
        signature = encode_base64(signer.sign(claim_message(secret, did)))
        body["holder"] = {"did": did, "signature": signature}
    if out.exists():
        raise InvalidProblem(f"{out} exists already: name a new file, the link works once")
    write_secret(out, b"")  # where nothing can be written, the link is not used up
    try:
        async with client_session() as session:
            claimed = await _claimed(GatewayClient(session, url), secret, body)
    except BaseException:
        out.unlink(missing_ok=True)
        raise
    _keep(out, msgspec.json.format(msgspec.json.encode(claimed.document), indent=2) + b"\n")
    if as_json:
        print_json({"credential_id": claimed.credential_id, "file": str(out)})
    else:
        console.print(f"credential {claimed.credential_id} in {out}", markup=False)
