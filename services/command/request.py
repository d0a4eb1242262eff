"""`credentify request`: learners ask for achievements, look and withdraw; staff list, accept and reject."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from proto.canonical import DECODE_ERRORS
from proto.ids import RequestId
from proto.problem import InvalidProblem
from proto.wire.requests import RequestAnswer, RequestPage, RequestSeen
from services.clients.gateway import GatewayClient
from services.clients.http_session import client_session
from services.command.institution import gateway_client, institution_key_option
from services.command.links import client_of_link, gateway_option
from services.command.output import as_json_option, command, console, print_json
from services.command.terminal import clean

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_STATES = ("open", "accepted", "rejected", "withdrawn", "lapsed")


@click.group()
def request() -> None:
    """Ask for an achievement, or decide on who asked."""


@request.command("ask")
@gateway_option
@click.option("--institution", required=True, metavar="SLUG", help="The institution's short name at the gateway.")
@click.option("--achievement", required=True, metavar="ID", help="The achievement's id at the institution.")
@click.option("--given-name", metavar="TEXT")
@click.option("--family-name", metavar="TEXT")
@click.option("--email", metavar="ADDRESS")
@click.option("--message", metavar="TEXT", help="What the institution should know.")
@click.option("--credential", "credentials", multiple=True, metavar="ID", help="A credential that is a prerequisite.")
@as_json_option
@command
async def ask(*, gateway: str, as_json: bool, credentials: Sequence[str], **stated: str | None) -> None:
    """Ask an institution for an achievement; prints the secret link that shows what is decided."""
    body: dict[str, Any] = {name: text for name, text in stated.items() if text} | {"credentials": list(credentials)}
    async with client_session() as session:
        made = await GatewayClient(session, gateway).ask(body)
    if as_json:
        print_json(made)
    else:
        console.print(f"asked; keep this link, it is shown this once:\n{made.link}", markup=False)


@request.command("status")
@click.argument("link")
@click.option("--document", type=click.Path(dir_okay=False, path_type=Path), help="Write the credential here.")
@as_json_option
@command
async def status(*, link: str, document: Path | None, as_json: bool) -> None:
    """Show what became of the request behind LINK."""
    async with client_of_link(link, "requests") as (client, secret):
        seen = await client.request_seen(secret)
        if document is not None:
            document.write_bytes(await client.requested_document(secret))
    _print_seen(seen, as_json=as_json)


@request.command("withdraw")
@click.argument("link")
@as_json_option
@command
async def withdraw(*, link: str, as_json: bool) -> None:
    """Withdraw the request behind LINK; what was said in it is erased."""
    async with client_of_link(link, "requests") as (client, secret):
        _print_seen(await client.withdraw_request(secret), as_json=as_json)


def _print_seen(seen: RequestSeen, *, as_json: bool) -> None:
    if as_json:
        print_json(seen)
        return
    console.print(f"{seen.state}: {clean(seen.title)}, {clean(seen.legal_name)}")
    for label, text in (("reason", seen.reason), ("credential", seen.credential_id)):
        if text:
            console.print(f"  {label}: {clean(text)}")


@request.command("list")
@gateway_option
@institution_key_option
@click.option("--state", type=click.Choice(_STATES), default="open", show_default=True)
@as_json_option
@command
async def list_(*, gateway: str, api_key_file: Path, state: str, as_json: bool) -> None:
    """List requests to the institution, the oldest first."""
    async with gateway_client(gateway, api_key_file) as client:
        found = [item async for item in client.all_requests(state=state)]
    if as_json:
        print_json(RequestPage(requests=tuple(found)))
        return
    for item in found:
        console.print(_line(item), markup=False)
    console.print(f"{len(found)} {state}")


def _line(item: RequestAnswer) -> str:
    if item.wish is None:
        return f"{item.request_id}  {item.created_at[:10]}  {item.achievement_id}  (erased)"
    name = " ".join(filter(None, (item.wish.given_name, item.wish.family_name)))
    return f"{item.request_id}  {item.created_at[:10]}  {item.achievement_id}  {clean(name)}"


@request.command("accept")
@click.argument("request_id")
@gateway_option
@institution_key_option
@click.option("--ref", metavar="REF", help="The institution's own name for the learner; default: the request's own.")
@click.option("--grade", metavar="TEXT", help="The result.")
@click.option("--body", "body_file", type=_FILE, help="JSON with everything else that an award may say.")
@as_json_option
@command
async def accept(
    *,
    request_id: RequestId,
    gateway: str,
    api_key_file: Path,
    ref: str | None,
    grade: str | None,
    body_file: Path | None,
    as_json: bool,
) -> None:
    """Accept REQUEST_ID: its credential is issued, once, however often this is said."""
    body: dict[str, Any] = _read_body(body_file)
    if grade:
        body["result"] = {"value": grade}
    async with gateway_client(gateway, api_key_file) as client:
        if ref:
            body["learner"] = {**_learner(await client.asked(request_id)), **body.get("learner", {}), "ref": ref}
        issued = await client.accept(request_id, body)
    if as_json:
        print_json(issued)
    else:
        console.print(f"accepted: credential {issued.credential_id} ({issued.issue.state})", markup=False)


def _read_body(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except DECODE_ERRORS as error:
        raise InvalidProblem(f"{path} is not a JSON object: {error}") from error


def _learner(asked: RequestAnswer) -> dict[str, str]:
    wish = asked.wish
    named = {} if wish is None else {name: getattr(wish, name) for name in ("given_name", "family_name", "email")}
    return {name: text for name, text in named.items() if text}


@request.command("reject")
@click.argument("request_id")
@gateway_option
@institution_key_option
@click.option("--reason", required=True, metavar="TEXT", help="Why; the learner reads it.")
@as_json_option
@command
async def reject(*, request_id: RequestId, gateway: str, api_key_file: Path, reason: str, as_json: bool) -> None:
    """Reject REQUEST_ID."""
    async with gateway_client(gateway, api_key_file) as client:
        decision = await client.reject(request_id, reason)
    if as_json:
        print_json(decision)
    else:
        console.print(f"{decision.state}", markup=False)
