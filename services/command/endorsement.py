"""`credentify endorsement`: whom an institution invites to endorse its credentials, and what it endorses of others."""

from pathlib import Path

import click

from proto.ids import parse_credential_id, parse_event_id
from proto.number_words import number_of
from proto.wire.own_statements import InvitationAnswer, InvitationPage
from services.clients.pages import every_page
from services.command.achievement_names import named
from services.command.institution import gateway_client, institution_key_option, print_event
from services.command.links import gateway_option
from services.command.output import as_json_option, command, console, print_json
from services.command.terminal import clean

_role_option = click.option(
    "--role",
    type=click.Choice(["joint-award", "quality"]),
    required=True,
    help="It awards it together with the issuer, or has assured its quality.",
)


@click.group()
def endorsement() -> None:
    """Invite institutions to endorse credentials, or endorse some, as an institution."""


@endorsement.command("invite")
@gateway_option
@institution_key_option
@click.option("--achievement", required=True, metavar="URI", help="An achievement of the institution.")
@click.option("--endorser", required=True, metavar="DID", help="The institution that may endorse its credentials.")
@_role_option
@as_json_option
@command
async def invite(
    *, gateway: str, api_key_file: Path, as_json: bool, achievement: str, endorser: str, role: str
) -> None:
    """Let another institution endorse the credentials of an achievement."""
    body = {"achievement": achievement, "endorser": endorser, "role": role}
    async with gateway_client(gateway, api_key_file) as client:
        print_event("invited", await client.invite_endorser(body), as_json=as_json)


@endorsement.command("invitations")
@gateway_option
@institution_key_option
@click.option("--received", is_flag=True, help="Those that the institution got, not those that it made.")
@as_json_option
@command
async def invitations(*, gateway: str, api_key_file: Path, received: bool, as_json: bool) -> None:
    """List invitations, the newest first."""
    found: list[InvitationAnswer] = []
    async with gateway_client(gateway, api_key_file) as client:
        async for page in every_page(lambda cursor: client.endorsers(received=received, cursor=cursor)):
            found += page.invitations
    if as_json:
        print_json(InvitationPage(invitations=tuple(found)))
        return
    for each in found:
        other, name = (each.inviter, each.inviter_name) if received else (each.endorser, each.endorser_name)
        console.print(clean("  ".join(filter(None, (each.event_id, each.state, each.role, name, other)))))
        console.print(f"  {named(each.achievement, each.title, None)}")
    console.print(number_of(len(found), "invitation"))


@endorsement.command("uninvite")
@click.argument("event_id")
@gateway_option
@institution_key_option
@as_json_option
@command
async def uninvite(*, event_id: str, gateway: str, api_key_file: Path, as_json: bool) -> None:
    """Withdraw the invitation EVENT_ID, and with it what was endorsed by it."""
    named = parse_event_id(event_id)
    async with gateway_client(gateway, api_key_file) as client:
        print_event("withdrawn", await client.uninvite_endorser(named), as_json=as_json)


@endorsement.command("give")
@click.argument("credential_id")
@gateway_option
@institution_key_option
@_role_option
@as_json_option
@command
async def give(*, credential_id: str, gateway: str, api_key_file: Path, role: str, as_json: bool) -> None:
    """Endorse the credential CREDENTIAL_ID of an institution that has invited this one."""
    async with gateway_client(gateway, api_key_file) as client:
        made = await client.endorse(parse_credential_id(credential_id), {"role": role})
        print_event("endorsed", made, as_json=as_json)


@endorsement.command("list")
@click.argument("credential_id")
@gateway_option
@institution_key_option
@as_json_option
@command
async def list_(*, credential_id: str, gateway: str, api_key_file: Path, as_json: bool) -> None:
    """List the endorsements of the credential CREDENTIAL_ID, the newest hundred."""
    async with gateway_client(gateway, api_key_file) as client:
        page = await client.endorsements(parse_credential_id(credential_id), limit=100)
    if as_json:
        print_json(page)
        return
    for each in page.endorsements:
        state = "holds" if each.holds else "uninvited" if each.state == "live" else each.state
        console.print(
            clean("  ".join(filter(None, (each.event_id, state, each.role, each.endorser_name, each.endorser))))
        )
    console.print(number_of(len(page.endorsements), "endorsement"))


@endorsement.command("withdraw")
@click.argument("credential_id")
@click.argument("event_id")
@gateway_option
@institution_key_option
@as_json_option
@command
async def withdraw(*, credential_id: str, event_id: str, gateway: str, api_key_file: Path, as_json: bool) -> None:
    """Withdraw the endorsement EVENT_ID of the credential CREDENTIAL_ID."""
    named = parse_event_id(event_id)
    async with gateway_client(gateway, api_key_file) as client:
        taken = await client.withdraw_endorsement(parse_credential_id(credential_id), named)
        print_event("withdrawn", taken, as_json=as_json)
